"""The rule of what was released while the ledger could not decide (`mechanisms.offline`).

It happened, so it is recorded, even if it should not have happened: a refusal would only hide it.
Refused is what would tell an untruth: a request that nobody signed, or entries with one missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from careledger.apps.consent.queries import decide_break_glass
from careledger.apps.identity.queries import (
    is_acting_practitioner,
    is_patient_of,
    practitioner_roles,
)
from careledger.apps.records.commands import (
    Disclosed,
    EmergencyStated,
    OfflineRecorded,
    RecordOffline,
)
from careledger.apps.records.queries import emergency as emergency_row
from careledger.apps.records.queries import last_offline, next_number
from careledger.apps.records.refusals import (
    NotYourPatient,
    OfflineFromTheFuture,
    OfflineNotGenuine,
    OfflineOutOfSequence,
)
from careledger.ledger.application import Context
from careledger.ledger.errors import Malformed, UnknownSigner, require
from careledger.ledger.membership import SIGNERS
from careledger.ledger.record import AccountId, MemberId, TransactionId, decode
from careledger.ledger.state import View
from careledger.ledger.statement import SKEW_S, Statement, parse_statement
from careledger.mechanisms.emergency import CONTENT_TYPE as EMERGENCY
from careledger.mechanisms.emergency import Emergency, verify_emergency
from careledger.mechanisms.offline import OfflineEntry, read_offline, signed_ever
from careledger.mechanisms.policy import Permit
from careledger.mechanisms.request import CONTENT_TYPE as REQUEST
from careledger.mechanisms.request import AccessRequest, verify_request

_SESSION_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class _Report:
    """What the command holds, of which every signature is somebody's whom the network knows."""

    id: TransactionId
    entry: OfflineEntry
    request: Statement
    asked: AccessRequest
    emergency: Statement
    said: Emergency


def record_offline(
    command: RecordOffline, me: MemberId, context: Context, view: View
) -> Iterator[Disclosed | EmergencyStated | OfflineRecorded]:
    """Accept the next entry of `me`, and say whether the emergency was genuine."""
    report = _read(command, me, context, view)
    entry, asked = report.entry, report.asked
    require(is_patient_of(view, AccountId(entry.account), me), NotYourPatient)
    number, before, released = last_offline(view, me)
    follows = entry.number == number + 1 and entry.previous == before
    require(follows, OfflineOutOfSequence)
    require(released <= entry.at <= context.time + SKEW_S, OfflineFromTheFuture)
    if emergency_row(view, me, report.emergency.id) is None:
        yield _stated(report)
    receiver = MemberId(asked.requester)
    answer = next_number(view, me, receiver)
    yield _disclosed(report, me, answer, context)
    yield OfflineRecorded(
        custodian=me,
        receiver=receiver,
        number=answer,
        account=entry.account,
        entry=report.id,
        sequence=entry.number,
        released=entry.at,
        genuine=_is_genuine(report, context, view),
    )


def _disclosed(report: _Report, me: MemberId, number: int, context: Context) -> Disclosed:
    """What was released, as answer `number` between these two; the session is over."""
    entry, asked = report.entry, report.asked
    return Disclosed(
        custodian=me,
        receiver=MemberId(asked.requester),
        number=number,
        account=entry.account,
        practitioner=asked.practitioner,
        role=asked.role,
        purpose=asked.purpose,
        actions=asked.actions,
        basis="break-glass",
        basis_id=report.emergency.id,
        session=report.id[:_SESSION_BYTES],
        expires=context.time,
        manifest=entry.manifest,
        request=report.request.id,
        at=context.time,
    )


def _read(command: RecordOffline, me: MemberId, context: Context, view: View) -> _Report:
    try:
        id_, entry = read_offline(command.entry, view, context.chain)
        request = parse_statement(command.request, REQUEST)
        stated = parse_statement(command.emergency, EMERGENCY)
        asked, said = decode(request.payload, AccessRequest), decode(stated.payload, Emergency)
        signed_ever(request, view)
        signed_ever(stated, view)
    except (Malformed, UnknownSigner) as error:
        raise OfflineNotGenuine from error
    fits = (
        entry.custodian == me == asked.custodian == said.custodian
        and entry.account == asked.account == said.account
        and (entry.request, entry.emergency) == (request.id, stated.id)
        and request.claims.audience == stated.claims.audience == context.chain.hex()
    )
    require(fits and _speaks_for(request, asked, view), OfflineNotGenuine)
    return _Report(id_, entry, request, asked, stated, said)


def _speaks_for(request: Statement, asked: AccessRequest, view: View) -> bool:
    """Whether the requester asked itself, or its own practitioner did."""
    if request.issuer == asked.requester:
        return True
    row = view.get(SIGNERS, request.issuer)
    is_its = row is not None and row.payer == asked.requester
    return is_its and request.issuer == asked.practitioner


def _stated(report: _Report) -> EmergencyStated:
    said = report.said
    return EmergencyStated(
        custodian=said.custodian,
        account=said.account,
        practitioner=report.emergency.issuer,
        reason=said.reason,
        emergency=report.emergency.id,
        since=report.emergency.claims.not_before,
        until=said.until,
    )


def _is_genuine(report: _Report, context: Context, view: View) -> bool:
    """Whether a quorum would have let it be, at the time at which it was."""
    at, asked = report.entry.at, report.asked
    try:
        verified = verify_request(report.request.raw, view, context.chain, at)
        stated = verify_emergency(report.emergency.raw, view, context.chain, at)
    except (Malformed, UnknownSigner):
        return False
    if asked.practitioner is None:
        return False
    person, member = AccountId(asked.practitioner), MemberId(asked.requester)
    if not is_acting_practitioner(view, person, member, verified.emergency_at(at)):
        return False
    if asked.role is not None and asked.role not in practitioner_roles(view, person):
        return False
    answers = (
        decide_break_glass(view, use, stated) for use in verified.uses(report.entry.account, at)
    )
    return all(isinstance(answer, Permit) for answer in answers)
