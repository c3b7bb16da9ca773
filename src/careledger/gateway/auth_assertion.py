"""Client assertions: the signed JWT with which a client says who it is and why (RFC 7523 3).

SMART App Launch 2.1, Backend Services, with the `hl7-b2b` extension of UDAP Security 1.1 7.1:
exactly one purpose of use is stated, and never assumed.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from careledger.apps.identity.queries import practitioner_roles
from careledger.gateway.auth_caller import (
    OWN_PURPOSE,
    Identity,
    is_in_good_standing,
    kind_of,
)
from careledger.gateway.auth_keys import is_signed_by
from careledger.gateway.auth_scopes import CallerKind
from careledger.gateway.auth_tokens import SeenAssertions
from careledger.ledger.errors import LedgerError
from careledger.ledger.membership import KeyRow, live_key
from careledger.ledger.record import ACCOUNT_ID, MEMBER_ID, AccountId, Digest, Instant, MemberId
from careledger.ledger.state import View
from careledger.mechanisms.policy import Role
from careledger.mechanisms.purpose import PURPOSES, SYSTEM, Purpose

LONGEST_S: Final = 300
"""How far ahead an assertion may expire (SMART Backend Services 2.1)."""

SKEW_S: Final = 60
MAX_ASSERTION_BYTES: Final = 8_192

_PURPOSE_SYSTEMS: Final = (SYSTEM, "urn:oid:2.16.840.1.113883.5.8")

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Seconds = int | float
"""NumericDate (RFC 7519 2)."""


class SignInRefused(LedgerError):
    """No token. `error` is a code of RFC 6749 5.2; the message says what to mend."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description


class BusinessExtension(msgspec.Struct, frozen=True):
    """The `hl7-b2b` extension; members of it that are not listed are passed over."""

    version: str
    purpose_of_use: tuple[Text, ...] = ()
    subject_id: Text | None = None
    """A practitioner's account; only a member's own key may name another than itself."""
    subject_role: Role | None = None


class _Extensions(msgspec.Struct, frozen=True):
    b2b: BusinessExtension | None = msgspec.field(name="hl7-b2b", default=None)


class _Claims(msgspec.Struct, frozen=True):
    iss: Text
    sub: Text
    aud: Text | Annotated[tuple[Text, ...], msgspec.Meta(max_length=8)]
    exp: Seconds
    jti: Text
    nbf: Seconds | None = None
    iat: Seconds | None = None
    extensions: _Extensions = _Extensions()


_INVALID_CLIENT: Final = "invalid_client"
_BAD_ASSERTION: Final = SignInRefused(
    _INVALID_CLIENT, "the assertion is not signed by a live client key of whoever it names"
)


def check_assertion(
    assertion: str,
    view: View,
    member: MemberId,
    audiences: Sequence[str],
    now: Instant,
    seen: SeenAssertions,
) -> tuple[Identity, Purpose]:
    """Who signs in, and why. The signature is checked before anything else is told apart.

    Raises:
        SignInRefused: who it is, is not proved; or they may not sign in; or say not why.
        Unavailable: too many sign-ins at once.
    """
    token, claims = _parse(assertion)
    key_id = _key_id(token)
    if claims.iss != claims.sub or not _is_signer(claims.iss):
        raise _BAD_ASSERTION
    signer = AccountId(claims.iss) if claims.iss.startswith("@") else MemberId(claims.iss)
    row = live_key(view, signer, key_id)
    if row is None or row.use != "client" or not _verifies(token, row):
        raise _BAD_ASSERTION
    _check_window(claims, audiences, now, seen.since)
    if not seen.use(claims.iss, claims.jti, int(claims.exp) + 1, now):
        raise SignInRefused(_INVALID_CLIENT, "this assertion was used before: sign a new one")
    kind = kind_of(view, member, signer)
    if kind is None:
        raise SignInRefused("unauthorized_client", "sign in at the member that enrolled you")
    business = claims.extensions.b2b
    if business is None or business.version != "1":
        raise SignInRefused("invalid_grant", "send the extension hl7-b2b, version 1")
    purpose = _purpose(business, kind)
    person, role = _person(business, kind, signer, view)
    who = Identity(signer=signer, kind=kind, key_id=key_id, practitioner=person, role=role)
    if not is_in_good_standing(view, member, who):
        raise SignInRefused("unauthorized_client", "not in good standing on the ledger")
    return who, purpose


