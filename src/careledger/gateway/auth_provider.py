"""The organisation's OpenID Connect provider, where its staff signs in (Core 1.0, 3.1).

The gateway is its client: authorisation code with PKCE and nonce. Of the answer only `sub` counts;
who that is and in which role, the member says itself.
"""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from careledger.gateway.auth_files import LOOPBACK
from careledger.gateway.auth_keys import PROVIDER_ALGORITHMS, is_signed_by_one_of
from careledger.gateway.auth_pkce import challenge_of
from careledger.ledger.errors import LedgerError, Unavailable
from careledger.ledger.record import Instant

SKEW_S: Final = 60
CACHE_S: Final = 3_600
TIMEOUT_S: Final = 10.0
MOST_BYTES: Final = 262_144


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


class _Metadata(msgspec.Struct, frozen=True):
    """What we use of OpenID Connect Discovery 1.0, 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


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
    """The gateway's way to it; what it publishes is read once an hour."""

    def __init__(self, settings: ProviderSettings, http: httpx2.AsyncClient | None = None) -> None:
        """Ask nothing yet; `http` is closed by whoever made it."""
        self._settings = settings
        self._http = http or httpx2.AsyncClient(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
        )
        self._metadata: _Metadata | None = None
        self._keys = KeySet([])
        self._until: Instant = 0

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
        metadata = await self._known(now)
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
        metadata = await self._known(now)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        name, secret = quote(self._settings.client, ""), quote(self._settings.secret, "")
        auth = httpx2.BasicAuth(name, secret)
        content = await self._said("POST", metadata.token_endpoint, data=form, auth=auth)
        if content is None:
            raise NotSignedIn("the identity provider refused the sign-in")
        try:
            token = msgspec.json.decode(content, type=_Answer).id_token
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise NotSignedIn("the identity provider sent no id token") from error
        return self._check(token, attempt.nonce, now)

    def _check(self, text: str, nonce: str, now: Instant) -> str:
        """OpenID Connect Core 1.0, 3.1.3.7."""
        try:
            token = jws.extract_compact(text.encode("ascii"))
            claims = msgspec.json.decode(token.payload, type=_Claims)
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise NotSignedIn("the id token is none") from error
        audience = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
        mine = self._settings.client
        if not is_signed_by_one_of(token, self._keys, PROVIDER_ALGORITHMS):
            raise NotSignedIn("the id token is not signed by the identity provider")
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

    async def _known(self, now: Instant) -> _Metadata:
        if self._metadata is None or now >= self._until:
            issuer = self._settings.issuer.rstrip("/")
            found = await self._get(issuer + "/.well-known/openid-configuration")
            try:
                metadata = msgspec.convert(found, _Metadata)
            except msgspec.ValidationError as error:
                raise Unavailable("the identity provider says not where it is") from error
            if metadata.issuer != self._settings.issuer or not all(
                is_safe(url)
                for url in (
                    metadata.authorization_endpoint,
                    metadata.token_endpoint,
                    metadata.jwks_uri,
                )
            ):
                raise Unavailable("the identity provider is another, or not on https")
            try:
                self._keys = KeySet.import_key_set(await self._get(metadata.jwks_uri))
            except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
                raise Unavailable("the identity provider publishes no keys") from error
            self._metadata, self._until = metadata, now + CACHE_S
        return self._metadata

    async def _get(self, url: str) -> Any:  # Any: JSON
        content = await self._said("GET", url)
        try:
            return msgspec.json.decode(content or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable("the identity provider does not answer") from error

    async def _said(self, method: str, url: str, **form: Any) -> bytes | None:  # Any: httpx's own
        """What it answers, within `MOST_BYTES` and `TIMEOUT_S`; None if it refuses.

        Raises:
            Unavailable: it does not answer, or never ends.
        """
        content = bytearray()
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._http.stream(method, url, **form) as answer,
            ):
                async for piece in answer.aiter_bytes():
                    content += piece
                    if len(content) > MOST_BYTES:
                        raise Unavailable("the identity provider's answer does not end")
        except (httpx2.HTTPError, TimeoutError) as error:
            raise Unavailable("the identity provider does not answer") from error
        return bytes(content) if answer.is_success else None


def is_safe(url: str) -> bool:
    """Whether a secret may travel there: https, or this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
