"""Questions others may ask of records: what was answered, who looked, what is still owed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from careledger.apps.records.state import (
    BATCHES,
    DISCLOSURES,
    EMERGENCIES,
    HOLDS,
    LATE,
    LOG,
    NUMBERS,
    OFFLINE,
    OWED,
    REFUSED,
    REQUESTS,
    SESSIONS,
    SHREDS,
    STREAMS,
    BatchRow,
    DisclosureRow,
    EmergencyRow,
    LateRow,
    OfflineRow,
    RefusalRow,
    SessionRow,
)
from careledger.ledger.membership import parameters
from careledger.ledger.record import AccountId, Instant, MemberId, SignerId
from careledger.ledger.state import View
from careledger.mechanisms.anchored import FIRST, Stream
from careledger.mechanisms.deadline import Deadline, due_within
from careledger.mechanisms.offline import NONE_BEFORE


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line of a patient's log: an answer, or reads in the session that the answer opened."""

    at: Instant
    custodian: MemberId
    receiver: SignerId
    number: int
    answer: DisclosureRow | RefusalRow
    reads: int | None
    """Reads anchored by this line; None if the line is the answer itself."""


@dataclass(frozen=True, kw_only=True)
class Owed:
    """A disclosure that its receiver has not acknowledged."""

    custodian: MemberId
    number: int
    deadline: Deadline


@dataclass(frozen=True, kw_only=True)
class Shred:
    """Keys and salts that were destroyed, so that a restore destroys them again."""

    account: AccountId
    certificate: bytes
    at: Instant


def stream(view: View, custodian: MemberId, name: Literal["records", "local", "offline"]) -> Stream:
    """How far a custodian has come with batches of commitments, of local reads, or with entries."""
    return view.get(STREAMS, custodian, name) or Stream()


def batch(view: View, custodian: MemberId, number: int) -> BatchRow | None:
    """A batch of record commitments, if there is one of that number."""
    return view.get(BATCHES, custodian, number)


def next_number(view: View, custodian: MemberId, receiver: SignerId) -> int:
    """The number that the next answer of this custodian to this receiver will have."""
    row = view.get(NUMBERS, custodian, receiver)
    return FIRST if row is None else row.last + 1


def disclosure(
    view: View, custodian: MemberId, receiver: SignerId, number: int
) -> DisclosureRow | None:
    """A disclosure, if the answer of that number was one."""
    return view.get(DISCLOSURES, custodian, receiver, number)


def refusal(view: View, custodian: MemberId, receiver: SignerId, number: int) -> RefusalRow | None:
    """A refusal, if the answer of that number was one."""
    return view.get(REFUSED, custodian, receiver, number)


def session(view: View, custodian: MemberId, id_: bytes) -> SessionRow | None:
    """A session, open or over."""
    return view.get(SESSIONS, custodian, id_)


def is_answered(view: View, custodian: MemberId, request: bytes) -> bool:
    """Whether the request of that id was answered, and so can be answered no more."""
    return view.get(REQUESTS, custodian, request) is not None


def emergency(view: View, custodian: MemberId, id_: bytes) -> EmergencyRow | None:
    """The emergency that a practitioner signed for, if a disclosure relied on it."""
    return view.get(EMERGENCIES, custodian, id_)


def offline(view: View, custodian: MemberId, number: int) -> OfflineRow | None:
    """What a custodian released without the ledger, under the number of its entry."""
    return view.get(OFFLINE, custodian, number)


def late(view: View, custodian: MemberId, receiver: SignerId, number: int) -> LateRow | None:
    """When an answer was given, if it was recorded only later."""
    return view.get(LATE, custodian, receiver, number)


def last_offline(view: View, custodian: MemberId) -> tuple[int, bytes, Instant]:
    """Number, id and time of the last entry that is recorded; (0, zeros, 0) before the first."""
    number = stream(view, custodian, "offline").batches
    if number == 0:
        return 0, NONE_BEFORE, 0
    row = view.row(OFFLINE, custodian, number)
    return number, row.entry, view.row(LATE, custodian, row.receiver, row.number).released


def log(view: View, account: AccountId) -> Iterator[LogLine]:
    """Who asked for, was refused, got and read a patient's records, oldest first."""
    for (_, at, custodian, receiver, number, _part), row in view.scan(LOG, account):
        key = str(custodian), str(receiver), int(number)
        refused = row.kind == "refused"
        yield LogLine(
            at=int(at),
            custodian=MemberId(key[0]),
            receiver=_signer(key[1]),
            number=key[2],
            answer=view.row(REFUSED, *key) if refused else view.row(DISCLOSURES, *key),
            reads=row.size,
        )


def unacknowledged(view: View, receiver: SignerId) -> Iterator[Owed]:
    """What `receiver` has still to acknowledge, by custodian and number."""
    within_s = parameters(view).acknowledge_within_s
    for (_, custodian, number), row in view.scan(OWED, receiver):
        yield Owed(
            custodian=MemberId(str(custodian)),
            number=int(number),
            deadline=due_within(row.since, within_s),
        )


def overdue(view: View, receiver: SignerId, time: Instant) -> Iterator[Owed]:
    """What `receiver` should have acknowledged by `time`."""
    owed = unacknowledged(view, receiver)
    return (one for one in owed if one.deadline.standing(time) == "overdue")


def is_held(view: View, custodian: MemberId, account: AccountId) -> bool:
    """Whether a legal hold keeps the patient's records from being shredded."""
    return next(view.scan(HOLDS, custodian, account), None) is not None


def shreds(view: View, custodian: MemberId) -> Iterator[Shred]:
    """Every act of shredding by `custodian`, by account."""
    for (_, account, certificate), row in view.scan(SHREDS, custodian):
        if isinstance(certificate, bytes):
            yield Shred(account=AccountId(str(account)), certificate=certificate, at=row.at)


def _signer(name: str) -> SignerId:
    return AccountId(name) if name.startswith("@") else MemberId(name)
