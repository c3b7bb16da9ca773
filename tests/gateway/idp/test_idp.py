"""The provider for trying out: a real one, as far as it goes."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from careledger.gateway.auth_files import BadRegistry
from careledger.gateway.idp.app import LOCKED_S, MOST_FAILURES, provider_app
from careledger.gateway.idp.folder import USERS, add_user, create, open_folder
from tests.gateway.apps import CHALLENGE, VERIFIER

NOW = 1_790_000_000
ISSUER = "http://127.0.0.1:7450"
BACK = "http://riverside.test/auth/callback"

Story = Callable[["Provider"], Awaitable[None]]


class Provider:
    """A running provider, somebody's browser, and a clock that can be turned."""

    def __init__(self, folder: Path) -> None:
        create(folder, "http://riverside.test/", "127.0.0.1", 7450)
        add_user(folder, "kim", "tidal mountain")
        opened = open_folder(folder)
        self.now, self.secret = NOW, opened.secret.decode()
        app = provider_app(opened, lambda: self.now)
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ISSUER)

    async def ask(self, **changed: str | None) -> httpx2.Response:
        said: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "careledger",
            "redirect_uri": BACK,
            "scope": "openid",
            "state": "s",
            "nonce": "n",
            "code_challenge": CHALLENGE.decode(),
            "code_challenge_method": "S256",
        }
        fields = {name: value for name, value in (said | changed).items() if value is not None}
        return await self.http.get("/authorize", params=fields)

    async def log_in(self, password: str = "tidal mountain", who: str = "kim") -> httpx2.Response:
        page = await self.ask()
        [token] = re.findall(r'name="form" value="([^"]*)"', page.text)
        form = {"form": token, "subject": who, "password": password}
        return await self.http.post("/login", data=form)

    async def code(self) -> str:
        answer = await self.log_in()
        return httpx2.URL(answer.headers["location"]).params["code"]

    async def trade(self, code: str, secret: str | None = None, **changed: str) -> int:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": BACK,
            "code_verifier": VERIFIER,
        } | changed
        auth = ("careledger", self.secret if secret is None else secret)
        return (await self.http.post("/token", data=form, auth=auth)).status_code


def tell(folder: Path, story: Story) -> None:
    async def play() -> None:
        provider = Provider(folder / "idp")
        async with provider.http:
            await story(provider)

    asyncio.run(play())


def test_only_the_gateway_is_answered(tmp_path: Path) -> None:
    async def story(provider: Provider) -> None:
        assert (await provider.ask()).status_code == 200
        for changed in ({"client_id": "x"}, {"redirect_uri": BACK + "/x"}, {"redirect_uri": None}):
            answer = await provider.ask(**changed)
            assert answer.status_code == 400
            assert "location" not in answer.headers
        for name in ("code_challenge", "state", "nonce", "scope", "response_type"):
            answer = await provider.ask(**{name: None})
            assert answer.headers["location"].startswith(BACK + "?error=invalid_request")

    tell(tmp_path, story)


def test_a_code_counts_once_for_who_asked(tmp_path: Path) -> None:
    async def story(provider: Provider) -> None:
        assert await provider.trade(await provider.code(), secret="wrong") == 401
        assert await provider.trade(await provider.code(), code_verifier="w" * 43) == 400
        assert await provider.trade(await provider.code(), redirect_uri="http://x") == 400
        assert await provider.trade("guessed") == 400
        code = await provider.code()
        assert await provider.trade(code) == 200
        assert await provider.trade(code) == 400
        late = await provider.code()
        provider.now += 61
        assert await provider.trade(late) == 400

    tell(tmp_path, story)


def test_guessing_is_slowed_down(tmp_path: Path) -> None:
    async def story(provider: Provider) -> None:
        for _ in range(MOST_FAILURES):
            assert (await provider.log_in("wrong")).status_code == 200
        assert (await provider.log_in()).status_code == 200  # right, and too late
        assert (await provider.log_in("x", "nobody")).status_code == 200
        provider.now += LOCKED_S
        assert (await provider.log_in()).status_code == 303

    tell(tmp_path, story)


def test_guesses_at_the_same_moment_are_counted(tmp_path: Path) -> None:
    async def story(provider: Provider) -> None:
        await provider.ask()  # one browser, one cookie
        guesses = [provider.log_in(f"guess {n}") for n in range(MOST_FAILURES)]
        answers = await asyncio.gather(*guesses)
        assert {answer.status_code for answer in answers} == {200}
        assert (await provider.log_in()).status_code == 200  # right, and too late
        provider.now += LOCKED_S
        for _ in range(MOST_FAILURES + 1):
            assert (await provider.log_in()).status_code == 303

    tell(tmp_path, story)


def test_a_form_is_for_the_browser_that_asked(tmp_path: Path) -> None:
    async def story(provider: Provider) -> None:
        page = await provider.ask()
        [token] = re.findall(r'name="form" value="([^"]*)"', page.text)
        provider.http.cookies.clear()
        form = {"form": token, "subject": "kim", "password": "tidal mountain"}
        assert (await provider.http.post("/login", data=form)).status_code == 400

    tell(tmp_path, story)


def test_passwords_are_hashed_and_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "idp"
    create(folder, "http://riverside.test", "127.0.0.1", 7450)
    add_user(folder, "kim", "first one")
    add_user(folder, "kim", "second one")
    text = (folder / USERS).read_text()
    assert text.count("$argon2id$") == 1
    assert "second one" not in text
    assert all(not path.stat().st_mode & 0o077 for path in folder.iterdir())
    with pytest.raises(FileExistsError):
        create(folder, "http://riverside.test", "127.0.0.1", 7450)
    (folder / "client.secret").chmod(0o644)
    with pytest.raises(BadRegistry):
        open_folder(folder)
