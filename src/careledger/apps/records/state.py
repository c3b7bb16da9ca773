"""What the ledger remembers of records: how many, who was answered what, and who looked."""

from typing import Literal

from careledger.apps.records.commands import (
    BasisId,
    Dimensions,
    Receiver,
    SessionId,
)
from careledger.ledger.record import AccountName, Count, Hash, Instant, Record
from careledger.ledger.state import Table
from careledger.mechanisms.anchored import BatchSize, Sequence, Stream
from careledger.mechanisms.emergency import EmergencyReason
from careledger.mechanisms.policy import BasisName, Role
from careledger.mechanisms.purpose import Purpose
from careledger.mechanisms.request import AskedActions


class BatchRow(Record):
    """One batch of record commitments."""

    root: Hash
    size: BatchSize


class NumberRow(Record):
    """The last number given to an answer."""

    last: Count


class DisclosureRow(Record):
    """Records were released, and may be read until `expires`."""

    account: AccountName
    practitioner: AccountName | None
    role: Role | None
    purpose: Purpose
    actions: AskedActions
    basis: BasisName
    basis_id: BasisId | None
    session: SessionId
    expires: Instant
    manifest: Hash
    request: Hash
    at: Instant
    acknowledged: Instant | None = None


class RefusalRow(Record):
    """A request was refused."""

    account: AccountName | None
    practitioner: AccountName | None
    role: Role | None
    purpose: Purpose
    actions: AskedActions
    dimensions: Dimensions
    request: Hash
    at: Instant


class SessionRow(Record):
    """An open session, and how many reads of it are anchored."""

    receiver: Receiver
    number: Sequence
    account: AccountName
    expires: Instant
    reads: Stream = Stream()


class RequestRow(Record):
    """A request was answered, and can be answered no more."""

    at: Instant


class OwedRow(Record):
    """A disclosure of that time is not acknowledged yet."""

    since: Instant


class EmergencyRow(Record):
    """A practitioner signed for an emergency."""

    account: AccountName
    practitioner: AccountName
    reason: EmergencyReason
    since: Instant
    until: Instant


class OfflineRow(Record):
    """One entry of a custodian about what it released without the ledger, and its answer."""

    entry: Hash
    receiver: Receiver
    number: Sequence


class LateRow(Record):
    """An answer was given at that time and recorded later."""

    released: Instant
    sequence: Sequence
    genuine: bool


class LogRow(Record):
    """One line of a patient's log: what kind it is, and for reads how many."""

    kind: Literal["disclosed", "refused", "reads"]
    root: Hash | None = None
    size: BatchSize | None = None


class HoldRow(Record):
    """A legal hold in force."""

    since: Instant


class ShredRow(Record):
    """Keys and salts were destroyed."""

    at: Instant


STREAMS = Table("records.streams", Stream, (str, str))
"""Keyed by custodian and "records", "local" or "offline"."""

BATCHES = Table("records.batches", BatchRow, (str, int))
"""Keyed by custodian and batch number."""

NUMBERS = Table("records.numbers", NumberRow, (str, str))
"""Keyed by custodian and receiver."""

DISCLOSURES = Table("records.disclosures", DisclosureRow, (str, str, int))
"""Keyed by custodian, receiver and number."""

REFUSED = Table("records.refused", RefusalRow, (str, str, int))
"""Keyed likewise: both kinds of answer share one gapless numbering."""

SESSIONS = Table("records.sessions", SessionRow, (str, bytes))
"""Keyed by custodian and session id."""

REQUESTS = Table("records.requests", RequestRow, (str, bytes))
"""Keyed by custodian and request id."""

OWED = Table("records.owed", OwedRow, (str, str, int))
"""Keyed by receiver, custodian and number; gone once acknowledged."""

EMERGENCIES = Table("records.emergencies", EmergencyRow, (str, bytes))
"""Keyed by custodian and the statement's id."""

OFFLINE = Table("records.offline", OfflineRow, (str, int))
"""Keyed by custodian and the entry's number, which has no gaps."""

LATE = Table("records.late", LateRow, (str, str, int))
"""Keyed by custodian, receiver and the answer's number."""

LOG = Table("records.log", LogRow, (str, int, str, str, int, int))
"""Keyed by patient account, time, custodian, receiver, number and part.

Part 0 is the answer itself, part n the n-th batch of reads in its session. A patient's log is one
scan, oldest first.
"""

HOLDS = Table("records.holds", HoldRow, (str, str, bytes))
"""Keyed by custodian, patient account and hold id."""

SHREDS = Table("records.shreds", ShredRow, (str, str, bytes))
"""Keyed by custodian, patient account and the certificate's digest."""

TABLES = (
    STREAMS,
    BATCHES,
    NUMBERS,
    DISCLOSURES,
    REFUSED,
    SESSIONS,
    REQUESTS,
    OWED,
    EMERGENCIES,
    OFFLINE,
    LATE,
    LOG,
    HOLDS,
    SHREDS,
)
