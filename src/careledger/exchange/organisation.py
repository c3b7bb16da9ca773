"""What one gateway process owns, and how it speaks to the ledger."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol, TypeVar

import msgspec

from careledger.apps import discover
from careledger.apps.records import APPLICATION as RECORDS
from careledger.consensus.intake import Ordered
from careledger.exchange.errors import CommandRefused, Stale
from careledger.fhir.search.table import ALL, IndexSet
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import Digest, Instant, MemberId, Record, decode_trusted
from careledger.ledger.signature import SigningKey
from careledger.ledger.state import View
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import call, sign_transaction
from careledger.ledger.transition import Receipt
from careledger.store.snapshot import Snapshot
from careledger.vault.keystore import KeyStore
from careledger.vault.vault import Vault

STALE_S: Final = 30
"""Age of the newest block from which on nothing is decided by it."""

STALE_TEXT: Final = (
    "the network does not decide now: its newest block is {age} s old. Nothing was decided and "
    "nothing is lost; try again. Only what a practitioner signs for as an emergency is answered."
)

SKEW_S: Final = 5
WINDOW_S: Final = 300
"""How long before now and after now what we sign counts."""

Event = TypeVar("Event", bound=Record)


class Committed(Protocol):
    """Committed state: `store.StoreReader`, or the `store.Store` of the node's own process."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """What is committed now; use it and let it go."""
        ...


class Ledger(Protocol):
    """Where transactions go: the embedded engine, or a node's API."""

    async def submit(self, raw: bytes) -> Ordered:
        """Wait until the transaction is durable, and say what became of it."""
        ...


class Moment(msgspec.Struct, frozen=True):
    """Committed state and the time to decide by: the later of block time and our own clock."""

    view: View
    committed: Snapshot
    time: Instant
    height: int
    as_of: Instant
    """Time of the newest block."""


@dataclass(frozen=True, kw_only=True)
class Organisation:
    """One member's side of the exchange. Nothing here changes after composition."""

    member: MemberId
    chain: Digest
    key: SigningKey
    """Signs transactions and requests."""
    sealing: tuple[bytes, ...]
    """X25519 private keys, 32 bytes each; the newest first."""
    keystore: KeyStore
    vault: Vault
    committed: Committed
    ledger: Ledger
    clock: Callable[[], Instant]
    indexed: IndexSet = ALL
    """The search parameters that are indexed when something comes in, and that may be asked."""

    @contextmanager
    def now(self) -> Iterator[Moment]:
        """A new look at committed state; let it go within a second.

        Raises:
            Stale: the newest block is over 30 s old: a node that is cut off must not permit.
        """
        with self.committed.snapshot() as committed:
            moment = self._moment(committed)
            age = moment.time - moment.as_of
            if age > STALE_S:
                raise Stale(STALE_TEXT.format(age=age))
            yield moment

    @contextmanager
    def last(self) -> Iterator[Moment]:
        """A look at what was committed last, however long ago; nothing may be permitted by it.

        It says where others are reached, and what an emergency is held against without the ledger.
        """
        with self.committed.snapshot() as committed:
            yield self._moment(committed)

    def is_cut_off(self) -> bool:
        """Whether nothing can be decided now, because the newest block is too old."""
        with self.last() as last:
            return self.clock() - last.as_of > STALE_S

    def _moment(self, committed: Snapshot) -> Moment:
        latest = committed.latest()
        return Moment(
            view=View(committed),
            committed=committed,
            time=max(self.clock(), latest.time),
            height=latest.height,
            as_of=latest.time,
        )

    def claims(self, subject: str) -> Claims:
        """Claims of a statement by this member about `subject`, good for five minutes."""
        return claims(self.member, subject, self.chain, self.clock())

    async def submit(self, application: str, *commands: Record) -> Ordered:
        """Sign `commands` as one transaction, and wait until it is durable.

        Raises:
            CommandRefused: the rules said no.
            Unavailable: nothing was decided; signing and sending again is safe.
            Inadmissible: it may not enter a block, which none of ours should deserve.
        """
        calls = (call(application, command) for command in commands)
        raw = sign_transaction(self.key, self.claims(application), *calls)
        ordered = await self.ledger.submit(raw)
        if ordered.receipt.code:
            code = ordered.receipt.code
            raise CommandRefused(code, refusals().get(code, "refused"))
        return ordered

    async def until_here(self, transaction: bytes, within_s: float = 5.0) -> Receipt:
        """The receipt of a transaction in the ledger that we read, once it has arrived there.

        Raises:
            Unavailable: it has not, in that time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while True:
            with self.committed.snapshot() as committed:
                receipt = committed.receipt(transaction)
            if receipt is not None:
                return receipt
            if loop.time() > end:
                raise Unavailable("a transaction has not reached this node")
            await asyncio.sleep(0.02)


def claims(issuer: str, subject: str, chain: Digest, now: Instant) -> Claims:
    """Claims with fresh randomness that count from five seconds ago for five minutes."""
    return Claims(
        issuer=issuer,
        subject=subject,
        audience=chain.hex(),
        not_before=max(0, now - SKEW_S),
        expires=now + WINDOW_S,
        nonce=secrets.token_bytes(16),
    )


def events_of(receipt: Receipt, type_: type[Event]) -> list[Event]:
    """The events of one type of the application records, in order."""
    happened = (
        decode_trusted(record.event, RECORDS.event_type)
        for record in receipt.events
        if record.application == RECORDS.name
    )
    return [event for event in happened if isinstance(event, type_)]


@cache
def refusals() -> dict[int, str]:
    """The public text of every refusal of every application, by number."""
    return {
        refusal.code: refusal.text()
        for application in discover().values()
        for refusal in application.refusals
    }
