"""What may be asked about accounts (imperative), and what then has happened (past tense)."""

from typing import Annotated

import msgspec

from careledger.ledger.membership import NewKey
from careledger.ledger.possession import PublishedKey
from careledger.ledger.record import AccountName, Hash, Instant, MemberName, PublicName, Record

AssuranceLevel = Annotated[int, msgspec.Meta(ge=1, le=3)]
"""NIST SP 800-63: how well the person was proofed (IAL), how well they sign in (AAL)."""

CredentialRole = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z-]{1,31}\\Z")]
"""What a practitioner is licensed or appointed as: clinician, nurse, pharmacist, registrar, ..."""

CredentialRoles = Annotated[tuple[CredentialRole, ...], msgspec.Meta(max_length=16)]


class PatientHolder(Record, tag="patient"):
    """A patient: the ledger knows nothing else of them, not even which accounts are the same."""


class DeviceHolder(Record, tag="device"):
    """A device: nothing else is known of it either."""


class PractitionerHolder(Record, tag="practitioner"):
    """A licensed practitioner, who acts under their own public name."""

    name: PublicName
    roles: CredentialRoles


Holder = PatientHolder | PractitionerHolder | DeviceHolder


class EnrolAccount(Record, tag="enrol"):
    """Vouch for a person or device; `account` is 16 random bytes of ours.

    `key` is the account's first transaction key; or, for a patient who is not here yet, a claim
    key derived from a code, good until `claim_until`.
    """

    account: AccountName
    holder: Holder
    ial: AssuranceLevel
    key: NewKey
    aal: AssuranceLevel | None = None
    claim_until: Instant | None = None


class ReissueClaim(Record, tag="reissue-claim"):
    """Give a patient who has not claimed the account yet another code; the old one dies."""

    account: AccountName
    key: NewKey
    claim_until: Instant


class ClaimAccount(Record, tag="claim"):
    """Make the account mine: signed by the claim key, it puts my own key in its place."""

    key: NewKey


class RegisterAccountKey(Record, tag="register-key"):
    """Add a key of mine."""

    key: NewKey


class RotateAccountKey(Record, tag="rotate-key"):
    """Replace my key `old` by another for the same use; the old one dies with this command."""

    old: Hash
    key: NewKey


class RetireAccountKey(Record, tag="retire-key"):
    """End a key of mine."""

    key: Hash


class SuspendAccount(Record, tag="suspend"):
    """Stop an account I enrolled from acting; what protects the patient stays open to it."""

    account: AccountName


class ReinstateAccount(Record, tag="reinstate"):
    """Let a suspended account I enrolled act again."""

    account: AccountName


class SetAssurance(Record, tag="set-assurance"):
    """Record how well the holder of an account I enrolled has been proofed since."""

    account: AccountName
    ial: AssuranceLevel
    aal: AssuranceLevel | None = None


class SetCredentialRoles(Record, tag="set-roles"):
    """Say what a practitioner I enrolled is."""

    account: AccountName
    roles: CredentialRoles


class AccountEnrolled(Record, tag="enrolled"):
    """A member vouched for an account."""

    account: AccountName
    member: MemberName
    holder: Holder
    ial: AssuranceLevel
    aal: AssuranceLevel | None
    key: PublishedKey
    claim_until: Instant | None
    at: Instant


class ClaimReissued(Record, tag="claim-reissued"):
    """An unclaimed account waits for another code."""

    account: AccountName
    member: MemberName
    key: PublishedKey
    claim_until: Instant
    at: Instant


class AccountClaimed(Record, tag="claimed"):
    """A patient took an account over with the code; from here on only their key signs."""

    account: AccountName
    key: PublishedKey
    at: Instant


class AccountKeyRegistered(Record, tag="key-registered"):
    """An account has another key."""

    account: AccountName
    key: PublishedKey
    at: Instant


class AccountKeyRotated(Record, tag="key-rotated"):
    """An account's key was replaced; `old` signs no more."""

    account: AccountName
    old: Hash
    key: PublishedKey
    at: Instant


class AccountKeyRetired(Record, tag="key-retired"):
    """An account's key signs no more."""

    account: AccountName
    key: Hash
    at: Instant


class AccountSuspended(Record, tag="suspended"):
    """An account may not act for now."""

    account: AccountName
    member: MemberName
    at: Instant


class AccountReinstated(Record, tag="reinstated"):
    """A suspended account acts again."""

    account: AccountName
    member: MemberName
    at: Instant


class AssuranceSet(Record, tag="assurance-set"):
    """The holder of an account was proofed again."""

    account: AccountName
    member: MemberName
    ial: AssuranceLevel
    aal: AssuranceLevel | None
    at: Instant


class CredentialRolesSet(Record, tag="roles-set"):
    """A practitioner's roles are now these."""

    account: AccountName
    member: MemberName
    roles: CredentialRoles
    at: Instant


MemberCommand = (
    EnrolAccount
    | ReissueClaim
    | SuspendAccount
    | ReinstateAccount
    | SetAssurance
    | SetCredentialRoles
)
"""What the enrolling member asks."""

HolderCommand = ClaimAccount | RegisterAccountKey | RotateAccountKey | RetireAccountKey
"""What the account asks, under its own key or, once, its claim key."""

Command = MemberCommand | HolderCommand

KeyEvent = AccountClaimed | AccountKeyRegistered | AccountKeyRotated | AccountKeyRetired
StandingEvent = AccountSuspended | AccountReinstated | AssuranceSet | CredentialRolesSet
Event = AccountEnrolled | ClaimReissued | KeyEvent | StandingEvent
