"""A node that breaks the rules on purpose: the real program, but for what its operator took out.

`python -m tests.faults.byzantine_node KIND HOME` runs it. Whatever it is, it goes on where our own
supervisor would stop it.
"""

import asyncio
import itertools
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from careledger.apps.records.commands import CommitRecords
from careledger.consensus.cometbft import engine
from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.application import Application
from careledger.consensus.cometbft.process import EngineProcess
from careledger.ledger.errors import LedgerError
from careledger.ledger.record import Digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import call, parse_transaction, sign_transaction
from careledger.node import serve
from careledger.node.config import load_node
from careledger.node.elsewhere import KeyWatch
from careledger.node.member_keys import TRANSACTION_KEY
from careledger.node.serve import run_node
from careledger.node.state_sync import StateSync
from careledger.vault.keyfile import load_signing_key
from tests.faults.byzantine import BUDGET, FORGED_FILE

YES = m.ResponseProcessProposal(status=m.Vote.ACCEPT)
NO = m.ResponseProcessProposal(status=m.Vote.REJECT)


class Unguarded(Application):
    """An honest application; what is wrong is around it."""


class Denier(Application):
    """Votes for no block, whatever is in it: where its twin votes for one, that is two votes."""

    def process_proposal(self, request: m.RequestProcessProposal) -> m.ResponseProcessProposal:
        """No."""
        super().process_proposal(request)
        return NO


class Forger(Application):
    """Adds to its proposals what may be in none, another thing each time, and votes for them."""

    home: Path
    """Of its node."""
    member: str
    key: SigningKey
    """Signs transactions of the member."""

    def prepare_proposal(self, request: m.RequestPrepareProposal) -> m.ResponsePrepareProposal:
        """What an honest one would propose, and more."""
        honest = super().prepare_proposal(request)
        forge = next(TURNS)
        added = forge(self)
        self._note(request.height, forge.__name__, added)
        return replace(honest, txs=(*honest.txs, *added))

    def process_proposal(self, request: m.RequestProcessProposal) -> m.ResponseProcessProposal:
        """Yes, to its own as well."""
        super().process_proposal(request)
        return YES

    def _note(self, height: int, kind: str, forged: Sequence[bytes]) -> None:
        """What was proposed, for the test to look for it: `HEIGHT KIND ID...`."""
        ids = [found.hex() for raw in forged if (found := _id(raw)) is not None]
        with (self.home / FORGED_FILE).open("a") as file:
            print(height, kind, *(ids if kind != "replayed" else []), file=file)

    def sign(self, *, lives_s: int = 600, chain: str | None = None, issuer: str = "") -> bytes:
        """A transaction of the member; there is nothing wrong with it unless it is asked for."""
        now = self.chain.tip.time
        claims = Claims(
            issuer=issuer or self.member,
            subject="forged",
            audience=chain or self.chain.id.hex(),
            not_before=now - 1_000,
            expires=now + lives_s,
            nonce=secrets.token_bytes(16),
        )
        command = CommitRecords(root=Digest(secrets.token_bytes(32)), size=1)
        return sign_transaction(self.key, claims, call("records", command))


def garbage(_: Forger) -> list[bytes]:
    """Bytes that are no transaction."""
    return [secrets.token_bytes(300)]


def forged(forger: Forger) -> list[bytes]:
    """A signature that does not verify."""
    raw = bytearray(forger.sign())
    raw[-1] ^= 1
    return [bytes(raw)]


def impersonating(forger: Forger) -> list[bytes]:
    """In the name of another member, with its own key."""
    return [forger.sign(issuer="hospital")]


def expired(forger: Forger) -> list[bytes]:
    """Its time is over."""
    return [forger.sign(lives_s=-500)]


def foreign(forger: Forger) -> list[bytes]:
    """For another chain."""
    return [forger.sign(chain=secrets.token_hex(32))]


def replayed(forger: Forger) -> list[bytes]:
    """What is in the log already."""
    with forger.chain.store.snapshot() as committed:
        first = committed.transaction_at(1)
    return [] if first is None else [first]


def doubled(forger: Forger) -> list[bytes]:
    """The same one twice in a block."""
    return [forger.sign()] * 2


def greedy(forger: Forger) -> list[bytes]:
    """More than its member may have in one block."""
    return [forger.sign() for _ in range(BUDGET + 1)]


FORGERIES: Sequence[Callable[[Forger], list[bytes]]] = (
    garbage,
    forged,
    impersonating,
    expired,
    foreign,
    replayed,
    doubled,
    greedy,
)
TURNS = itertools.cycle(FORGERIES)
KINDS: dict[str, type[Application]] = {
    "unguarded": Unguarded,
    "denier": Denier,
    "forger": Forger,
    "misleader": Unguarded,
}


class Misleading(StateSync):
    """Passes snapshots on to engines that ask: one that nobody took, and the true one altered."""

    def list_snapshots(self, request: m.RequestListSnapshots, /) -> m.ResponseListSnapshots:
        """The newest one is offered as that of an earlier block, and those before it as they are.

        An engine takes the highest first, if it finds the two headers after it: so not a later one.
        """
        true = super().list_snapshots(request).snapshots
        invented = tuple(replace(one, height=one.height - 2) for one in true[:1])
        return m.ResponseListSnapshots(snapshots=(*invented, *true[1:]))

    def load_snapshot_chunk(
        self, request: m.RequestLoadSnapshotChunk, /
    ) -> m.ResponseLoadSnapshotChunk:
        """One bit of it is another."""
        chunk = bytearray(super().load_snapshot_chunk(request).chunk)
        if chunk:
            chunk[len(chunk) // 2] ^= 1
        return m.ResponseLoadSnapshotChunk(chunk=bytes(chunk))


def _id(raw: bytes) -> bytes | None:
    try:
        return parse_transaction(raw).id
    except LedgerError:
        return None


def _ignore(_: EngineProcess, __: bytes) -> None:
    """Whatever the engine says."""


async def _look_away(_: KeyWatch) -> None:
    """Whoever else votes with the key."""


def main() -> None:
    """Run it until it is told to stop."""
    kind, home = sys.argv[1], Path(sys.argv[2])
    if kind == "misleader":
        setattr(serve, StateSync.__name__, Misleading)
    setattr(KeyWatch, "check", _look_away)  # noqa: B010 - for mypy it is no attribute
    Forger.home, Forger.member = home, load_node(home).member
    Forger.key = load_signing_key(home.parent / TRANSACTION_KEY)
    setattr(engine, Application.__name__, KINDS[kind])
    setattr(EngineProcess, "_understand", _ignore)  # noqa: B010 - for mypy it is no attribute
    begun = time.monotonic()
    asyncio.run(run_node(home, lambda _: print(f"ready in {time.monotonic() - begun:.1f} s")))


if __name__ == "__main__":
    main()
