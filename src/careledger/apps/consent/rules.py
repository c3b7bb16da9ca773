"""The law of consent: which commands are accepted, and what they change."""

from collections.abc import Iterator
from typing import assert_never

from msgspec.structs import asdict, replace

from careledger.apps.consent.commands import (
    AttestPaperConsent,
    Command,
    ConsentDenied,
    ConsentGranted,
    ConsentRevoked,
    DenyConsent,
    EndPaperConsent,
    Event,
    GrantConsent,
    PaperConsentAttested,
    PaperConsentEnded,
    RevokeConsent,
    SaidNo,
    SaidOnPaper,
    SaidYes,
)
from careledger.apps.consent.queries import has_room
from careledger.apps.consent.state import CONSENTS, PAPERS, Paper
from careledger.apps.identity import queries as identity
from careledger.ledger.application import Context
from careledger.ledger.errors import Refusal, require
from careledger.ledger.membership import SIGNERS, parameters
from careledger.ledger.record import AccountId, MemberId, encode
from careledger.ledger.state import Changes, View
from careledger.ledger.statement import parse_statement, verify_statement
from careledger.mechanisms.deadline import start_of
from careledger.mechanisms.envelope import Envelope, Form, Kind


class NotThePatient(Refusal):
    """Only the patient's own account can give, deny or revoke her consent."""

    code = 300


class NotTheCustodian(Refusal):
    """A consent names as custodian the organisation that enrolled the patient's account."""

    code = 301


class UnknownGrantee(Refusal):
    """No active organisation has the name of the grantee."""

    code = 302


class UnknownPractitioner(Refusal):
    """The grantee has no practitioner under that account."""

    code = 303


class ConsentIdUsed(Refusal):
    """That consent id was used before; history is never overwritten, choose a fresh one."""

    code = 304


class AlreadyOver(Refusal):
    """The consent would be over before it begins, or is over already."""

    code = 305


class UnknownConsent(Refusal):
    """There is no consent with this id under this account."""

    code = 306


class PaperNotAllowed(Refusal):
    """This network does not accept consent on paper."""

    code = 310


class NotTheDesk(Refusal):
    """Only a named, active practitioner of the custodian can act on a paper."""

    code = 311


class NoWitness(Refusal):
    """A second practitioner of the custodian has to sign exactly the same statement."""

    code = 312


class GrantTooWide(Refusal):
    """A grant names its grantee, at least one purpose and at least one action."""

    code = 313


class NotOnPaper(Refusal):
    """The desk can end only a grant on paper; everything else only the patient can end."""

    code = 314


class TooManyConsents(Refusal):
    """This account has as many consents as one may have; a denial may still find room."""

    code = 315


REFUSALS = (
    NotThePatient,
    NotTheCustodian,
    UnknownGrantee,
    UnknownPractitioner,
    ConsentIdUsed,
    AlreadyOver,
    UnknownConsent,
    PaperNotAllowed,
    NotTheDesk,
    NoWitness,
    GrantTooWide,
    NotOnPaper,
    TooManyConsents,
)


def decide(command: Command, context: Context, view: View) -> Iterator[Event]:
    """Accept `command` as events, or refuse it."""
    match command:
        case GrantConsent():
            yield _grant(command, context, view)
        case DenyConsent():
            yield _deny(command, context, view)
        case RevokeConsent(consent_id=consent_id):
            patient = _patient(context, view)
            row = view.find(CONSENTS, patient, consent_id, absent=UnknownConsent)
            if row.ended is None:
                yield ConsentRevoked(account=patient, consent_id=consent_id, ended=context.time)
        case AttestPaperConsent():
            yield _attest(command, context, view)
        case EndPaperConsent(account=account, consent_id=consent_id):
            row = view.find(CONSENTS, account, consent_id, absent=UnknownConsent)
            staff = _staff(context, MemberId(row.custodian), view)
            require(row.form == "paper" and row.kind == "grant", NotOnPaper)
            if row.ended is None:
                yield PaperConsentEnded(
                    account=account, consent_id=consent_id, ended=context.time, staff=staff
                )
        case _:
            assert_never(command)


def _patient(context: Context, view: View) -> AccountId:
    """Whoever signs, signs for herself: no command names the account that it is about."""
    account = AccountId(context.signer)
    require(identity.is_patient_of(view, account, context.payer), NotThePatient)
    return account


def _grant(command: GrantConsent, context: Context, view: View) -> ConsentGranted:
    patient = _patient(context, view)
    require(command.custodian == context.payer, NotTheCustodian)
    _check_said(command, patient, context, view)
    return ConsentGranted(**asdict(command), account=patient, given=context.time)


def _deny(command: DenyConsent, context: Context, view: View) -> ConsentDenied:
    patient = _patient(context, view)
    require(command.custodian == context.payer, NotTheCustodian)
    _check_said(command, patient, context, view)
    return ConsentDenied(**asdict(command), account=patient, given=context.time)


