"""What a patient or the desk may ask (imperative), and what then has happened (past tense)."""

from typing import Annotated

import msgspec

from careledger.ledger.record import AccountName, Hash, Instant, MemberName, Record
from careledger.ledger.statement import StatementBytes, check_sizes
from careledger.mechanisms.deadline import Day
from careledger.mechanisms.envelope import Actions, ConsentId, Kind, Purposes
from careledger.mechanisms.policy import Role
from careledger.mechanisms.purpose import Purpose
from careledger.mechanisms.terms import Action

SomePurposes = Annotated[tuple[Purpose, ...], msgspec.Meta(min_length=1, max_length=56)]
SomeActions = Annotated[tuple[Action, ...], msgspec.Meta(min_length=1, max_length=3)]


class Said(Record):
    """What every consent says on the ledger, however it is given."""

    consent_id: ConsentId
    custodian: MemberName
    practitioner: AccountName | None = None
    role: Role | None = None
    valid_from: Day
    valid_until: Day | None = None
    terms: Hash | None = None


class SaidYes(Said):
    """A grant names its grantee, purposes and actions."""

    grantee: MemberName
    purposes: SomePurposes
    actions: SomeActions


class SaidNo(Said):
    """A denial may leave each of them open: anyone, any purpose, any action."""

    grantee: MemberName | None = None
    purposes: Purposes = ()
    actions: Actions = ()


class SaidOnPaper(SaidNo):
    """Either, as a patient signed it on paper."""

    account: AccountName
    kind: Kind
    paper: Hash
    """SHA-256 of the scan, under a salt that stays with the scan."""


class GrantConsent(SaidYes, tag="grant"):
    """Let `grantee` see my records at `custodian`, for `purposes`, as far as the terms say."""


class DenyConsent(SaidNo, tag="deny"):
    """Do not let `grantee`, or anyone, see my records at `custodian`, whatever else I allowed."""


class RevokeConsent(Record, tag="revoke"):
    """End a consent or a denial of mine, at once."""

    consent_id: ConsentId


class AttestPaperConsent(Record, tag="attest-paper"):
    """State, with a witness, that the patient signed this on paper before me."""

    consent: SaidOnPaper
    witness: StatementBytes
    """The witness's signed statement over the same `SaidOnPaper`."""

    def __post_init__(self) -> None:
        check_sizes(self.witness)


class EndPaperConsent(Record, tag="end-paper"):
    """End a consent on paper, because the patient said so at the desk."""

    account: AccountName
    consent_id: ConsentId


class ConsentGranted(SaidYes, tag="granted"):
    """A patient gave a consent."""

    account: AccountName
    given: Instant


class ConsentDenied(SaidNo, tag="denied"):
    """A patient said no."""

    account: AccountName
    given: Instant


class ConsentRevoked(Record, tag="revoked"):
    """A patient ended a consent or a denial."""

    account: AccountName
    consent_id: ConsentId
    ended: Instant


class PaperConsentAttested(SaidOnPaper, tag="paper-attested"):
    """A practitioner and a witness stated that a patient signed on paper."""

    given: Instant
    staff: AccountName
    witness: AccountName


class PaperConsentEnded(Record, tag="paper-ended"):
    """The desk ended a consent on paper for a patient."""

    account: AccountName
    consent_id: ConsentId
    ended: Instant
    staff: AccountName


Command = GrantConsent | DenyConsent | RevokeConsent | AttestPaperConsent | EndPaperConsent
Event = ConsentGranted | ConsentDenied | ConsentRevoked | PaperConsentAttested | PaperConsentEnded
