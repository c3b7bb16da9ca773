"""Several members' nodes, each really answering over HTTP, in this process.

The embedded engine is alone with its ledger, so nodes of one history are copies of one ledger, and
a node that goes on alone has another history: which is just what the watching is about.
"""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import uvicorn

from careledger.apps import installed
from careledger.apps.governance.commands import MemberAdmitted, RetireKey
from careledger.consensus.remote import RemoteNode
from careledger.ledger.genesis import Activation, Genesis, GenesisEvent, load_genesis
from careledger.ledger.membership import NetworkParameters
from careledger.ledger.possession import PublishedKey
from careledger.ledger.record import Digest, Record, digest
from careledger.ledger.signature import Algorithm, SigningKey
from careledger.ledger.transaction import call, sign_transaction
from careledger.ledger.transition import Receipt
from careledger.node.config import NODE_FILE, NodeConfig, format_toml
from careledger.node.serve import RunningNode, open_node, wall_clock
from careledger.vault.keyfile import save_key
from careledger.verify.trust import Trust, format_trust, make_trust
from tests.faults.node_process import free_port
from tests.ledger.world import claims

RECEIPTS: tuple[Algorithm, ...] = ("EdDSA", "ES256")
MEMBERS = ("hospital", "clinic", "payer", "pharmacy")


def key(member: str, use: str) -> SigningKey:
    return SigningKey("EdDSA", digest(f"{member} {use}".encode()))


@dataclass(frozen=True)
class Node:
    """One member's node while it runs."""

    member: str
    url: str
    running: RunningNode