def _check_said(said: SaidYes | SaidNo, account: str, context: Context, view: View) -> None:
    """What any new consent must satisfy: a fresh id, days to come, a grantee that exists."""
    require(view.get(CONSENTS, account, said.consent_id) is None, ConsentIdUsed)
    on_paper = isinstance(said, SaidOnPaper)
    room = has_room(view, account, on_paper=on_paper, denial=_is_denial(said))
    require(room, TooManyConsents)
    if said.valid_until is not None:
        require(said.valid_from < said.valid_until, AlreadyOver)
        require(context.time < start_of(said.valid_until), AlreadyOver)
    if said.grantee is not None:
        grantee = view.find(SIGNERS, said.grantee, absent=UnknownGrantee)
        require(grantee.kind == "member", UnknownGrantee)
        require(_is_denial(said) or grantee.status == "active", UnknownGrantee)
    if said.practitioner is not None:
        person = identity.account(view, AccountId(said.practitioner))
        if person is None or person.kind != "practitioner" or person.member != said.grantee:
            raise UnknownPractitioner


def _is_denial(said: SaidYes | SaidNo) -> bool:
    """A denial may name a grantee that is suspended or gone."""
    match said:
        case SaidOnPaper():
            return said.kind == "denial"
        case SaidNo():
            return True
        case SaidYes():
            return False


def _attest(command: AttestPaperConsent, context: Context, view: View) -> PaperConsentAttested:
    said = command.consent
    require(parameters(view).paper_consent, PaperNotAllowed)
    custodian, patient = MemberId(said.custodian), AccountId(said.account)
    require(identity.is_patient_of(view, patient, custodian), NotTheCustodian)
    staff = _staff(context, custodian, view)
    witness = _witness(command, context, view)
    _check_said(said, said.account, context, view)
    if said.kind == "grant":
        named = said.grantee is not None and bool(said.purposes) and bool(said.actions)
        require(named, GrantTooWide)
    return PaperConsentAttested(**asdict(said), given=context.time, staff=staff, witness=witness)


def _staff(context: Context, custodian: MemberId, view: View) -> AccountId:
    """The named practitioner who signs at the desk, even of a custodian that is suspended.

    Such a one can still end; attesting is no protective command, so the core refuses it.
    """
    staff = identity.account(view, AccountId(context.signer))
    if staff is None or staff.kind != "practitioner" or staff.member != custodian:
        raise NotTheDesk
    require(staff.status == "active", NotTheDesk)
    return staff.id


def _witness(command: AttestPaperConsent, context: Context, view: View) -> AccountId:
    """Another practitioner of the custodian, who signed the same bytes.

    Raises:
        Malformed: not such a statement, for another chain, or outside its window.
        UnknownSigner: not signed by a live key of whoever it names.
    """
    said = command.consent
    statement = parse_statement(command.witness, "application/vnd.careledger.attestation+cbor")
    verify_statement(statement, view, context.chain, context.time)
    require(statement.payload == encode(said), NoWitness)
    witness = AccountId(statement.issuer)
    require(witness != context.signer, NoWitness)
    require(identity.is_acting_practitioner(view, witness, MemberId(said.custodian)), NoWitness)
    return witness


def evolve(event: Event, view: View) -> Changes:
    """Fold one event into the state; never refuses."""
    key = event.account, event.consent_id
    match event:
        case ConsentGranted():
            return CONSENTS.put(_envelope(event, "grant", "electronic"), *key)
        case ConsentDenied():
            return CONSENTS.put(_envelope(event, "denial", "electronic"), *key)
        case PaperConsentAttested():
            paper = Paper(paper=event.paper, staff=event.staff, witness=event.witness)
            row = _envelope(event, event.kind, "paper")
            return {**CONSENTS.put(row, *key), **PAPERS.put(paper, *key)}
        case ConsentRevoked():
            row = replace(view.row(CONSENTS, *key), ended=event.ended)
            return CONSENTS.put(row, *key)
        case PaperConsentEnded():
            row = replace(view.row(CONSENTS, *key), ended=event.ended)
            paper = replace(view.row(PAPERS, *key), ended_by=event.staff)
            return {**CONSENTS.put(row, *key), **PAPERS.put(paper, *key)}
        case _:
            assert_never(event)


def _envelope(
    said: ConsentGranted | ConsentDenied | PaperConsentAttested, kind: Kind, form: Form
) -> Envelope:
    return Envelope(
        kind=kind,
        form=form,
        custodian=said.custodian,
        grantee=said.grantee,
        practitioner=said.practitioner,
        role=said.role,
        purposes=said.purposes,
        actions=said.actions,
        valid_from=said.valid_from,
        valid_until=said.valid_until,
        terms=said.terms,
        given=said.given,
    )
