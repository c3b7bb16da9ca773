"""A real CometBFT carries a snapshot from one node to another, which then follows the chain."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from careledger.consensus.chain import Chain
from careledger.ledger.checkpoint import Checkpoint, origin_of, sign_checkpoint
from careledger.ledger.record import MemberId
from careledger.ledger.signature import SigningKey
from careledger.node.snapshots import Snapshotting
from careledger.node.state_sync import StateSync
from careledger.store.sync.kept import Kept
from careledger.verify.trust import Trust, make_trust
from tests.consensus.cometbft.real import Node, Place, node, now, signed
from tests.consensus.cometbft.world import INSTALLED
from tests.faults.node_process import free_port
from tests.ledger.world import LAKEVIEW, RIVERSIDE, SetNote, key
from tests.node.answering import Handler, answering

PATIENCE_S = 90
TRUSTED = 2


def checkpoint_key(member: str) -> SigningKey:
    return key(f"{member} checkpoint")


@contextmanager
def vouching(chain: Chain) -> Iterator[str]:
    """The URL of a node that signs checkpoints of `chain`, and nothing else."""

    class Answers(Handler):
        def do_GET(self) -> None:  # noqa: N802 - its name there
            (size,) = parse_qs(urlsplit(self.path).query).get("size", ["0"])
            with chain.store.snapshot() as committed:
                root = committed.root_at(int(size))
            assert root is not None
            checkpoint = Checkpoint(origin=origin_of(chain.id), size=int(size), root=root)
            member = MemberId(RIVERSIDE)
            own = sign_checkpoint(checkpoint, member, checkpoint_key(RIVERSIDE), now())
            body = own.format().encode()
            self.reply(body)

    with answering(Answers) as url:
        yield url


def trusting(chain: Chain, member: str) -> Trust:
    return make_trust(chain.id, 1, [(member, "checkpoint", checkpoint_key(member).public)])


def syncing(
    folder: Path, trust: Callable[[Chain], Trust] | None = None, *peers: str
) -> Callable[[Chain], StateSync]:
    def make(chain: Chain) -> StateSync:
        return StateSync(
            chain.store,
            folder / "chain",
            Kept(folder / "snapshots"),
            INSTALLED,
            trust=trust(chain) if trust else None,
            peers=peers,
            clock=now,
        )

    return make


async def write(one: Node, *numbers: int) -> None:
    for number in numbers:
        note = SetNote(at=f"n{number}", text="x" * 200)
        assert (await one.engine.submit(signed(one.chain, note, number))).receipt.code == 0


def state_sync(rpc: Path, height: int, hash_: str) -> str:
    return f"""
[statesync]
enable = true
rpc_servers = "unix://{rpc},unix://{rpc}"
trust_height = {height}
trust_hash = "{hash_}"
trust_period = "168h0m0s"
discovery_time = "5s"
"""


async def eventually(what: Callable[[], bool]) -> None:
    while not what():  # noqa: ASYNC110 - another process does it
        await asyncio.sleep(0.05)


@asynccontextmanager
async def giving(folder: Path) -> AsyncIterator[tuple[Node, Place, str]]:
    """A validator with a past, which keeps snapshots; where it is, and a hash of its chain."""
    place, kept = Place(port=free_port()), Kept(folder / "snapshots")
    given = syncing(folder)
    async with node(folder, {RIVERSIDE: 10}, place=place, snapshots=given) as old:
        taking = Snapshotting(old.chain.store, folder / "chain", kept, every=3, most=9)
        taking.start()
        await write(old, *range(6))
        await eventually(lambda: bool(kept.heights()))
        await old.until_height(kept.heights()[0] + 3)
        taking.close()
        trusted: dict[str, Any] = await old.ask("commit", height=str(TRUSTED))
        yield old, place, trusted["signed_header"]["commit"]["block_id"]["hash"]


@asynccontextmanager
async def joining(
    folder: Path, old: Node, place: Place, hash_: str, signer: str, url: str
) -> AsyncIterator[Node]:
    """A node that begins by what its engine brings, if `signer` signed that log as well."""
    rpc = old.home / "rpc.sock"
    own = Place(
        member=LAKEVIEW, port=free_port(), peers=place.peer, more=state_sync(rpc, TRUSTED, hash_)
    )
    taking = syncing(folder, lambda chain: trusting(chain, signer), url)
    genesis = (old.home / "config" / "genesis.json").read_bytes()
    async with node(folder, {RIVERSIDE: 10}, place=own, snapshots=taking, genesis=genesis) as new:
        yield new


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, PATIENCE_S))


def test_a_node_begins_from_what_the_engine_carries(tmp_path: Path) -> None:
    async def story() -> None:
        async with giving(tmp_path / "old") as (old, place, hash_):
            with vouching(old.chain) as url:
                async with joining(tmp_path / "new", old, place, hash_, RIVERSIDE, url) as new:
                    store = new.chain.store
                    await eventually(lambda: store.latest.height > 0)
                    with store.snapshot() as committed:
                        assert committed.gap is not None, "it has not replayed the past"
                    await write(old, 100, 101)
                    height = old.chain.store.latest.height
                    await eventually(lambda: store.latest.height >= height)
                    with store.snapshot() as mine, old.chain.store.snapshot() as theirs:
                        for at in (height - 1, height):
                            assert mine.header(at) == theirs.header(at)

    play(story())


def test_the_members_are_asked_even_if_the_engine_is_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with giving(tmp_path / "old") as (old, place, hash_):
            with vouching(old.chain) as url:
                async with joining(tmp_path / "new", old, place, hash_, LAKEVIEW, url) as new:
                    await eventually(lambda: "no peer shows a checkpoint" in caplog.text)
                    assert new.chain.store.latest.height == 0

    play(story())
