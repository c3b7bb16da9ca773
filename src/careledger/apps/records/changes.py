"""What each event of records changes; `rules` decides whether it happens."""

from typing import assert_never

from msgspec.structs import replace

from careledger.apps.records.commands import (
    AccessRefused,
    Acknowledged,
    AnchorEvent,
    Answered,
    Disclosed,
    EmergencyStated,
    Event,
    KeepingEvent,
    LegalHoldPlaced,
    LegalHoldReleased,
    LocalReadsAnchored,
    OfflineRecorded,
    ReadsAnchored,
    RecordsCommitted,
    RecordsShredded,
)
from careledger.apps.records.queries import stream
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
    HoldRow,
    LateRow,
    LogRow,
    NumberRow,
    OfflineRow,
    OwedRow,
    RefusalRow,
    RequestRow,
    SessionRow,
    ShredRow,
)
from careledger.ledger.record import MemberId
from careledger.ledger.state import Changes, View


def evolve(event: Event, view: View) -> Changes:
    """Fold one event into the state; never refuses."""
    match event:
        case RecordsCommitted() | ReadsAnchored() | LocalReadsAnchored():
            return _anchor(event, view)
        case LegalHoldPlaced() | LegalHoldReleased() | RecordsShredded():
            return _keep(event)
        case EmergencyStated() | OfflineRecorded():
            return _around(event, view)
        case Disclosed():
            return {**_answer(event), **_open(event)}
        case AccessRefused():
            return {**_answer(event), **_close(event)}
        case Acknowledged(custodian=custodian, receiver=receiver, number=number, at=at):
            row = view.row(DISCLOSURES, custodian, receiver, number)
            done = DISCLOSURES.put(replace(row, acknowledged=at), custodian, receiver, number)
            return {**done, **OWED.remove(receiver, custodian, number)}
        case _:
            assert_never(event)


def _anchor(event: AnchorEvent, view: View) -> Changes:
    custodian, size = MemberId(event.custodian), event.size
    match event:
        case RecordsCommitted(batch=batch, root=root):
            grown = stream(view, custodian, "records").extended(size)
            row = BatchRow(root=root, size=size)
            return {
                **STREAMS.put(grown, custodian, "records"),
                **BATCHES.put(row, custodian, batch),
            }
        case LocalReadsAnchored():
            return STREAMS.put(stream(view, custodian, "local").extended(size), custodian, "local")
        case ReadsAnchored(session=id_, receiver=receiver, number=number, sequence=part):
            session = view.row(SESSIONS, custodian, id_)
            opened = replace(session, reads=session.reads.extended(size))
            line = LogRow(kind="reads", root=event.root, size=size)
            return {
                **SESSIONS.put(opened, custodian, id_),
                **LOG.put(line, event.account, event.at, custodian, receiver, number, part),
            }
        case _:
            assert_never(event)


def _answer(event: Answered) -> Changes:
    """What every answer does: it takes a number and uses the request up."""
    custodian = event.custodian
    return {
        **NUMBERS.put(NumberRow(last=event.number), custodian, event.receiver),
        **REQUESTS.put(RequestRow(at=event.at), custodian, event.request),
    }


def _open(event: Disclosed) -> Changes:
    custodian, receiver, number = event.custodian, event.receiver, event.number
    row = DisclosureRow(
        account=event.account,
        practitioner=event.practitioner,
        role=event.role,
        purpose=event.purpose,
        actions=event.actions,
        basis=event.basis,
        basis_id=event.basis_id,
        session=event.session,
        expires=event.expires,
        manifest=event.manifest,
        request=event.request,
        at=event.at,
    )
    session = SessionRow(
        receiver=receiver, number=number, account=event.account, expires=event.expires
    )
    line = LogRow(kind="disclosed")
    return {
        **DISCLOSURES.put(row, custodian, receiver, number),
        **SESSIONS.put(session, custodian, event.session),
        **OWED.put(OwedRow(since=event.at), receiver, custodian, number),
        **LOG.put(line, event.account, event.at, custodian, receiver, number, 0),
    }


def _close(event: AccessRefused) -> Changes:
    custodian, receiver, number = event.custodian, event.receiver, event.number
    row = RefusalRow(
        account=event.account,
        practitioner=event.practitioner,
        role=event.role,
        purpose=event.purpose,
        actions=event.actions,
        dimensions=event.dimensions,
        request=event.request,
        at=event.at,
    )
    refused = REFUSED.put(row, custodian, receiver, number)
    if event.account is None:
        return refused
    line = LogRow(kind="refused")
    return {**refused, **LOG.put(line, event.account, event.at, custodian, receiver, number, 0)}


def _around(event: EmergencyStated | OfflineRecorded, view: View) -> Changes:
    """What comes before and after a disclosure in an emergency."""
    if isinstance(event, EmergencyStated):
        return EMERGENCIES.put(_emergency_row(event), event.custodian, event.emergency)
    return _late(event, view)


def _late(event: OfflineRecorded, view: View) -> Changes:
    custodian, receiver = MemberId(event.custodian), event.receiver
    entry = OfflineRow(entry=event.entry, receiver=receiver, number=event.number)
    late = LateRow(released=event.released, sequence=event.sequence, genuine=event.genuine)
    grown = stream(view, custodian, "offline").extended(1)
    return {
        **STREAMS.put(grown, custodian, "offline"),
        **OFFLINE.put(entry, custodian, event.sequence),
        **LATE.put(late, custodian, receiver, event.number),
    }


def _emergency_row(event: EmergencyStated) -> EmergencyRow:
    return EmergencyRow(
        account=event.account,
        practitioner=event.practitioner,
        reason=event.reason,
        since=event.since,
        until=event.until,
    )


def _keep(event: KeepingEvent) -> Changes:
    custodian, account = event.custodian, event.account
    match event:
        case LegalHoldPlaced(hold=hold, at=at):
            return HOLDS.put(HoldRow(since=at), custodian, account, hold)
        case LegalHoldReleased(hold=hold):
            return HOLDS.remove(custodian, account, hold)
        case RecordsShredded(certificate=certificate, at=at):
            return SHREDS.put(ShredRow(at=at), custodian, account, certificate)
        case _:
            assert_never(event)
