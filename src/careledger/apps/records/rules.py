"""The law of records: what custodians and receivers may ask. `changes` says what it changes."""

from collections.abc import Iterator
from typing import Final, assert_never

from careledger.apps.consent.queries import basis_holds, decide_break_glass, decide_own_access
from careledger.apps.identity.queries import (
    is_acting_practitioner,
    is_patient_of,
    practitioner_roles,
)
from careledger.apps.records.basis import (
    BreakGlassBasis,
    GrantBasis,
    NetworkPolicyBasis,
    OwnAccessBasis,
    RequiredByLawBasis,
)
from careledger.apps.records.commands import (
    AccessRefused,
    Acknowledged,
    AcknowledgeDisclosure,
    AnchorCommand,
    AnchorEvent,
    AnchorLocalReads,
    AnchorReads,
    Answer,
    Command,
    CommitRecords,
    Disclosed,
    DiscloseRecords,
    Event,
    KeepingCommand,
    KeepingEvent,
    LegalHoldPlaced,
    LegalHoldReleased,
    LocalReadsAnchored,
    PlaceLegalHold,
    ReadsAnchored,
    RecordOffline,
    RecordsCommitted,
    RecordsShredded,
    RefuseAccess,
    ReleaseLegalHold,
    ShredRecords,
)
from careledger.apps.records.emergencies import (
    check_suspended,
    read_emergency,
    stated_now,
)
from careledger.apps.records.offline import record_offline
from careledger.apps.records.queries import next_number, stream
from careledger.apps.records.refusals import (
    AlreadyAcknowledged,
    AlreadyShredded,
    BasisFails,
    BasisNotYet,
    HoldTaken,
    ManifestDiffers,
    NoSuchDisclosure,
    NoSuchHold,
    NoSuchSession,
    NotACustodian,
    NotAPractitioner,
    NotYourPatient,
    OutOfSequence,
    RequestAnswered,
    RequestForOther,
    RequestNotGenuine,
    SessionOver,
    SessionTaken,
    UnderLegalHold,
)
from careledger.apps.records.state import (
    DISCLOSURES,
    HOLDS,
    REQUESTS,
    SESSIONS,
    SHREDS,
)
from careledger.ledger.application import Context
from careledger.ledger.errors import Malformed, UnknownSigner, require
from careledger.ledger.record import AccountId, MemberId
from careledger.ledger.state import View
from careledger.mechanisms.policy import BasisName, Permit
from careledger.mechanisms.request import VerifiedRequest, verify_request

GRACE_S: Final = 300
"""How long after a session its last reads may still be anchored, in seconds."""


def decide(command: Command, context: Context, view: View) -> Iterator[Event]:
    """Accept `command` as events, or refuse it."""
    me = MemberId(context.signer)
    if context.kind == "member":
        check_suspended(command, me, view)
    if isinstance(command, AcknowledgeDisclosure):
        yield _acknowledge(command, context, view)
        return
    require(context.kind == "member", NotACustodian)
    match command:
        case CommitRecords() | AnchorReads() | AnchorLocalReads():
            yield _anchor(command, me, context, view)
        case PlaceLegalHold() | ReleaseLegalHold() | ShredRecords():
            require(is_patient_of(view, AccountId(command.account), me), NotYourPatient)
            yield _keep(command, me, context, view)
        case DiscloseRecords():
            yield from _disclose(command, me, context, view)
        case RecordOffline():
            yield from record_offline(command, me, context, view)
        case RefuseAccess():
            yield _refuse(command, me, context, view)
        case _:
            assert_never(command)


def _anchor(command: AnchorCommand, me: MemberId, context: Context, view: View) -> AnchorEvent:
    root, size, at = command.root, command.size, context.time
    match command:
        case CommitRecords():
            batch = stream(view, me, "records").next
            return RecordsCommitted(custodian=me, batch=batch, root=root, size=size)
        case AnchorLocalReads(sequence=sequence):
            require(stream(view, me, "local").is_next(sequence), OutOfSequence)
            return LocalReadsAnchored(custodian=me, sequence=sequence, root=root, size=size)
        case AnchorReads(session=session, sequence=sequence):
            row = view.find(SESSIONS, me, session, absent=NoSuchSession)
            require(at <= row.expires + GRACE_S, SessionOver)
            require(row.reads.is_next(sequence), OutOfSequence)
            return ReadsAnchored(
                custodian=me,
                receiver=row.receiver,
                number=row.number,
                account=row.account,
                session=session,
                sequence=sequence,
                root=root,
                size=size,
                at=at,
            )
        case _:
            assert_never(command)


def _disclose(
    command: DiscloseRecords, me: MemberId, context: Context, view: View
) -> Iterator[Event]:
    verified = _read_request(command, me, context, view)
    asked = verified.request
    require(asked.account == command.account, RequestForOther)
    require(is_patient_of(view, AccountId(command.account), me), NotYourPatient)
    _check_person(verified, context, view)
    stated = stated_now(command, context, view)
    basis, basis_id = _check_basis(command, verified, context, view)
    require(view.get(SESSIONS, me, command.session) is None, SessionTaken)
    if stated is not None:
        yield stated
    yield Disclosed(
        custodian=me,
        receiver=verified.receiver,
        number=next_number(view, me, verified.receiver),
        account=command.account,
        practitioner=asked.practitioner,
        role=asked.role,
        purpose=asked.purpose,
        actions=asked.actions,
        basis=basis,
        basis_id=basis_id,
        session=command.session,
        expires=context.time + command.ttl_s,
        manifest=command.manifest,
        request=verified.id,
        at=context.time,
    )


