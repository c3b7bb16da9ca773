"""What the gateway believes of an identity provider: nothing that it cannot check."""

import asyncio
import hmac
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.responses import JSONResponse

from careledger.gateway import auth_published
from careledger.gateway.auth_provider import (
    IdentityProvider,
    NotSignedIn,
    ProviderSettings,
    new_attempt,
)
from careledger.gateway.auth_published import MOST_BYTES
from careledger.ledger.errors import Unavailable
from tests.faults.node_process import free_port
from tests.gateway.apps import ISSUER
from tests.gateway.world import jwt as by_hand

NOW = 1_790_000_000
SETTINGS = ProviderSettings(issuer=ISSUER, client="careledger", secret=b"s")
METADATA: dict[str, str | None] = {
    "issuer": ISSUER,
    "authorization_endpoint": ISSUER + "/authorize",
    "token_endpoint": ISSUER + "/token",
    "jwks_uri": ISSUER + "/jwks",
}


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["careledger", "another"]},
        {"azp": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": NOW - 61},
        {"iat": NOW + 61},
        {"sub": ""},
        {"sub": None},
        {"alg": "none"},
        {"alg": "HS256"},
        {"key": "another"},
        {"kid": "another"},
    ],
)
def test_an_id_token_is_checked_in_every_part(changed: dict[str, Any]) -> None:
    with pytest.raises(NotSignedIn):
        asyncio.run(_signed_in_by(changed))


def test_a_good_id_token_names_somebody() -> None:
    assert _who({}) == "finn"
    assert _who({"exp": NOW - 59, "iat": NOW + 59}) == "finn"  # clocks differ
    assert _who({"aud": ["careledger", "x"], "azp": "careledger"}) == "finn"


def _who(changed: dict[str, Any]) -> str:
    return asyncio.run(_signed_in_by(changed))


async def _signed_in_by(changed: dict[str, Any]) -> str:
    """Who the gateway believes signed in, when the provider's id token says what it says."""
    key, other = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
    said = dict(changed)
    attempt = new_attempt("x")
    alg, kid = said.pop("alg", "ES256"), said.pop("kid", "k")
    signing = other if said.pop("key", None) else key
    claims = {
        "iss": ISSUER,
        "sub": "finn",
        "aud": "careledger",
        "exp": NOW + 60,
        "iat": NOW,
        "nonce": attempt.nonce,
    } | said
    claims = {name: value for name, value in claims.items() if value is not None}
    if alg == "ES256":
        token = jwt.encode({"alg": alg, "kid": kid}, claims, signing)
    else:
        token = by_hand(
            {"alg": alg, "kid": kid}, claims, lambda text: hmac.digest(b"k", text, "sha256")
        )

    async def provider(scope: Any, receive: Any, send: Any) -> None:
        answers: dict[str, Any] = {
            "/.well-known/openid-configuration": METADATA,
            "/jwks": {"keys": [{**key.as_dict(private=False), "kid": "k"}]},
            "/token": {"id_token": token},
        }
        await JSONResponse(answers[scope["path"]])(scope, receive, send)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(provider)) as http:
        return await IdentityProvider(SETTINGS, http).subject(attempt, "code", "back", NOW)


def test_a_provider_that_is_another_or_in_the_clear_is_none() -> None:
    wrong: list[dict[str, str | None]] = [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://idp.example/token"},
        {"authorization_endpoint": "ftp://idp.example/a"},
        {"jwks_uri": None},
    ]
    for changed in wrong:
        with pytest.raises(Unavailable):
            asyncio.run(_address(changed))


@pytest.mark.parametrize(("piece", "every_s"), [(b" " * 100_000, 0.0), (b" ", 0.01)])
def test_a_provider_that_never_ends_is_left(
    piece: bytes, every_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the memory nor the patience of the gateway is its own to use."""
    monkeypatch.setattr(auth_published, "TIMEOUT_S", 1.0)
    port, sent = free_port(), [0]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while sent[0] < 500 * MOST_BYTES:
                writer.write(piece)
                sent[0] += len(piece)
                await writer.drain()
                await asyncio.sleep(every_s)
        except ConnectionError:
            pass  # it was left
        finally:
            writer.close()

    async def story() -> None:
        settings = replace(SETTINGS, issuer=f"http://127.0.0.1:{port}")
        provider = IdentityProvider(settings)
        async with await asyncio.start_server(talk, "127.0.0.1", port), asyncio.timeout(20):
            with pytest.raises(Unavailable):
                await provider.address(new_attempt("x"), "back", NOW)
            await provider.close()

    asyncio.run(story())
    assert sent[0] < 200 * MOST_BYTES


async def _address(changed: dict[str, str | None]) -> str:
    """Where the gateway sends a browser, when the provider publishes what it publishes."""
    found = METADATA | changed

    async def provider(scope: Any, receive: Any, send: Any) -> None:
        await JSONResponse(found)(scope, receive, send)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(provider)) as http:
        return await IdentityProvider(SETTINGS, http).address(new_attempt("x"), "back", NOW)
