"""What a custodian or receiver may ask (imperative), and what then has happened (past tense)."""

from typing import Annotated

import msgspec

from careledger.apps.records.basis import Basis
from careledger.ledger.record import AccountName, Hash, Instant, MemberName, Record
from careledger.ledger.statement import StatementBytes, check_sizes
from careledger.mechanisms.anchored import BatchSize, Sequence
from careledger.mechanisms.emergency import EmergencyReason
from careledger.mechanisms.policy import BasisName, Dimension, Role
from careledger.mechanisms.purpose import Purpose
from careledger.mechanisms.request import AskedActions

SESSION_S = 900
"""Longest session, in seconds: 15 minutes."""

SessionId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
"""16 random bytes from the custodian."""

HoldId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
"""16 random bytes from the custodian, who keeps what the hold is about off the ledger."""

Receiver = Annotated[str, msgspec.Meta(pattern="^(@[a-z2-7]{26}|[a-z][a-z0-9-]{1,39})\\Z")]
"""Who is answered: a member, or a patient who asked for their own records."""

BasisId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=32)]
"""The consent id (16 bytes) or the emergency statement's id (32 bytes)."""

Dimensions = Annotated[tuple[Dimension, ...], msgspec.Meta(min_length=1, max_length=11)]


class CommitRecords(Record, tag="commit"):
    """Commit to a batch of records I hold, new ones or new versions, by root and size alone."""

    root: Hash
    size: BatchSize


class DiscloseRecords(Record, tag="disclose"):
    """Answer `request` with records of my patient `account`, on `basis`, in a session.

    `manifest` is the salted commitment of what will be released. Nothing is released before this
    has been committed.
    """

    account: AccountName
    request: StatementBytes
    basis: Basis
    manifest: Hash
    session: SessionId
    ttl_s: Annotated[int, msgspec.Meta(ge=1, le=SESSION_S)] = SESSION_S

    def __post_init__(self) -> None:
        check_sizes(self.request)


class RecordOffline(Record, tag="record-offline"):
    """Record what I released in an emergency while the ledger could not decide.

    `mechanisms.offline` has the entry. Mine are recorded in order and without a gap; whether the
    emergency was genuine is found out and told, and does not keep it from being recorded.
    """

    entry: StatementBytes
    request: StatementBytes
    emergency: StatementBytes

    def __post_init__(self) -> None:
        check_sizes(self.entry, self.request, self.emergency)


class RefuseAccess(Record, tag="refuse"):
    """Answer `request` with no, and say in which dimensions; what the terms say stays unsaid."""

    account: AccountName | None
    request: StatementBytes
    dimensions: Dimensions

    def __post_init__(self) -> None:
        check_sizes(self.request)


class AnchorReads(Record, tag="anchor-reads"):
    """Commit to the reads made in a session of mine since the last batch."""

    session: SessionId
    root: Hash
    size: BatchSize
    sequence: Sequence


class AnchorLocalReads(Record, tag="anchor-local-reads"):
    """Commit to the reads made inside my own organisation since the last batch."""

    root: Hash
    size: BatchSize
    sequence: Sequence


class AcknowledgeDisclosure(Record, tag="acknowledge"):
    """Confirm that what I received is what the disclosure's manifest says."""

    custodian: MemberName
    number: Sequence
    manifest: Hash


class PlaceLegalHold(Record, tag="hold"):
    """Keep the records of my patient from being shredded."""

    account: AccountName
    hold: HoldId


class ReleaseLegalHold(Record, tag="release-hold"):
    """End a legal hold I placed."""

    account: AccountName
    hold: HoldId


class ShredRecords(Record, tag="shred"):
    """Record that keys and salts of my patient's records are destroyed, as the certificate says."""

    account: AccountName
    certificate: Hash


class RecordsCommitted(Record, tag="committed"):
    """A custodian committed to a batch of records."""

    custodian: MemberName
    batch: Sequence
    root: Hash
    size: BatchSize


class EmergencyStated(Record, tag="emergency-stated"):
    """A practitioner signed for an emergency; the first disclosure on it follows."""

    custodian: MemberName
    account: AccountName
    practitioner: AccountName
    reason: EmergencyReason
    emergency: Hash
    since: Instant
    until: Instant


class Disclosed(Record, tag="disclosed"):
    """A custodian released records; the session is open until `expires`."""

    custodian: MemberName
    receiver: Receiver
    number: Sequence
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


class OfflineRecorded(Record, tag="offline-recorded"):
    """The disclosure before this event was made earlier, while the ledger could not decide."""

    custodian: MemberName
    receiver: Receiver
    number: Sequence
    """Of the answer, between these two."""
    account: AccountName
    entry: Hash
    sequence: Sequence
    """Of the entry, among all that this custodian released so."""
    released: Instant
    """When it was, by the custodian's clock."""
    genuine: bool
    """Whether request and emergency are signed by whom the network knows, for that time."""


class AccessRefused(Record, tag="refused"):
    """A custodian refused a request."""

    custodian: MemberName
    receiver: Receiver
    number: Sequence
    account: AccountName | None
    practitioner: AccountName | None
    role: Role | None
    purpose: Purpose
    actions: AskedActions
    dimensions: Dimensions
    request: Hash
    at: Instant


class ReadsAnchored(Record, tag="reads-anchored"):
    """A custodian committed to what was read in a session."""

    custodian: MemberName
    receiver: Receiver
    number: Sequence
    account: AccountName
    session: SessionId
    sequence: Sequence
    root: Hash
    size: BatchSize
    at: Instant


class LocalReadsAnchored(Record, tag="local-reads-anchored"):
    """A custodian committed to what was read inside its own organisation."""

    custodian: MemberName
    sequence: Sequence
    root: Hash
    size: BatchSize


class Acknowledged(Record, tag="acknowledged"):
    """A receiver confirmed what it received."""

    custodian: MemberName
    receiver: Receiver
    number: Sequence
    account: AccountName
    at: Instant


class LegalHoldPlaced(Record, tag="hold-placed"):
    """The records of a patient may not be shredded."""

    custodian: MemberName
    account: AccountName
    hold: HoldId
    at: Instant


class LegalHoldReleased(Record, tag="hold-released"):
    """A legal hold ended."""

    custodian: MemberName
    account: AccountName
    hold: HoldId
    at: Instant


class RecordsShredded(Record, tag="shredded"):
    """A custodian destroyed keys and salts of a patient's records."""

    custodian: MemberName
    account: AccountName
    certificate: Hash
    at: Instant


Answer = DiscloseRecords | RefuseAccess
Report = Answer | RecordOffline
KeepingCommand = PlaceLegalHold | ReleaseLegalHold | ShredRecords
AnchorCommand = CommitRecords | AnchorReads | AnchorLocalReads
Command = Report | AnchorCommand | AcknowledgeDisclosure | KeepingCommand

Answered = Disclosed | AccessRefused
AnchorEvent = RecordsCommitted | ReadsAnchored | LocalReadsAnchored
KeepingEvent = LegalHoldPlaced | LegalHoldReleased | RecordsShredded
Event = EmergencyStated | OfflineRecorded | Answered | AnchorEvent | Acknowledged | KeepingEvent
