"""A member that breaks the rules, among three that keep them, and what the ledger says of it.

What it runs is in `byzantine_node`; here is what starts it, and what its neighbours are asked.
"""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from msgspec.structs import replace

from careledger.apps.governance import APPLICATION as GOVERNANCE
from careledger.apps.governance.commands import MemberSuspended, Misbehaved
from careledger.apps.governance.state import MISBEHAVIOUR
from careledger.consensus.cometbft.home import EngineHome, peer_id
from careledger.consensus.remote import Happened, RemoteNode
from careledger.ledger.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from careledger.ledger.record import MemberId, decode, digest
from careledger.node.config import NODE_FILE, format_toml, load_node
from careledger.vault.keyfile import load_signing_key, save_key
from tests.faults.node_process import free_port
from tests.faults.validators import Validator, Validators

FORGED_FILE = "forged.log"
"""In the home of a forger: what it proposed."""

BUDGET = 60
"""Commands of one member in one block, in these trials."""

LATER_S = 0.015
"""As long as engines take to pass a vote on, and far less than a block takes."""

_AGAINST = re.compile(r"voting against a proposal for height (\d+): (\w+)")


class Byzantine(Validator):
    """A node of a member that breaks the rules; `kind` says how."""

    def __init__(self, home: Path, url: str, kind: str) -> None:
        super().__init__(home, url)
        self._kind = kind

    def start(self) -> None:
        """Run it; what it says goes to a file in its home."""
        assert not self.is_running
        command = [sys.executable, "-m", "tests.faults.byzantine_node", self._kind, str(self.home)]
        with (self.home / "output.log").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    @property
    def forged(self) -> "list[Forged]":
        """What it proposed that may be in no block."""
        path = self.home / FORGED_FILE
        lines = path.read_text().splitlines() if path.exists() else []
        return [
            Forged(int(height), kind, tuple(ids)) for height, kind, *ids in map(str.split, lines)
        ]


@dataclass(frozen=True)
class Forged:
    """One proposal, and the ids of what was added to it that is nowhere else."""

    height: int
    kind: str
    ids: tuple[str, ...]


def copy_of(node: Validator, folder: Path, port: int) -> Path:
    """A copy of a member's whole home, keys and all, for another machine: the ports differ."""
    home = folder / node.home.name
    shutil.copytree(node.home.parent, folder)
    config = replace(load_node(home), port=port, engine_listen=f"127.0.0.1:{port + 1}")
    (home / NODE_FILE).write_text(format_toml(config))
    return home


def twin_of(node: Validator, folder: Path, port: int, engines: dict[str, int]) -> Path:
    """A second home with the same keys and what was signed so far; only the key to connect differs.

    It calls the other engines at their own `engines` ports; `port` is its node's, and its engine's
    is the next. Whoever copies a home like this does what every page of ours says never to do.
    """
    home = copy_of(node, folder, port)
    config = load_node(home)
    assert config.engine_key is not None
    key = home / config.engine_key
    key.unlink()
    save_key(key, "EdDSA", digest(b"the twin"))
    names = [peer.partition("@")[0] for peer in config.engine_peers]
    peers = tuple(f"{name}@127.0.0.1:{engines[name]}" for name in names)
    (home / NODE_FILE).write_text(format_toml(replace(config, engine_peers=peers)))
    return home


@contextmanager
def twins(network: Validators, folder: Path) -> Iterator[Validator]:
    """The last member's node runs twice; of any block one of the two says no.

    The other hears and speaks a little later: when it votes, its neighbours have just sent it the
    twin's vote, and do not know yet that it has one of its own. So both votes reach everybody.
    """
    node = network.nodes[-1]
    if node.is_running:
        assert node.stop() == 0
    engines = {
        _peer_name(one): int(load_node(one.home).engine_listen.rpartition(":")[2])
        for one in network.nodes[:-1]
    }
    port = free_port(1)
    home = twin_of(node, folder, port, engines)
    twin = Byzantine(home, f"http://127.0.0.1:{port}", "denier")
    last = len(network.nodes) - 1
    network.relays.slow(lambda link: LATER_S if last in link else 0.0)
    try:
        twin.start()
        yield twin
    finally:
        twin.kill()
        network.relays.slow(lambda _: 0.0)


def _peer_name(node: Validator) -> str:
    config = load_node(node.home)
    assert config.engine_key is not None
    return peer_id(load_signing_key(node.home / config.engine_key))


@dataclass(frozen=True)
class Caught:
    """Where a node's log names a member, and what follows there."""

    index: int
    offence: Misbehaved
    suspended: bool


class Feed:
    """The event feed of a node, read on from where it was read before."""

    def __init__(self, node: Validator) -> None:
        self._node, self._after = node, 0
        self._found: list[Caught] = []

    def caught(self, kind: str) -> list[Caught]:
        """Every offence of a kind that it tells so far."""
        asyncio.run(self._read_on())
        return [one for one in self._found if one.offence.kind == kind]

    async def _read_on(self) -> None:
        async with RemoteNode(self._node.url) as remote:
            while True:
                page = await remote.events(self._after, limit=1_000)
                for one in page.happened:
                    self._found += _offences(one)
                if page.following == self._after:
                    return
                self._after = page.following


def _offences(happened: Happened) -> list[Caught]:
    events = [
        decode(record.event, GOVERNANCE.event_type)
        for record in happened.receipt.events
        if record.application == GOVERNANCE.name
    ]
    suspends = any(isinstance(event, MemberSuspended) for event in events)
    return [
        Caught(happened.index, event, suspends) for event in events if isinstance(event, Misbehaved)
    ]


def offence_row(node: Validator, offence: Misbehaved) -> bytes | None:
    """What the state of `node` has of it, as its API answers with a proof."""

    async def ask() -> bytes | None:
        async with RemoteNode(node.url) as remote:
            key = (offence.member, offence.kind, str(offence.number))
            return (await remote.row(MISBEHAVIOUR.name, *key)).row

    return asyncio.run(ask())


def validators_at(node: Validator, height: int) -> dict[str, int]:
    """Power by address in the set that decides block `height`, as the engine of `node` says."""
    home = EngineHome((node.home / load_node(node.home).engine_home).resolve())
    transport = httpx2.HTTPTransport(uds=str(home.rpc_socket))
    with httpx2.Client(transport=transport, base_url="http://engine", timeout=30) as client:
        answer: Any = client.get(f"/validators?height={height}").json()
    return {
        one["address"].lower(): int(one["voting_power"]) for one in answer["result"]["validators"]
    }


def voted_against(node: Validator) -> dict[int, set[str]]:
    """Why `node` voted against proposals, by height, as its log says."""
    found: dict[int, set[str]] = {}
    for height, reason in _AGAINST.findall((node.home / "output.log").read_text()):
        found.setdefault(int(height), set()).add(reason)
    return found


def two_faces(node: Validator) -> tuple[str, str]:
    """The newest checkpoint of a member's node, and another of that size that it signs as well."""
    note = httpx2.get(f"{node.url}/v1/checkpoint", timeout=30).text
    true = parse_checkpoint(note).checkpoint
    config = load_node(node.home)
    key = load_signing_key(node.home / config.checkpoint_key)
    false = Checkpoint(origin=true.origin, size=true.size, root=digest(b"another history"))
    member = MemberId(config.member)
    return tuple(sign_checkpoint(one, member, key, 1).format() for one in (true, false))  # type: ignore[return-value]
