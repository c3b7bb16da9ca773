"""The journal of reads: each is written here before it is released, and anchored soon after.

What is written survives the end of the process; it survives the loss of power once it is anchored.
One stream for the organisation's own people, one for each session opened to another. A batch is
planned here before it goes to the ledger, so that a crash between the two repeats the plan or finds
it done, and no read is anchored twice or never.
"""

import asyncio
import hmac
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Final, NamedTuple, TypeVar

import cbor2
import msgspec

from careledger.apps.records.commands import AnchorLocalReads, AnchorReads
from careledger.apps.records.queries import session, stream
from careledger.apps.records.refusals import NoSuchSession, SessionOver
from careledger.exchange.cabinet import Cabinet, Kept, Thing
from careledger.exchange.errors import CommandRefused
from careledger.exchange.organisation import Organisation
from careledger.exchange.together import Together
from careledger.ledger.commitment import Batch, RecordName
from careledger.ledger.record import (
    AccountName,
    Count,
    Digest,
    Hash,
    Instant,
    MemberName,
    Record,
    decode_trusted,
    encode,
)
from careledger.ledger.state import View
from careledger.mechanisms.policy import Role
from careledger.mechanisms.purpose import Purpose
from careledger.vault.objects import BlindName

T = TypeVar("T")

FLUSH_S: Final = 2.0
"""How long a read waits at most before it is anchored."""

FLUSH_READS: Final = 512
"""So many reads are anchored at once without waiting."""

LOCAL: Final = "local"

_REMEMBERED: Final = 10_000
"""So many reads are remembered until they are anchored; of more, the cabinet is read again."""

_TOO_LATE: Final = {SessionOver.code, NoSuchSession.code}


class Read(Record):
    """One access: who, why, and to what. Stays here, sealed; its commitment is anchored."""

    at: Instant
    account: AccountName
    member: MemberName
    practitioner: AccountName | None
    role: Role | None
    purpose: Purpose
    records: tuple[RecordName, ...]
    request: bytes = b""
    """The signed request, for a read by another organisation."""


class Entry(Record, tag="read"):
    """A read and where it belongs."""

    stream: Annotated[str, msgspec.Meta(max_length=64)]
    """"local", or the id of the session in hex."""
    salt: Hash
    read: Read

    def commitment(self) -> Digest:
        """What is anchored of it."""
        return _commitment(self.salt, encode(self.read))


class _Noted(NamedTuple):
    """What anchoring needs of an entry."""

    stream: str
    commitment: Digest


class Plan(Record, tag="plan"):
    """A batch that is on its way to the ledger."""

    stream: str
    sequence: Count
    reads: tuple[Count, ...]
    """Their numbers in the cabinet, in the order of the batch."""