def _refuse(command: RefuseAccess, me: MemberId, context: Context, view: View) -> AccessRefused:
    """A refusal needs no basis, but a genuine request: nobody's denial can be invented."""
    verified = _read_request(command, me, context, view)
    asked = verified.request
    require(asked.account in {None, command.account}, RequestForOther)
    known = command.account is not None and is_patient_of(view, AccountId(command.account), me)
    return AccessRefused(
        custodian=me,
        receiver=verified.receiver,
        number=next_number(view, me, verified.receiver),
        account=command.account if known else None,
        practitioner=asked.practitioner,
        role=asked.role,
        purpose=asked.purpose,
        actions=asked.actions,
        dimensions=command.dimensions,
        request=verified.id,
        at=context.time,
    )


def _read_request(command: Answer, me: MemberId, context: Context, view: View) -> VerifiedRequest:
    """The request, if whoever it names signed it, for me, and nobody has answered it."""
    try:
        verified = verify_request(command.request, view, context.chain, context.time)
    except (Malformed, UnknownSigner) as error:
        raise RequestNotGenuine from error
    asked, person = verified.request, AccountId(verified.signer)
    require(asked.custodian == me, RequestForOther)
    require(view.get(REQUESTS, me, verified.id) is None, RequestAnswered)
    if person == asked.practitioner:  # nobody asks in the name of who enrolled them
        member = MemberId(asked.requester)
        at = verified.emergency_at(context.time)
        require(is_acting_practitioner(view, person, member, at), RequestNotGenuine)
    return verified


def _check_person(verified: VerifiedRequest, context: Context, view: View) -> None:
    """Staff are vouched for by their organisation; whoever is named is named on the ledger."""
    asked = verified.request
    if asked.practitioner is None:
        return
    person = AccountId(asked.practitioner)
    member, at = MemberId(asked.requester), verified.emergency_at(context.time)
    require(is_acting_practitioner(view, person, member, at), NotAPractitioner)
    require(asked.role in {None, *practitioner_roles(view, person)}, NotAPractitioner)


def _check_basis(
    command: DiscloseRecords, verified: VerifiedRequest, context: Context, view: View
) -> tuple[BasisName, bytes | None]:
    """Name the basis, if it allows every use that is asked for, at block time."""
    uses = tuple(verified.uses(command.account, context.time))
    match command.basis:
        case GrantBasis(consent_id=consent_id):
            require(verified.request.consent_id in {None, consent_id}, BasisFails)
            require(all(basis_holds(view, use, consent_id) for use in uses), BasisFails)
            return "grant", consent_id
        case OwnAccessBasis():
            permits = (decide_own_access(view, use, verified.signer) for use in uses)
            require(all(isinstance(permit, Permit) for permit in permits), BasisFails)
            return "own-access", None
        case BreakGlassBasis(statement=statement):
            stated = read_emergency(statement, context, view)
            permits = (decide_break_glass(view, use, stated) for use in uses)
            require(all(isinstance(permit, Permit) for permit in permits), BasisFails)
            return "break-glass", stated.id
        case NetworkPolicyBasis() | RequiredByLawBasis():
            raise BasisNotYet
        case _:
            assert_never(command.basis)


def _acknowledge(command: AcknowledgeDisclosure, context: Context, view: View) -> Acknowledged:
    """Whoever signs is the receiver: there is no other way to name one."""
    custodian, me, number = command.custodian, context.signer, command.number
    row = view.find(DISCLOSURES, custodian, me, number, absent=NoSuchDisclosure)
    require(row.acknowledged is None, AlreadyAcknowledged)
    require(row.manifest == command.manifest, ManifestDiffers)
    return Acknowledged(
        custodian=custodian, receiver=me, number=number, account=row.account, at=context.time
    )


def _keep(command: KeepingCommand, me: MemberId, context: Context, view: View) -> KeepingEvent:
    account, at = command.account, context.time
    match command:
        case PlaceLegalHold(hold=hold):
            require(view.get(HOLDS, me, account, hold) is None, HoldTaken)
            return LegalHoldPlaced(custodian=me, account=account, hold=hold, at=at)
        case ReleaseLegalHold(hold=hold):
            require(view.get(HOLDS, me, account, hold) is not None, NoSuchHold)
            return LegalHoldReleased(custodian=me, account=account, hold=hold, at=at)
        case ShredRecords(certificate=certificate):
            require(next(view.scan(HOLDS, me, account), None) is None, UnderLegalHold)
            require(view.get(SHREDS, me, account, certificate) is None, AlreadyShredded)
            return RecordsShredded(custodian=me, account=account, certificate=certificate, at=at)
        case _:
            assert_never(command)
