"""What a provider publishes is believed for as long as it may be kept, and no key outlives it."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.responses import JSONResponse

from careledger.gateway.auth_provider import (
    IdentityProvider,
    NotSignedIn,
    ProviderSettings,
    new_attempt,
)
from careledger.gateway.auth_published import AGAIN_S, LEAST_S, MOST_S, kept_s
from careledger.ledger.errors import Unavailable
from tests.gateway.apps import ISSUER

NOW = 1_790_000_000


class Provider:
    """One whose keys change, and that says how long they may be kept."""

    def __init__(self, **headers: str) -> None:
        self.keys = {"first": ECKey.generate_key("P-256")}
        self.headers, self.asked, self.is_down = headers, list[str](), False
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(self._answer))
        self.gateway = IdentityProvider(
            ProviderSettings(issuer=ISSUER, client="careledger", secret=b"s"), self.http
        )
        self._token = ""

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        self.asked.append(path)
        published = [{**key.as_dict(private=False), "kid": kid} for kid, key in self.keys.items()]
        said: dict[str, Any] = {
            "/.well-known/openid-configuration": {
                "issuer": ISSUER,
                "authorization_endpoint": ISSUER + "/authorize",
                "token_endpoint": ISSUER + "/token",
                "jwks_uri": ISSUER + "/jwks",
            },
            "/jwks": {"keys": published},
            "/token": {"id_token": self._token},
        }
        status = 503 if self.is_down and path != "/token" else 200
        headers = self.headers if path != "/token" else None
        await JSONResponse(said[path], status, headers)(scope, receive, send)

    async def signs_in(self, now: int, key: ECKey, kid: str = "first") -> bool:
        """Whether the gateway believes a sign-in that is signed with `key`."""
        attempt = new_attempt("x")
        claims = {"iss": ISSUER, "sub": "finn", "aud": "careledger", "nonce": attempt.nonce}
        claims |= {"exp": now + 60, "iat": now}  # type: ignore[dict-item] # JSON
        self._token = jwt.encode({"alg": "ES256", "kid": kid}, claims, key)
        try:
            return await self.gateway.subject(attempt, "code", "back", now) == "finn"
        except NotSignedIn:
            return False

    def fetched(self, path: str = "/jwks") -> int:
        return self.asked.count(path)


def tell(story: Callable[[], Any]) -> None:
    asyncio.run(story())


@pytest.mark.parametrize(
    ("control", "seconds"),
    [(None, MOST_S), ("public, max-age=86400", MOST_S), ("max-age=30", 30), ("no-store", 0)],
)
def test_a_withdrawn_key_counts_as_long_as_the_answer_is_kept(
    control: str | None, seconds: int
) -> None:
    async def story() -> None:
        provider = Provider(**({} if control is None else {"cache-control": control}))
        old = provider.keys["first"]
        assert await provider.signs_in(NOW, old)
        provider.keys = {"second": ECKey.generate_key("P-256")}
        if seconds:
            assert await provider.signs_in(NOW + seconds - 1, old)
        assert not await provider.signs_in(NOW + seconds, old)

    tell(story)


def test_a_new_key_counts_at_once_and_strange_ones_have_nothing_asked_for_long() -> None:
    async def story() -> None:
        provider = Provider()
        assert await provider.signs_in(NOW, provider.keys["first"])
        provider.keys["second"] = ECKey.generate_key("P-256")
        assert await provider.signs_in(NOW + AGAIN_S, provider.keys["second"], "second")
        before = provider.fetched()
        stranger = ECKey.generate_key("P-256")
        for number in range(20):
            assert not await provider.signs_in(NOW + AGAIN_S + 1, stranger, f"kid {number}")
        assert provider.fetched() == before
        for number in range(20):
            assert not await provider.signs_in(NOW + 2 * AGAIN_S, stranger, f"kid {number}")
        assert provider.fetched() == before + 1
        assert await provider.signs_in(NOW + 2 * AGAIN_S, provider.keys["second"], "second")

    tell(story)


def test_keys_that_cannot_be_fetched_again_let_nobody_in() -> None:
    async def story() -> None:
        provider = Provider()
        assert await provider.signs_in(NOW, provider.keys["first"])
        provider.is_down = True
        assert await provider.signs_in(NOW + MOST_S - 1, provider.keys["first"])
        with pytest.raises(Unavailable):
            await provider.signs_in(NOW + MOST_S, provider.keys["first"])

    tell(story)


def test_whoever_begins_a_sign_in_has_the_provider_asked_now_and_then() -> None:
    """However often they do: its doors are believed for a minute at least."""

    async def story() -> None:
        provider = Provider(**{"cache-control": "no-store"})
        for second in range(LEAST_S):
            await provider.gateway.address(new_attempt("x"), "back", NOW + second)
        assert provider.asked == ["/.well-known/openid-configuration"]

    tell(story)


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1), st.sampled_from(["", ", private"]))
def test_an_answer_is_kept_as_its_server_says_and_no_longer_than_the_bound(
    max_age: int, age: int, more: str
) -> None:
    headers = {"cache-control": f"max-age={max_age}{more}", "age": str(age)}
    assert kept_s(headers) == max(0, min(MOST_S, max_age - age))
    assert kept_s(headers | {"cache-control": f"max-age={max_age}, no-cache"}) == 0
    assert kept_s(headers | {"cache-control": f"x-max-age={max_age}"}) == MOST_S
