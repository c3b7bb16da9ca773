"""The organisation's OpenID Connect provider, where its staff signs in (Core 1.0, 3.1).

The gateway is its client: authorisation code with PKCE and nonce. Of the answer only `sub` counts;
who that is and in which role, the member says itself.
"""

import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import msgspec
from joserfc import jws
from joserfc.errors import JoseError

from careledger.gateway.auth_keys import PROVIDER_ALGORITHMS, is_signed_by_one_of
from careledger.gateway.auth_pkce import challenge_of
from careledger.gateway.auth_published import TIMEOUT_S, Published, said
from careledger.ledger.errors import LedgerError
from careledger.ledger.record import Instant

SKEW_S: Final = 60


class NotSignedIn(LedgerError):
    """The provider did not say, or not believably, who signed in."""


@dataclass(frozen=True, kw_only=True)
class ProviderSettings:
    """Where the provider is, and who the gateway is there."""

    issuer: str
    client: str
    secret: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One sign-in at the provider, between going there and coming back."""

    state: str
    nonce: str
    verifier: str


def new_attempt(prefix: str) -> Attempt:
    """Fresh secrets; `prefix` leads back to what the sign-in is for."""
    nonce, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    return Attempt(state=f"{prefix}.{secrets.token_urlsafe(24)}", nonce=nonce, verifier=verifier)


class _Answer(msgspec.Struct, frozen=True):
    id_token: str


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str | tuple[str, ...]
    exp: int | float
    iat: int | float
    nonce: str = ""
    azp: str | None = None


class IdentityProvider:
    """The gateway's way to it; `Published` is what it says of itself."""

    def __init__(self, settings: ProviderSettings, http: httpx2.AsyncClient | None = None) -> None:
        """Ask nothing yet; `http` is closed by whoever made it."""
        self._settings = settings
        self._http = http or httpx2.AsyncClient(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
        )
        self._published = Published(settings.issuer, self._http)

    @property
    def origin(self) -> str:
        """Where browsers are sent."""
        parts = urlsplit(self._settings.issuer)
        return f"{parts.scheme}://{parts.netloc}"

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    def check_issuer(self, named: str | None) -> None:
        """That an answer is this provider's, where it says whose it is (RFC 9207).

        Raises:
            NotSignedIn: it is another's.
        """
        if named not in {None, self._settings.issuer}:
            raise NotSignedIn("another provider answered")

    async def address(self, attempt: Attempt, redirect_uri: str, now: Instant) -> str:
        """Where to send the browser.

        Raises:
            Unavailable: the provider does not answer as one should.
        """
        metadata = await self._published.metadata(now)
        fields = {
            "response_type": "code",
            "client_id": self._settings.client,
            "redirect_uri": redirect_uri,
            "scope": "openid",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge_of(attempt.verifier),
            "code_challenge_method": "S256",
        }
        mark = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{mark}{urlencode(fields)}"

    async def subject(self, attempt: Attempt, code: str, redirect_uri: str, now: Instant) -> str:
        """Who signed in, as the provider names them.

        Raises:
            NotSignedIn: the provider refused, or what it sent does not hold.
            Unavailable: it does not answer as one should.
        """
        metadata = await self._published.metadata(now)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        name, secret = quote(self._settings.client, ""), quote(self._settings.secret, "")
        auth = httpx2.BasicAuth(name, secret)
        answer = await said(self._http, "POST", metadata.token_endpoint, data=form, auth=auth)
        if not answer.is_success:
            raise NotSignedIn("the identity provider refused the sign-in")
        try:
            text = msgspec.json.decode(answer.content, type=_Answer).id_token
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NotSignedIn("the identity provider sent no id token") from error
        token, claims = _parsed(text)
        keys = await self._published.keys(token.headers().get("kid"), now)
        if not is_signed_by_one_of(token, keys, PROVIDER_ALGORITHMS):
            raise NotSignedIn("the id token is not signed by the identity provider")
        return self._check(claims, attempt.nonce, now)

    def _check(self, claims: _Claims, nonce: str, now: Instant) -> str:
        """OpenID Connect Core 1.0, 3.1.3.7, but for the signature."""
        audience = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
        mine = self._settings.client
        if claims.iss != self._settings.issuer or mine not in audience:
            raise NotSignedIn("the id token is from or for somebody else")
        if (len(audience) > 1 or claims.azp is not None) and claims.azp != mine:
            raise NotSignedIn("the id token was given to somebody else")
        if not secrets.compare_digest(claims.nonce.encode(), nonce.encode()):
            raise NotSignedIn("the id token is of another sign-in")
        if claims.exp <= now - SKEW_S or claims.iat > now + SKEW_S:
            raise NotSignedIn("the id token is over, or from the future")
        if not claims.sub:
            raise NotSignedIn("the id token names nobody")
        return claims.sub


def _parsed(text: str) -> tuple[jws.CompactSignature, _Claims]:
    """An id token; nothing in it is true yet."""
    try:
        token = jws.extract_compact(text.encode("ascii"))
        return token, msgspec.json.decode(token.payload, type=_Claims)
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise NotSignedIn("the id token is none") from error