class Journal:
    """The reads of one organisation's records."""

    def __init__(self, organisation: Organisation, cabinet: Cabinet) -> None:
        """Keep reads in `cabinet`, this run's under a key of their own."""
        self._organisation, self._cabinet = organisation, cabinet
        self._key, self._flushing = cabinet.new_key(), asyncio.Lock()
        self._recent: dict[BlindName, _Noted] = {}
        self._together = Together(self._write)
        self.waiting = len(cabinet.waiting())
        """About how many reads are not anchored yet."""

    async def answering(self, question: Callable[[], T]) -> T:
        """Ask it, and return once what it noted is kept: in one write with what others ask now.

        The question is asked here and now, in the thread of the loop. Release nothing of the
        answer before this returns.

        Raises:
            Unavailable: it could not be kept.
        """
        return await self._together.ask(question)

    def note(self, read: Read, stream: str = LOCAL) -> bytes:
        """Keep `read`; the salt of its commitment. Release nothing before this returns.

        Inside `answering`, not before that returns.
        """
        salt = secrets.token_bytes(32)
        self._keep([Entry(stream=stream, salt=salt, read=read)])
        return salt

    def note_all(self, reads: Iterable[Read]) -> None:
        """Keep reads by the organisation's own people, all in one write; any thread may call.

        Release nothing before this returns; inside `answering`, not before that returns.
        """
        self._keep([Entry(stream=LOCAL, salt=secrets.token_bytes(32), read=one) for one in reads])

    def _keep(self, entries: Sequence[Entry]) -> None:
        if entries and not self._together.takes(entries):
            self._write(entries)

    def _write(self, entries: Sequence[Entry]) -> None:
        """Durable on return, as far as the cabinet's are."""
        things, noted = list[Thing](), list[_Noted]()
        for entry in entries:
            read = encode(entry.read)
            content = entry_bytes(entry.stream, entry.salt, read)
            owner = entry.read.account
            things.append(Thing("", owner, entry.stream, content, False, self._key))  # noqa: FBT003 - not done
            noted.append(_Noted(entry.stream, _commitment(entry.salt, read)))
        names = self._cabinet.put(things, fresh=True)
        if len(self._recent) < _REMEMBERED:
            self._recent.update(zip(names, noted, strict=True))
        self.waiting += len(things)

    def reads_of(self, account: str) -> list[Read]:
        """Every read of a patient's records that was made here, oldest first."""
        return [entry.read for _, entry in _entries(self._cabinet.by_owner(account))]

    async def flush(self) -> int:
        """Anchor what waits, stream by stream; how many reads that were.

        Raises:
            Unavailable: the ledger does not answer; what waits goes on waiting.
        """
        async with self._flushing:
            waiting = self._cabinet.waiting()
            reads, plans = self._waiting(waiting)
            for plan in plans:
                await self._carry_out(plan, reads)
            planned = {number for plan in plans for number in plan.reads}
            streams = defaultdict[str, list[int]](list)
            for number, entry in reads.items():
                if number not in planned:
                    streams[entry.stream].append(number)
            for name, numbers in streams.items():
                await self._carry_out(self._plan(name, numbers), reads)
            for _, known in waiting:
                self._recent.pop(known, None)
            self.waiting = len(self._cabinet.waiting())
            return len(reads)

    def _waiting(
        self, waiting: Sequence[tuple[int, BlindName]]
    ) -> tuple[dict[int, _Noted], list[Plan]]:
        """Reads by their numbers, in order, and plans; what this run wrote is still in memory."""
        reads = {number: self._recent.get(name) for number, name in waiting}
        kept = self._cabinet.open([number for number, one in reads.items() if one is None])
        for number, entry in _entries(kept):
            reads[number] = _Noted(entry.stream, entry.commitment())
        return {number: one for number, one in reads.items() if one is not None}, _plans(kept)

    def _plan(self, name: str, numbers: Sequence[int]) -> Plan:
        with self._organisation.committed.snapshot() as committed:
            sequence = _next(View(committed), self._organisation, name)
        plan = Plan(stream=name, sequence=sequence, reads=tuple(numbers))
        thing = Thing(
            name=f"plan {name}",
            owner="",
            about="",
            content=encode(plan),
            done=False,
            key=self._key,
        )
        self._cabinet.put([thing])
        self._cabinet.sync()
        return plan

    async def _carry_out(self, plan: Plan, reads: dict[int, _Noted]) -> None:
        """Anchor a planned batch, unless it is already: by an earlier run, or on its way then."""
        if not self._is_anchored(plan):
            batch = Batch.of(reads[number].commitment for number in plan.reads)
            try:
                await self._organisation.submit("records", _command(plan, batch))
            except CommandRefused as error:
                if error.code not in _TOO_LATE and not self._is_anchored(plan):
                    raise
        kept = self._cabinet.get(f"plan {plan.stream}")
        self._cabinet.finish([*plan.reads, *([kept.number] if kept else [])])

    def _is_anchored(self, plan: Plan) -> bool:
        with self._organisation.committed.snapshot() as committed:
            return plan.sequence < _next(View(committed), self._organisation, plan.stream)


def entry_bytes(stream: str, salt: bytes, read: bytes) -> bytes:
    """`encode` of an `Entry` whose read is encoded already: half of what it costs to note one."""
    head, salted = b"\xa4\x64read" + read, b"\x64salt" + cbor2.dumps(salt)
    return b"".join((head, salted, b"\x64type\x64read", b"\x66stream", cbor2.dumps(stream)))


def _commitment(salt: bytes, read: bytes) -> Digest:
    return Digest(hmac.digest(salt, read, "sha256"))


def _command(plan: Plan, batch: Batch) -> AnchorReads | AnchorLocalReads:
    if plan.stream == LOCAL:
        return AnchorLocalReads(root=batch.root, size=batch.size, sequence=plan.sequence)
    return AnchorReads(
        session=bytes.fromhex(plan.stream),
        root=batch.root,
        size=batch.size,
        sequence=plan.sequence,
    )


def _next(view: View, organisation: Organisation, name: str) -> int:
    """The number that the next batch of a stream will have."""
    if name == LOCAL:
        return stream(view, organisation.member, "local").next
    row = session(view, organisation.member, bytes.fromhex(name))
    return 1 if row is None else row.reads.next


def _entries(kept: Sequence[Kept]) -> list[tuple[int, Entry]]:
    found = ((one.number, _decode(one)) for one in kept)
    return [(number, entry) for number, entry in found if isinstance(entry, Entry)]


def _plans(kept: Sequence[Kept]) -> list[Plan]:
    return [plan for plan in map(_decode, kept) if isinstance(plan, Plan)]


def _decode(kept: Kept) -> Entry | Plan:
    # A union is not a type[T] to mypy.
    return decode_trusted(kept.content, Entry | Plan)  # type: ignore[arg-type]