class Consortium:
    """The homes of all members' nodes in one folder."""

    def __init__(self, folder: Path, members: tuple[str, ...] = MEMBERS) -> None:
        self.folder, self.members, self.time = folder, members, wall_clock()
        self.nonce = 0
        folder.mkdir(parents=True, exist_ok=True)
        self.genesis = folder / "genesis.json"
        self.genesis.write_bytes(self._genesis())
        self.chain, _ = load_genesis(self.genesis.read_bytes())
        for member in members:
            home = self.home(member)
            home.mkdir()
            save_key(home / "checkpoint.key", "EdDSA", digest(f"{member} checkpoint".encode()))
            for algorithm in RECEIPTS:
                secret = digest(f"{member} receipt".encode())
                save_key(home / f"receipt-{algorithm}.key", algorithm, secret)
            self.configure(member, free_port())

    def home(self, member: str) -> Path:
        return self.folder / member

    def configure(self, member: str, port: int, cosigners: tuple[str, ...] = ()) -> None:
        config = NodeConfig(
            member=member,
            genesis="../genesis.json",
            ledger="ledger",
            checkpoint_key="checkpoint.key",
            receipt_keys=tuple(f"receipt-{algorithm}.key" for algorithm in RECEIPTS),
            port=port,
            workers=0,
            cosigners=cosigners,
        )
        (self.home(member) / NODE_FILE).write_text(format_toml(config))

    def meet(self) -> None:
        """Let every node ask all others for their signatures."""
        ports = {member: free_port() for member in self.members}
        for member, port in ports.items():
            others = tuple(f"http://127.0.0.1:{ports[o]}" for o in self.members if o != member)
            self.configure(member, port, others)

    def share(self, source: str, *others: str) -> None:
        """Give others the ledger of `source`; nobody may be running."""
        for other in others or [one for one in self.members if one != source]:
            shutil.rmtree(self.home(other) / "ledger", ignore_errors=True)
            shutil.copytree(self.home(source) / "ledger", self.home(other) / "ledger")

    def trust(self, threshold: int, *members: str) -> Path:
        path = self.folder / f"trust-{threshold}.json"
        path.write_text(format_trust(self.trusting(threshold, *members)))
        return path

    def trusting(self, threshold: int, *members: str) -> Trust:
        keys = [
            (one, "checkpoint", key(one, "checkpoint").public) for one in members or self.members
        ]
        return make_trust(self.chain, threshold, keys)

    def write(self, url: str, count: int = 1) -> None:
        """Put `count` transactions into the log of the node at `url`."""

        async def send() -> None:
            async with RemoteNode(url) as node:
                for begin in range(0, count, 500):
                    await node.submit_many(
                        [self.transaction() for _ in range(min(500, count - begin))]
                    )

        asyncio.run(send())

    def send(self, url: str, command: Record) -> Receipt:
        """One command of the first member, to the node at `url`."""

        async def send() -> Receipt:
            async with RemoteNode(url) as node:
                return (await node.submit(self.transaction(command))).receipt

        return asyncio.run(send())

    def transaction(self, command: Record | None = None) -> bytes:
        """Something that the ledger orders; unless it is told what, something that it refuses."""
        self.nonce += 1
        member = self.members[0]
        now = wall_clock()
        claimed = claims(
            member,
            self.nonce,
            subject="governance",
            audience=self.chain.hex(),
            not_before=now - 5,
            expires=now + 600,
        )
        return sign_transaction(
            key(member, "transaction"),
            claimed,
            call("governance", command or RetireKey(key=bytes(32))),
        )

    @contextmanager
    def running(self, *members: str) -> Iterator[list[Node]]:
        """Run these members' nodes, or all, in a thread of their own."""
        started: list[Node] = []
        ready, stop = threading.Event(), asyncio.Event()
        loop = asyncio.new_event_loop()
        failed: list[BaseException] = []

        async def serve() -> None:
            async with AsyncExitStack() as owned:
                for member in members or self.members:
                    started.append(await self._start(member, owned))  # noqa: PERF401 - as they start
                ready.set()
                await stop.wait()

        def run() -> None:
            try:
                loop.run_until_complete(serve())
            except BaseException as error:  # noqa: BLE001 - the test's thread raises it
                failed.append(error)
                ready.set()
            finally:
                loop.run_until_complete(loop.shutdown_default_executor())
                loop.close()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            assert ready.wait(60)
            if failed:
                raise failed[0]
            yield started
        finally:
            if not loop.is_closed():
                loop.call_soon_threadsafe(stop.set)
            thread.join(60)
        if failed:
            raise failed[0]

    async def _start(self, member: str, owned: AsyncExitStack) -> Node:
        from careledger.node.config import load_node

        config = load_node(self.home(member))
        node = await owned.enter_async_context(open_node(self.home(member), config))
        settings = uvicorn.Config(
            node.app, port=config.port, log_level="warning", access_log=False, lifespan="off"
        )
        server = uvicorn.Server(settings)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve())

        async def end() -> None:
            server.should_exit = True
            await serving

        owned.push_async_callback(end)
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        return Node(member, f"http://127.0.0.1:{config.port}", node)

    def _genesis(self) -> bytes:
        def admitted(member: str) -> GenesisEvent:
            keys = tuple(
                PublishedKey(use=use, algorithm="EdDSA", public=key(member, use).public.public)
                for use in ("transaction", "checkpoint", "receipt")
            )
            event = MemberAdmitted(
                member=member, name=member.title(), roles=("provider",), keys=keys, at=self.time
            )
            return GenesisEvent(
                application="governance", event=msgspec.Raw(msgspec.json.encode(event))
            )

        genesis = Genesis(
            name="consortium",
            time=self.time,
            activations=tuple(
                Activation(application=name, version=version)
                for name, version in sorted(installed())
            ),
            parameters=NetworkParameters(),
            events=tuple(map(admitted, self.members)),
        )
        return msgspec.json.encode(genesis)


def root_of(node: Node) -> tuple[int, Digest]:
    """Size and root of a node's log now."""
    with node.running.store.snapshot() as committed:
        header = committed.latest()
    return header.size, Digest(header.log_root)
