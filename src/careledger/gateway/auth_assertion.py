"""Client assertions: the signed JWT with which a client says who it is and why (RFC 7523 3).

SMART App Launch 2.2, Backend Services. The keys of members and accounts are those of the ledger,
the keys of registered applications those that the organisation keeps of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from careledger.gateway.auth_business import (
    BusinessExtension,
    SignInRefused,
    Text,
    check_version,
    identity_in,
    partner_in,
    purpose_in,
)
from careledger.gateway.auth_caller import (
    Identity,
    Partner,
    is_in_good_standing,
    kind_of,
)
from careledger.gateway.auth_keys import is_signed_by, is_signed_by_one_of
from careledger.gateway.auth_tokens import SeenAssertions
from careledger.ledger.membership import KeyRow, live_key
from careledger.ledger.record import ACCOUNT_ID, MEMBER_ID, AccountId, Digest, Instant, MemberId
from careledger.ledger.state import View
from careledger.mechanisms.purpose import Purpose

LONGEST_S: Final = 300
"""How far ahead an assertion may expire (SMART Backend Services 2.1)."""

SKEW_S: Final = 60
MAX_ASSERTION_BYTES: Final = 8_192

Seconds = int | float
"""NumericDate (RFC 7519 2)."""


class _Extensions(msgspec.Struct, frozen=True):
    b2b: BusinessExtension | None = msgspec.field(name="hl7-b2b", default=None)
    request: Annotated[str, msgspec.Meta(max_length=4_096)] | None = msgspec.field(
        name="careledger-request", default=None
    )
    """Of another member: the signed request that its disclosure session opens with."""


class _Claims(msgspec.Struct, frozen=True):
    iss: Text
    sub: Text
    aud: Text | Annotated[tuple[Text, ...], msgspec.Meta(max_length=8)]
    exp: Seconds
    jti: Text
    nbf: Seconds | None = None
    iat: Seconds | None = None
    extensions: _Extensions = _Extensions()
    sign_in: Text | None = None
    """Of a patient who approves a sign-in: its code."""


INVALID_CLIENT: Final = "invalid_client"
_BAD_ASSERTION: Final = SignInRefused(
    INVALID_CLIENT, "the assertion is not signed by a live client key of whoever it names"
)


@dataclass(frozen=True, kw_only=True)
class Checks:
    """What assertions are held against: one gateway, one moment."""

    view: View
    member: MemberId
    audiences: Sequence[str]
    now: Instant
    seen: SeenAssertions


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion that was read and not yet believed."""

    token: jws.CompactSignature
    claims: _Claims

    @property
    def issuer(self) -> str:
        """Who it says that it is from."""
        return self.claims.iss

    @property
    def business(self) -> BusinessExtension | None:
        """Its extension `hl7-b2b`."""
        return self.claims.extensions.b2b


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """Who signed in with a key of the ledger, and why."""

    identity: Identity
    purpose: Purpose
    partner: Partner | None
    sign_in: str | None
    request: str | None = None
    """Of another member: a signed request, in base64url."""


def parse_assertion(assertion: str) -> Assertion:
    """Read an assertion; nothing in it is true yet.

    Raises:
        SignInRefused: it is none.
    """
    try:
        token = jws.extract_compact(assertion[:MAX_ASSERTION_BYTES].encode("ascii"))
        return Assertion(token, msgspec.json.decode(token.payload, type=_Claims))
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise SignInRefused(
            INVALID_CLIENT,
            "client_assertion is a signed JWT with iss, sub, aud, exp, jti and kid",
        ) from error


def check_assertion(assertion: Assertion, checks: Checks) -> SignedIn:
    """Who signs in with a key on the ledger. The signature is checked before all else.

    Raises:
        SignInRefused: who it is, is not proved; or they may not sign in; or say not why.
        Unavailable: too many sign-ins at once.
    """
    claims, view = assertion.claims, checks.view
    key_id = _key_id(assertion.token)
    if claims.iss != claims.sub or not _is_signer(claims.iss):
        raise _BAD_ASSERTION
    signer = AccountId(claims.iss) if claims.iss.startswith("@") else MemberId(claims.iss)
    row = live_key(view, signer, key_id)
    if row is None or row.use != "client" or not _verifies(assertion.token, row):
        raise _BAD_ASSERTION
    kind = kind_of(view, checks.member, signer)
    if kind is None:  # strangers have no share of what is remembered of assertions
        raise SignInRefused("unauthorized_client", "sign in at the member that enrolled you")
    _check_use(claims, checks)
    business = check_version(assertion.business)
    purpose = purpose_in(business, kind)
    partner = partner_in(business, MemberId(signer), view) if kind == "partner" else None
    who = identity_in(business, kind, signer, key_id, view)
    if not is_in_good_standing(view, checks.member, who):
        raise SignInRefused("unauthorized_client", "not in good standing on the ledger")
    return SignedIn(
        identity=who,
        purpose=purpose,
        partner=partner,
        sign_in=claims.sign_in,
        request=claims.extensions.request,
    )


def check_registered(assertion: Assertion, keys: KeySet, checks: Checks) -> None:
    """That a registered application signed it, for here and for the first time.

    Raises:
        SignInRefused: it did not.
        Unavailable: too many sign-ins at once.
    """
    claims = assertion.claims
    if claims.iss != claims.sub or not is_signed_by_one_of(assertion.token, keys):
        raise _BAD_ASSERTION
    _check_use(claims, checks)


def _check_use(claims: _Claims, checks: Checks) -> None:
    _check_window(claims, checks.audiences, checks.now)
    if not checks.seen.use(claims.iss, claims.jti, int(claims.exp) + 1, checks.now):
        raise SignInRefused(INVALID_CLIENT, "this assertion was used before: sign a new one")


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


def _check_window(claims: _Claims, audiences: Sequence[str], now: Instant) -> None:
    named = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
    if not set(named) & set(audiences):
        raise SignInRefused(INVALID_CLIENT, f"aud is {audiences[0]}")
    if not now < claims.exp <= now + LONGEST_S:
        raise SignInRefused(INVALID_CLIENT, f"exp is ahead, by at most {LONGEST_S} seconds")
    if max(claims.nbf or 0, claims.iat or 0) > now + SKEW_S:
        raise SignInRefused(INVALID_CLIENT, "nbf and iat are not in the future")
