"""The extension `hl7-b2b` of an assertion: what for, and for whom (UDAP Security 1.1 7.1).

Exactly one purpose of use is stated, and never assumed. Another member has to say which
organisation it is, and what consents its request stands on if it cites any.
"""

from re import compile as regex
from typing import Annotated, Final

import msgspec

from careledger.apps.governance.queries import member as member_of
from careledger.apps.identity.queries import practitioner_roles
from careledger.gateway.auth_caller import OWN_PURPOSE, Identity, Partner
from careledger.gateway.auth_scopes import CallerKind
from careledger.ledger.errors import LedgerError
from careledger.ledger.record import ACCOUNT_ID, AccountId, Digest, MemberId, SignerId
from careledger.ledger.state import View
from careledger.mechanisms.policy import Role
from careledger.mechanisms.purpose import PURPOSES, SYSTEM, Purpose

MEMBER_URI: Final = "urn:careledger:member:"
"""Before a member's id: the `organization_id` of every organisation of the network."""

CONSENT_URI: Final = "urn:careledger:consent:"
"""Before a consent's id in hex: a `consent_reference` to an envelope on the ledger."""

_PURPOSE_SYSTEMS: Final = (SYSTEM, "urn:oid:2.16.840.1.113883.5.8")
_CONSENT: Final = regex(rf"{CONSENT_URI}([0-9a-f]{{32}})")
_URI: Final = regex(r"[a-z][a-z0-9+.-]*:[!-~]+")

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Uri = Annotated[str, msgspec.Meta(min_length=3, max_length=512)]
_Few = msgspec.Meta(max_length=16)


class SignInRefused(LedgerError):
    """No token. `error` is a code of RFC 6749 5.2; the message says what to mend."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description


class BusinessExtension(msgspec.Struct, frozen=True):
    """The extension; members of it that are not listed are passed over."""

    version: str
    purpose_of_use: Annotated[tuple[Text, ...], _Few] = ()
    subject_id: Text | None = None
    """A practitioner's account; only a member's own key may name another than itself."""
    subject_name: Text | None = None
    subject_role: Role | None = None
    organization_id: Uri | None = None
    organization_name: Text | None = None
    consent_policy: Annotated[tuple[Uri, ...], _Few] = ()
    consent_reference: Annotated[tuple[Uri, ...], _Few] = ()


def check_version(business: BusinessExtension | None) -> BusinessExtension:
    """The extension, if it is there and of the version that we read.

    Raises:
        SignInRefused: it is not.
    """
    if business is None or business.version != "1":
        raise _refused("send the extension hl7-b2b, version 1")
    return business


def purpose_in(business: BusinessExtension, kind: CallerKind) -> Purpose:
    """The one purpose that is stated.

    Raises:
        SignInRefused: none, several, or one that is not for such a caller.
    """
    stated = [_code(text) for text in business.purpose_of_use]
    purpose = find_purpose(stated[0]) if len(stated) == 1 else None
    if purpose is None:
        raise _refused("state exactly one HL7 purpose of use")
    if (purpose == OWN_PURPOSE) != (kind == "patient"):
        raise _refused(f"{OWN_PURPOSE} is for patients, and theirs alone")
    return purpose


def find_purpose(code: str) -> Purpose | None:
    """The purpose with this code."""
    return next((one for one in PURPOSES if one == code), None)


def _code(text: str) -> str:
    """A code alone, or after its code system: `urn:oid:2.16.840.1.113883.5.8#TREAT`."""
    system, mark, code = text.rpartition("#")
    return code if not mark or system in _PURPOSE_SYSTEMS else ""


def identity_in(
    business: BusinessExtension, kind: CallerKind, signer: SignerId, key_id: Digest, view: View
) -> Identity:
    """Who acts and in which role: a member vouches for its people, everyone else for themselves.

    Raises:
        SignInRefused: somebody whom the signer cannot speak for.
    """
    person, role = _person(business, kind, signer, view)
    return Identity(signer=signer, kind=kind, key_id=key_id, practitioner=person, role=role)


def _person(
    business: BusinessExtension, kind: CallerKind, signer: str, view: View
) -> tuple[AccountId | None, Role | None]:
    subject, role = business.subject_id, business.subject_role
    if kind not in {"member", "partner"} and subject not in {None, signer}:
        raise _refused("subject_id is not whoever signs")
    if kind == "patient":
        if role is not None:
            raise _refused("patients have no role")
        return None, None
    person = signer if kind == "practitioner" else subject
    if person is None:
        return None, role
    if not ACCOUNT_ID.fullmatch(person):
        raise _refused("subject_id is a practitioner's account")
    if role is not None and role not in practitioner_roles(view, AccountId(person)):
        raise _refused("the ledger does not vouch for that role")
    return AccountId(person), role


def partner_in(business: BusinessExtension, signer: MemberId, view: View) -> Partner:
    """What another member says of itself and of the consents that it cites.

    Raises:
        SignInRefused: it is not the organisation that it says; or a reference is none.
    """
    found = member_of(view, signer)
    names = {MEMBER_URI + signer, None if found is None else found.gateway}
    if business.organization_id is None or business.organization_id not in names:
        raise _refused(f"organization_id is {MEMBER_URI}{signer}, or its gateway's address")
    if business.organization_name is not None and (
        found is None or business.organization_name != found.name
    ):
        raise _refused("organization_name is the name that the ledger has")
    if business.consent_reference and not business.consent_policy:
        raise _refused("consent_reference goes with consent_policy")
    if not all(_URI.fullmatch(policy) for policy in business.consent_policy):
        raise _refused("consent_policy holds URIs")
    cited = [_CONSENT.fullmatch(text) for text in business.consent_reference]
    if not all(cited):
        raise _refused(f"consent_reference holds {CONSENT_URI} and 32 hexadecimal digits")
    return Partner(
        organisation=signer,
        consents=tuple(dict.fromkeys(bytes.fromhex(one[1]) for one in cited if one)),
        policies=business.consent_policy,
    )


def _refused(text: str) -> SignInRefused:
    return SignInRefused("invalid_grant", text)
