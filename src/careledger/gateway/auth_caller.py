"""Whoever signed in: who, for what purpose, in which role; and whether they still may."""

from dataclasses import dataclass

from careledger.apps.governance.queries import is_active
from careledger.apps.identity.queries import account, is_acting_practitioner, practitioner_roles
from careledger.exchange.asker import Asker
from careledger.gateway.auth_scopes import CallerKind, Scopes
from careledger.ledger.membership import live_key
from careledger.ledger.record import AccountId, Digest, MemberId, SignerId
from careledger.ledger.state import View
from careledger.mechanisms.policy import Role
from careledger.mechanisms.purpose import Purpose

OWN_PURPOSE: Purpose = "PATRQT"


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who signed, with which key, and for whom: the ledger vouches for all of it."""

    signer: SignerId
    kind: CallerKind
    key_id: Digest
    practitioner: AccountId | None = None
    """Who acts, if it is a person the ledger knows."""
    role: Role | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """An identity with what its token is bound to."""

    identity: Identity
    purpose: Purpose
    scopes: Scopes

    @property
    def account(self) -> AccountId | None:
        """The patient, if it is one who reads their own record."""
        who = self.identity
        return AccountId(who.signer) if who.kind == "patient" else None

    @property
    def asker(self) -> Asker:
        """Who asks and why, as decisions and the journal have it."""
        who = self.identity
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
    found = account(view, AccountId(signer)) if signer.startswith("@") else None
    if found is None or found.member != member or found.kind == "device":
        return None
    return found.kind


def is_in_good_standing(view: View, member: MemberId, who: Identity) -> bool:
    """Whether committed state still lets `who` act: key live, all concerned active, role held.

    A suspended member's people may do nothing. Its patients keep the access to their own records
    that is theirs by law (45 CFR 164.524).
    """
    key = live_key(view, who.signer, who.key_id)
    if key is None or key.use != "client":
        return False
    if who.kind == "patient":
        found = account(view, AccountId(who.signer))
        return found is not None and found.member == member and found.status == "active"
    if not is_active(view, member):
        return False
    if who.practitioner is None:
        return True
    return is_acting_practitioner(view, who.practitioner, member) and (
        who.role is None or who.role in practitioner_roles(view, who.practitioner)
    )
