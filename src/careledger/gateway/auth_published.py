"""What an identity provider publishes: where its doors are, and the keys that it signs with.

A key that the provider has withdrawn counts for as long as its answer may be kept (RFC 9111 5.2.2),
and five minutes at most. A key that it has added counts at once: an unknown one is looked for.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from re import compile as regex
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from careledger.gateway.auth_files import LOOPBACK
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import Instant

MOST_S: Final = 300
"""How long at most, and unless told otherwise, what is published is believed."""

LEAST_S: Final = 60
"""How long at least it is believed where the provider's doors are."""

AGAIN_S: Final = 10
"""How long after keys were fetched an unknown one has them fetched again, at the earliest."""

TIMEOUT_S: Final = 10.0
MOST_BYTES: Final = 262_144

_NOT_KEPT: Final = regex(r"(?:^|[\s,])(?:no-store|no-cache)\b")
_MAX_AGE: Final = regex(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,9})")


class Metadata(msgspec.Struct, frozen=True):
    """What we use of OpenID Connect Discovery 1.0, 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider answered; `headers` have lower-case names."""

    content: bytes
    headers: Mapping[str, str]
    is_success: bool


class Published:
    """What one provider publishes, kept for as long as it may be."""

    def __init__(self, issuer: str, http: httpx2.AsyncClient) -> None:
        """Ask nothing yet."""
        self._issuer, self._http = issuer, http
        self._metadata: Metadata | None = None
        self._until: Instant = 0
        self._keys = KeySet([])
        self._fetched: Instant | None = None
        self._keys_until: Instant = 0

    async def metadata(self, now: Instant) -> Metadata:
        """Where its doors are.

        Raises:
            Unavailable: the provider does not answer as one should.
        """
        if self._metadata is None or now >= self._until:
            address = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
            found, seconds = await self._get(address)
            try:
                metadata = msgspec.convert(found, Metadata)
            except msgspec.ValidationError as error:
                raise Unavailable("the identity provider says not where it is") from error
            doors = metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri
            if metadata.issuer != self._issuer or not all(map(is_safe, doors)):
                raise Unavailable("the identity provider is another, or not on https")
            self._metadata, self._until = metadata, now + max(LEAST_S, seconds)
        return self._metadata

    async def keys(self, kid: object, now: Instant) -> KeySet:
        """The keys that it signs with, fetched again if `kid` is a text that none of them has.

        Raises:
            Unavailable: the provider does not answer as one should.
        """
        is_known = not isinstance(kid, str) or any(key.kid == kid for key in self._keys.keys)
        may_ask = self._fetched is None or now >= self._fetched + AGAIN_S
        if now >= self._keys_until or (not is_known and may_ask):
            found, seconds = await self._get((await self.metadata(now)).jwks_uri)
            try:
                self._keys = KeySet.import_key_set(found)
            except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
                raise Unavailable("the identity provider publishes no keys") from error
            self._fetched, self._keys_until = now, now + seconds
        return self._keys

    async def _get(self, url: str) -> tuple[Any, int]:  # Any: JSON
        """What is there, and for how many seconds it may be kept."""
        answer = await said(self._http, "GET", url)
        if not answer.is_success:
            raise Unavailable("the identity provider does not answer")
        try:
            return msgspec.json.decode(answer.content), kept_s(answer.headers)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable("the identity provider does not answer") from error


async def said(
    http: httpx2.AsyncClient, method: str, url: str, **form: Any
) -> Said:  # Any: httpx's own
    """What is answered, within `MOST_BYTES` and `TIMEOUT_S`.

    Raises:
        Unavailable: nothing is, or it never ends.
    """
    content = bytearray()
    try:
        async with asyncio.timeout(TIMEOUT_S), http.stream(method, url, **form) as answer:
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > MOST_BYTES:
                    raise Unavailable("the identity provider's answer does not end")
    except (httpx2.HTTPError, TimeoutError) as error:
        raise Unavailable("the identity provider does not answer") from error
    return Said(bytes(content), dict(answer.headers), answer.is_success)


def kept_s(headers: Mapping[str, str]) -> int:
    """For how many seconds an answer may be kept: as its server says, and `MOST_S` at most."""
    control = headers.get("cache-control", "").lower()
    if _NOT_KEPT.search(control):
        return 0
    max_age = _MAX_AGE.search(control)
    if max_age is None:
        return MOST_S
    age = headers.get("age", "")
    past = int(age) if age.isascii() and age.isdigit() and len(age) < len("1000000000") else 0
    return max(0, min(MOST_S, int(max_age[1]) - past))


def is_safe(url: str) -> bool:
    """Whether a secret may travel there: https, or this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
