"""Break-glass in the law of records, and what of it stays open to a suspended member for 72 hours.

A suspension is between organisations; whoever lies unconscious did nothing. So that members can
move their patients elsewhere, break-glass goes on for a while, and everything that accounts for it.
"""

from careledger.apps.records.basis import BreakGlassBasis
from careledger.apps.records.commands import (
    AcknowledgeDisclosure,
    AnchorReads,
    Command,
    DiscloseRecords,
    EmergencyStated,
    RecordOffline,
)
from careledger.apps.records.refusals import EmergencyNotGenuine
from careledger.apps.records.state import DISCLOSURES, EMERGENCIES, SESSIONS
from careledger.ledger.application import Context
from careledger.ledger.errors import Malformed, SignerSuspended, UnknownSigner, require
from careledger.ledger.membership import SIGNERS
from careledger.ledger.record import MemberId, Record
from careledger.ledger.state import View
from careledger.ledger.statement import parse_statement
from careledger.mechanisms import emergency


def may_serve_emergency(command: Record) -> bool:
    """Whether a suspended member may still ask for it; `check_suspended` looks closer."""
    match command:
        case DiscloseRecords(basis=basis):
            return isinstance(basis, BreakGlassBasis)
        case RecordOffline() | AnchorReads() | AcknowledgeDisclosure():
            return True
        case _:
            return False


def check_suspended(command: Command, me: MemberId, view: View) -> None:
    """Whether `command`, if `me` is suspended, is break-glass or accounts for it.

    Raises:
        SignerSuspended: it is neither.
    """
    status = view.row(SIGNERS, me).status
    if status == "active":
        return
    require(status == "suspended" and may_serve_emergency(command), SignerSuspended)
    if isinstance(command, AnchorReads):
        session = view.find(SESSIONS, me, command.session, absent=SignerSuspended)
        _check_break_glass(view, me, session.receiver, session.number)
    elif isinstance(command, AcknowledgeDisclosure):
        _check_break_glass(view, command.custodian, me, command.number)


def _check_break_glass(view: View, custodian: str, receiver: str, number: int) -> None:
    row = view.find(DISCLOSURES, custodian, receiver, number, absent=SignerSuspended)
    require(row.basis == "break-glass", SignerSuspended)


def stated_now(command: DiscloseRecords, context: Context, view: View) -> EmergencyStated | None:
    """The emergency that this disclosure is the first to rely on, if it relies on one."""
    if not isinstance(command.basis, BreakGlassBasis):
        return None
    stated = read_emergency(command.basis.statement, context, view)
    if view.get(EMERGENCIES, context.payer, stated.id) is not None:
        return None
    said = stated.emergency
    return EmergencyStated(
        custodian=said.custodian,
        account=said.account,
        practitioner=stated.practitioner,
        reason=said.reason,
        emergency=stated.id,
        since=stated.since,
        until=said.until,
    )


def read_emergency(statement: bytes, context: Context, view: View) -> emergency.VerifiedEmergency:
    """A statement arrives within its own hour; one that did counts as long as it says."""
    try:
        id_ = parse_statement(statement, emergency.CONTENT_TYPE).id
        row = view.get(EMERGENCIES, context.payer, id_)
        time = context.time if row is None else row.since
        return emergency.verify_emergency(statement, view, context.chain, time)
    except (Malformed, UnknownSigner) as error:
        raise EmergencyNotGenuine from error
