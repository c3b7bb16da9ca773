"""A member that breaks the rules, among three that keep them, and what the ledger says of it.

What it runs is in `byzantine_node`; here is what starts it, and what its neighbours are asked.
"""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from msgspec.structs import replace

from careledger.apps.governance import APPLICATION as GOVERNANCE
from careledger.apps.governance.commands import MemberSuspended, Misbehaved
from careledger.apps.governance.state import MISBEHAVIOUR
from careledger.consensus.cometbft.home import EngineHome
from careledger.consensus.remote import Happened, RemoteNode
from careledger.ledger.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from careledger.ledger.record import MemberId, decode, digest
from careledger.node.config import NODE_FILE, format_toml, load_node
from careledger.vault.keyfile import load_signing_key, save_key
from tests.faults.validators import Validator

FORGED_FILE = "forged.log"
"""In the home of a forger: what it proposed."""

BUDGET = 60
"""Commands of one member in one block, in these trials."""

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


def twin_of(node: Validator, folder: Path, ports: Sequence[int], engines: dict[str, int]) -> Path:
    """A second home with the same keys and what was signed so far; only the key to connect differs.

    It calls the other engines at their own `engines` ports; `ports` are those of its node and
    engine. Whoever copies a home like this does what every page of ours says never to do.
    """
    home = folder / node.home.name
    shutil.copytree(node.home.parent, folder)
    config = load_node(home)
    assert config.engine_key is not None
    key = home / config.engine_key
    key.unlink()
    save_key(key, "EdDSA", digest(b"the twin"))
    names = [peer.partition("@")[0] for peer in config.engine_peers]
    peers = tuple(f"{name}@127.0.0.1:{engines[name]}" for name in names)
    config = replace(
        config, port=ports[0], engine_listen=f"127.0.0.1:{ports[1]}", engine_peers=peers
    )
    (home / NODE_FILE).write_text(format_toml(config))
    return home


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
