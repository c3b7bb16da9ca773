"""Applications and people at Riverside: a browser, an app behind it, and where the staff signs in.

Browser, gateway and provider are real; what is between them is a call instead of a socket.
"""

import base64
import hashlib
import json
import re
import tempfile
from collections.abc import Awaitable, Callable
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from joserfc.jwk import ECKey

from careledger.gateway.app import gateway_app
from careledger.gateway.auth_files import clients_in, staff_in
from careledger.gateway.auth_provider import IdentityProvider, ProviderSettings
from careledger.gateway.auth_settings import SignInSettings
from careledger.gateway.idp.app import provider_app
from careledger.gateway.idp.folder import USERS, add_user, create, open_folder
from tests.exchange.world import ANA, DR_FINN, RIVERSIDE
from tests.gateway import world as base
from tests.gateway.world import World

ISSUER = "http://127.0.0.1:7450"
BASE = "http://riverside.test"
FHIR_URL = f"{BASE}/fhir"
BACK = "https://chart.example/callback"
SECRET = "a secret of the portal"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")

CLIENTS = f"""
[[client]]
id = "chart"
name = "Growth Chart"
kind = "public"
redirect_uris = ["{BACK}", "https://chart.example/other?x=1"]
scopes = "launch launch/patient openid fhirUser offline_access patient/*.rs user/*.cruds"

[[client]]
id = "portal"
name = "My Portal"
kind = "confidential"
redirect_uris = ["https://portal.example/back"]
scopes = "launch/patient openid fhirUser online_access patient/*.rs"
secret = "portal.secret"
people = ["patients"]

[[client]]
id = "signer"
name = "Signing Suite"
kind = "confidential"
redirect_uris = ["https://signer.example/back"]
scopes = "launch launch/patient openid offline_access patient/Observation.rs user/Observation.rs"
jwks = "signer.json"
people = ["staff"]

[[client]]
id = "nightly"
name = "Nightly export"
kind = "backend"
scopes = "system/*.rs"
jwks = "nightly.json"
purpose = "HOPERAT"

[[client]]
id = "unstated"
name = "Nobody said what for"
kind = "backend"
scopes = "system/Observation.rs"
jwks = "nightly.json"
"""

STAFF = f"""
[[staff]]
subject = "finn"
name = "Dr Finn"
role = "clinician"
practitioner = "{DR_FINN}"
resource = "Practitioner/finn"

[[staff]]
subject = "desk"
name = "Kim at the desk"
role = "registrar"
"""

PASSWORDS = {"finn": "correct horse", "desk": "battery staple", "stranger": "no staff"}


def app_key(name: str) -> ECKey:
    """A key pair of an application; the same name always has the same one."""
    from cryptography.hazmat.primitives.asymmetric import ec

    number = int.from_bytes(hashlib.sha256(name.encode()).digest()) % 2**250 + 1
    return ECKey.import_key(ec.derive_private_key(number, ec.SECP256R1()), {"kid": name})


@cache
def _users() -> bytes:
    """The provider's file of people; hashing passwords takes long on purpose."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / USERS).touch()
        for subject, password in PASSWORDS.items():
            add_user(folder, subject, password)
        return (folder / USERS).read_bytes()


class Browser:
    """A person's browser: keeps cookies, follows redirects inside the house, fills in forms."""

    def __init__(self, routes: dict[str, httpx2.ASGITransport]) -> None:
        self.http = httpx2.AsyncClient(
            mounts={f"all://{host}": transport for host, transport in routes.items()},
            transport=httpx2.ASGITransport(_nowhere),
        )
        self.page = httpx2.Response(204)

    async def open(self, url: str, **parameters: str) -> httpx2.Response:
        """Go somewhere, and follow until a page or another house is reached."""
        answer = await self.http.get(url, params=parameters or None)
        return await self._follow(answer)

    async def send(self, **fields: str) -> httpx2.Response:
        """Fill in the form that has all of `fields`, and press its button."""
        return await self.send_all(list(fields.items()))

    async def send_all(self, fields: list[tuple[str, str]]) -> httpx2.Response:
        names = {name for name, _ in fields}
        for action, inner in re.findall(
            r'<form method="post" action="([^"]*)"[^>]*>(.*?)</form>', self.page.text, re.DOTALL
        ):
            hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', inner))
            shown = set(re.findall(r'<(?:input|button)[^>]*? name="([^"]*)"', inner))
            if names <= shown | {"step"} and dict(fields).get("step") in {None, hidden["step"]}:
                url = self.page.url.join(action)
                pairs = hidden | dict(fields)
                content = httpx2.QueryParams(
                    [
                        *((k, v) for k, v in pairs.items() if k != "scope"),
                        *((k, v) for k, v in fields if k == "scope"),
                    ]
                )
                headers = {"content-type": "application/x-www-form-urlencoded"}
                answer = await self.http.post(url, content=str(content), headers=headers)
                return await self._follow(answer)
        raise AssertionError(f"no form with {names} on the page:\n{self.page.text}")

    async def _follow(self, answer: httpx2.Response) -> httpx2.Response:
        while answer.is_redirect:
            url = answer.url.join(answer.headers["location"])
            if url.host not in {"riverside.test", "127.0.0.1"}:
                return answer
            answer = await self.http.get(url)
        self.page = answer
        return answer


async def _nowhere(*_: Any) -> None:
    raise AssertionError("the browser left the house")


