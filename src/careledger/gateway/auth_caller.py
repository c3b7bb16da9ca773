"""Whoever signed in: who, for what purpose, in which role; and whether they still may."""

from dataclasses import dataclass
from typing import Final

from careledger.apps.governance.queries import is_active
from careledger.apps.identity.queries import account, is_acting_practitioner, practitioner_roles
from careledger.exchange.asker import Asker
from careledger.exchange.limits import Limits
from careledger.gateway.auth_limits import TokenLimits
from careledger.gateway.auth_scopes import CallerKind, Scopes
from careledger.ledger.errors import LedgerError
from careledger.ledger.membership import live_key
from careledger.ledger.record import AccountId, Digest, MemberId, SignerId
from careledger.ledger.state import View
from careledger.mechanisms.policy import Role
from careledger.mechanisms.purpose import Purpose

OWN_PURPOSE: Purpose = "PATRQT"

VOUCHED: Final = frozenset(("staff", "service"))
"""Kinds that have no key on the ledger: the member vouches for them, by its own files."""


class NotOurs(LedgerError):
    """Another member is no person of ours: it is answered in a disclosure, or not at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who signed in, with which key, and for whom."""

    signer: SignerId
    """Whose key it is; for `VOUCHED` kinds the member that answers for them."""
    kind: CallerKind
    key_id: Digest | None = None
    practitioner: AccountId | None = None
    """Who acts, if it is a person the ledger knows."""
    role: Role | None = None
    subject: str | None = None
    """Of staff: who they are at the identity provider."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Partner:
    """What another member says of its request (UDAP Security 1.1 7.1, `hl7-b2b`)."""

    organisation: MemberId
    """Who asks; the ledger vouches for the key."""
    consents: tuple[bytes, ...] = ()
    """Ids of consents (16 bytes each) that the request stands on."""
    policies: tuple[str, ...] = ()
    """URIs of the policies under which those were given."""
    session: bytes | None = None
    """The disclosure session (16 bytes) in which the token reads; None opens no FHIR door."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """An identity with what its token is bound to."""

    identity: Identity
    purpose: Purpose
    scopes: Scopes
    client: str | None = None
    """The registered application that holds the token."""
    patient: str | None = None
    """Local id of the patient in context."""
    encounter: str | None = None
    user: str | None = None
    """The resource of whoever signed in: `Practitioner/7`."""
    partner: Partner | None = None
    keeps_records: bool = False
    """Whether it is one of the organisation's own systems, which may choose ids."""

    @property
    def account(self) -> AccountId | None:
        """The patient, if it is one who reads their own record."""
        who = self.identity
        return AccountId(who.signer) if who.kind == "patient" else None

    @property
    def limits(self) -> Limits:
        """What the token reaches, before consent is asked."""
        is_own = self.identity.kind == "patient"
        return TokenLimits(self.scopes, self.patient, is_own=is_own).limits

    @property
    def asker(self) -> Asker:
        """Who asks and why, as decisions and the journal have it.

        Raises:
            NotOurs: another member asks.
        """
        who = self.identity
        if who.kind == "partner":
            raise NotOurs("ask through a disclosure")
        return Asker(
            purpose=self.purpose,
            practitioner=who.practitioner,
            role=who.role,
            account=self.account,
        )


def kind_of(view: View, member: MemberId, signer: SignerId) -> CallerKind | None:
    """What `signer` is to `member`; None for whoever may not sign in there."""
    if signer == member:
        return "member"
    if not signer.startswith("@"):
        return "partner" if is_active(view, MemberId(signer)) else None
    found = account(view, AccountId(signer))
    if found is None or found.member != member or found.kind == "device":
        return None
    return found.kind


class Standings:
    """Who is in good standing as of the newest block: looked up once for each block."""

    def __init__(self, member: MemberId) -> None:
        """For the doors of `member`."""
        self._member = member
        self._good: tuple[int, set[Identity]] = (-1, set())

    def is_good(self, view: View, height: int, who: Identity) -> bool:
        """Whether the state at `height`, which is `view`, lets `who` act."""
        known = self._good
        if known[0] != height:
            known = self._good = height, set()
        if who in known[1]:
            return True
        if not is_in_good_standing(view, self._member, who):
            return False
        known[1].add(who)
        return True


def is_in_good_standing(view: View, member: MemberId, who: Identity) -> bool:
    """Whether committed state still lets `who` act: key live, all concerned active, role held.

    A suspended member's people may do nothing. Its patients keep the access to their own records
    that is theirs by law (45 CFR 164.524).
    """
    if who.kind not in VOUCHED and not _has_live_key(view, who):
        return False
    if who.kind == "patient":
        found = account(view, AccountId(who.signer))
        return found is not None and found.member == member and found.status == "active"
    if not is_active(view, member):
        return False
    employer = MemberId(who.signer) if who.kind == "partner" else member
    if not is_active(view, employer):
        return False
    if who.practitioner is None:
        return True
    return is_acting_practitioner(view, who.practitioner, employer) and (
        who.role is None or who.role in practitioner_roles(view, who.practitioner)
    )


def _has_live_key(view: View, who: Identity) -> bool:
    key = None if who.key_id is None else live_key(view, who.signer, who.key_id)
    return key is not None and key.use == "client"