def _parse(assertion: str) -> tuple[jws.CompactSignature, _Claims]:
    try:
        token = jws.extract_compact(assertion.encode("ascii"))
        return token, msgspec.json.decode(token.payload, type=_Claims)
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise SignInRefused(
            _INVALID_CLIENT,
            "client_assertion is a signed JWT with iss, sub, aud, exp, jti and kid",
        ) from error


def _key_id(token: jws.CompactSignature) -> Digest:
    kid = token.headers().get("kid")
    try:
        key_id = bytes.fromhex(kid) if isinstance(kid, str) else b""
    except ValueError:
        key_id = b""
    if len(key_id) != 32:  # noqa: PLR2004 - a SHA-256 thumbprint
        raise _BAD_ASSERTION
    return Digest(key_id)


def _is_signer(name: str) -> bool:
    return bool(MEMBER_ID.fullmatch(name) or ACCOUNT_ID.fullmatch(name))


def _verifies(token: jws.CompactSignature, row: KeyRow) -> bool:
    try:
        return is_signed_by(token, row)
    except (JoseError, ValueError):
        return False


def _check_window(claims: _Claims, audiences: Sequence[str], now: Instant, since: Instant) -> None:
    named = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
    if not set(named) & set(audiences):
        raise SignInRefused(_INVALID_CLIENT, f"aud is {audiences[0]}")
    if not now < claims.exp <= now + LONGEST_S:
        raise SignInRefused(_INVALID_CLIENT, f"exp is ahead, by at most {LONGEST_S} seconds")
    if max(claims.nbf or 0, claims.iat or 0) > now + SKEW_S:
        raise SignInRefused(_INVALID_CLIENT, "nbf and iat are not in the future")
    if claims.iat is not None and claims.iat < since:
        raise SignInRefused(_INVALID_CLIENT, "older than this gateway's memory: sign a new one")


def _purpose(business: BusinessExtension, kind: CallerKind) -> Purpose:
    stated = [_code(text) for text in business.purpose_of_use]
    if len(stated) != 1 or stated[0] not in PURPOSES:
        raise SignInRefused("invalid_grant", "state exactly one HL7 purpose of use")
    if (stated[0] == OWN_PURPOSE) != (kind == "patient"):
        raise SignInRefused("invalid_grant", f"{OWN_PURPOSE} is for patients, and theirs alone")
    return stated[0]


def _code(text: str) -> str:
    """A code alone, or after its code system: `urn:oid:2.16.840.1.113883.5.8#TREAT`."""
    system, mark, code = text.rpartition("#")
    return code if not mark or system in _PURPOSE_SYSTEMS else ""


def _person(
    business: BusinessExtension, kind: CallerKind, signer: str, view: View
) -> tuple[AccountId | None, Role | None]:
    """Who acts and in which role: a member vouches for its people, everyone else for themselves."""
    subject, role = business.subject_id, business.subject_role
    if kind != "member" and subject not in {None, signer}:
        raise SignInRefused("invalid_grant", "subject_id is not whoever signs")
    if kind == "patient":
        if role is not None:
            raise SignInRefused("invalid_grant", "patients have no role")
        return None, None
    person = signer if kind == "practitioner" else subject
    if person is None:
        return None, role
    if not ACCOUNT_ID.fullmatch(person):
        raise SignInRefused("invalid_grant", "subject_id is a practitioner's account")
    if role is not None and role not in practitioner_roles(view, AccountId(person)):
        raise SignInRefused("invalid_grant", "the ledger does not vouch for that role")
    return AccountId(person), role