class House:
    """Riverside with applications, staff and a provider."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        (folder / "clients.toml").write_text(CLIENTS)
        (folder / "staff.toml").write_text(STAFF)
        (folder / "portal.secret").write_text(SECRET + "\n")
        (folder / "portal.secret").chmod(0o600)
        for name in ("signer", "nightly"):
            keys = {"keys": [app_key(name).as_dict(private=False)]}
            (folder / f"{name}.json").write_text(json.dumps(keys))
        create(folder / "idp", BASE, "127.0.0.1", 7450)
        (folder / "idp" / USERS).write_bytes(_users())
        opened = open_folder(folder / "idp")
        idp = httpx2.ASGITransport(provider_app(opened, world.clock))
        self.idp_http = httpx2.AsyncClient(transport=idp)
        settings = ProviderSettings(issuer=ISSUER, client="careledger", secret=opened.secret)
        self.provider = IdentityProvider(settings, self.idp_http)
        self.idp = idp
        self.restart()

    def restart(self) -> None:
        """The gateway's doors begin anew; what it keeps stays."""
        settings = SignInSettings(
            clients=clients_in(self.folder / "clients.toml", RIVERSIDE),
            staff=staff_in(self.folder / "staff.toml"),
            provider=self.provider,
        )
        app = gateway_app(self.world.riverside, BASE, "http://127.0.0.1:7410", sign_in=settings)
        self.door = httpx2.ASGITransport(app)
        self.http = httpx2.AsyncClient(transport=self.door, base_url=BASE)
        self.world.clients[RIVERSIDE] = self.http

    def browser(self) -> Browser:
        return Browser({"riverside.test": self.door, "127.0.0.1": self.idp})

    # --- what an application does -----------------------------------------------------------------

    def request(self, **changed: str | None) -> dict[str, str]:
        """The parameters of an authorisation request; None leaves one out."""
        said: dict[str, str | None] = {
            "response_type": "code",
            "client_id": "chart",
            "redirect_uri": BACK,
            "scope": "launch/patient openid fhirUser offline_access patient/Observation.rs",
            "state": "the state",
            "aud": FHIR_URL,
            "code_challenge": CHALLENGE.decode(),
            "code_challenge_method": "S256",
            "nonce": "the nonce",
        }
        return {name: value for name, value in (said | changed).items() if value is not None}

    async def finn_at_consent(self, browser: Browser, **changed: str | None) -> httpx2.Response:
        """Dr Finn signs in for treatment and picks Ana, if that is asked."""
        await browser.open(f"{BASE}/auth/authorize", **self.request(**changed))
        await browser.send(step="staff")
        answer = await browser.send(subject="finn", password=PASSWORDS["finn"])
        if "Why do you need access?" in answer.text:
            answer = await browser.send(purpose="TREAT")
        if "Which patient?" in answer.text:
            await browser.send(text="MRN-000-4711")
            answer = await browser.send(patient="MRN-000-4711")
        return answer

    async def code(self, **changed: str | None) -> str:
        """A code for Dr Finn at Ana's chart."""
        browser = self.browser()
        page = await self.finn_at_consent(browser, **changed)
        return code_in(await allow(browser, page))

    async def trade(self, code: str, **changed: str | None) -> httpx2.Response:
        """A code for a token."""
        said: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": BACK,
            "client_id": "chart",
            "code_verifier": VERIFIER,
        }
        form = {name: value for name, value in (said | changed).items() if value is not None}
        return await self.http.post("/auth/token", data=form)

    async def tokens(self, **changed: str | None) -> dict[str, Any]:
        answer = await self.trade(await self.code(**changed))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def refresh(self, token: str, **form: str) -> httpx2.Response:
        said = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "chart"} | form
        return await self.http.post("/auth/token", data=said)

    async def read(self, token: str, path: str = "/fhir/Observation/o1") -> int:
        headers = {"authorization": f"Bearer {token}"}
        return (await self.http.get(path, headers=headers)).status_code

    async def approve(self, code: str, signer: str = ANA, **changed: Any) -> httpx2.Response:
        """The wallet of `signer` approves the code on a page."""
        assertion = self.world.assertion(
            signer,
            RIVERSIDE,
            **(
                {
                    "aud": f"{BASE}/auth/approvals",
                    "sign_in": code,
                    "b2b": {"purpose_of_use": ["PATRQT"]},
                }
                | changed
            ),
        )
        return await self.http.post("/auth/approvals", data={"client_assertion": assertion})


async def allow(browser: Browser, page: httpx2.Response, *without: str) -> httpx2.Response:
    """Press Allow, with every box ticked but those."""
    boxes = re.findall(r'name="scope" value="([^"]*)" checked', page.text)
    ticked = [("scope", box) for box in boxes if box not in without]
    return await browser.send_all([("answer", "allow"), *ticked])


def answer_in(answer: httpx2.Response) -> dict[str, str]:
    """What the application is told at its redirect address, by a redirect or a page."""
    if answer.status_code == 200:
        [address] = map(unescape, re.findall(r'content="0;url=([^"]*)"', answer.text))
    else:
        assert answer.status_code == 303, answer.text
        address = answer.headers["location"]
    query = urlsplit(address).query
    return {name: values[0] for name, values in parse_qs(query).items()}


def code_in(answer: httpx2.Response) -> str:
    return answer_in(answer)["code"]


Story = Callable[[House], Awaitable[None]]


def tell(folder: Path, story: Story) -> None:
    """Play a story at Riverside."""

    async def play(world: World) -> None:
        path = folder / "files"
        path.mkdir()
        here = House(world, path)
        await story(here)
        await here.idp_http.aclose()

    base.tell(folder, play)
