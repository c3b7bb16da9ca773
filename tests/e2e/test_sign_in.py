"""Signing in to applications, with the programs that an organisation and a patient would run."""

import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.e2e.network import Network, Patient, careledger
from tests.faults.node_process import free_port

MEMBERS = {"riverside": "Riverside Hospital:provider"}
BACK = "http://127.0.0.1/callback"
VERIFIER = "a verifier of the application, 43 letters or more".replace(" ", "-")
CLIENTS = f"""
[[client]]
id = "chart"
name = "Growth Chart"
kind = "public"
redirect_uris = ["{BACK}"]
scopes = "launch/patient openid fhirUser offline_access patient/*.rs"
"""
STAFF = """
[[staff]]
subject = "mori"
name = "Dr Mori"
role = "clinician"
"""


class House:
    """Riverside with an application, a provider, and a patient who has claimed her account."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network, self.url = network, network.gateways["riverside"]
        self.idp, home = folder / "idp", network.home("riverside")
        port = free_port()
        careledger("idp", "new", self.idp, "--gateway", self.url, "--port", str(port))
        (folder / "password").write_text("tidal mountain\n")
        careledger("idp", "add", self.idp, "mori", "--password-file", folder / "password")
        network._start("idp", "idp", "run", self.idp)
        network._wait(f"http://127.0.0.1:{port}/jwks")
        (home / "clients.toml").write_text(CLIENTS)
        (home / "staff.toml").write_text(STAFF)
        with (home / "gateway.toml").open("a") as file:
            file.write(
                f'clients = "clients.toml"\nstaff = "staff.toml"\n'
                f'identity_provider = "http://127.0.0.1:{port}"\n'
                f'identity_provider_secret = "{self.idp / "client.secret"}"\n'
            )
        self.restart()
        network.ingest()
        self.ana: Patient = network.admit(1, "riverside")

    def restart(self) -> None:
        self.network.stop("riverside")
        self.network.start("riverside")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("sign-in")
    with Network(folder, MEMBERS, patients=1) as network:
        yield House(network, folder)


def begin(http: httpx2.Client, house: House, scope: str) -> httpx2.Response:
    """The application sends the browser to the gateway."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    found = http.get(f"{house.url}/fhir/.well-known/smart-configuration").json()
    asked = {
        "response_type": "code",
        "client_id": "chart",
        "redirect_uri": BACK,
        "scope": scope,
        "state": "some state",
        "aud": f"{house.url}/fhir",
        "code_challenge": challenge.rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    return http.get(found["authorization_endpoint"], params=asked)


def press(http: httpx2.Client, page: httpx2.Response, **fields: str | list[str]) -> httpx2.Response:
    """Send the first form of the page that has these fields."""
    for action, inner in re.findall(
        r'<form method="post" action="([^"]*)"[^>]*>(.*?)</form>', page.text, re.DOTALL
    ):
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', inner))
        if all(f'name="{name}"' in inner for name in fields):
            return http.post(str(page.url.join(action)), data=hidden | fields)
    raise AssertionError(page.text)


def tokens(http: httpx2.Client, house: House, answer: httpx2.Response) -> dict[str, str]:
    """The application trades its code."""
    said = parse_qs(urlsplit(answer.headers["location"]).query)
    assert said["state"] == ["some state"], answer.headers["location"]
    form = {
        "grant_type": "authorization_code",
        "code": said["code"][0],
        "redirect_uri": BACK,
        "client_id": "chart",
        "code_verifier": VERIFIER,
    }
    answer = http.post(f"{house.url}/auth/token", data=form)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def follow(http: httpx2.Client, answer: httpx2.Response) -> httpx2.Response:
    """As a browser does, as far as the application's own address."""
    while answer.is_redirect and not answer.headers["location"].startswith(BACK):
        answer = http.get(str(answer.url.join(answer.headers["location"])))
    return answer


def scopes(page: httpx2.Response) -> list[str]:
    """The boxes that are ticked."""
    return re.findall(r'name="scope" value="([^"]*)" checked', page.text)


def test_a_clinician_signs_in_at_the_provider(house: House) -> None:
    local = house.ana.local["riverside"]
    with httpx2.Client(timeout=30) as http:
        page = follow(http, begin(http, house, "launch/patient openid offline_access patient/*.rs"))
        page = follow(http, press(http, page))
        assert "Sign-in for trying out" in page.text
        page = follow(http, press(http, page, subject="mori", password="tidal mountain"))
        page = follow(http, press(http, page, purpose="TREAT"))
        page = follow(http, press(http, page, text=local))
        page = follow(http, press(http, page, patient=local))
        assert "Dr Mori" in page.text
        answer = follow(http, press(http, page, answer="allow", scope=scopes(page)))
        found = tokens(http, house, answer)
        assert found["patient"] == local
        headers = {"authorization": f"Bearer {found['access_token']}"}
        path = f"{house.url}/fhir/Patient/{local}"
        assert http.get(path, headers=headers).status_code == 200
        house.restart()
        assert http.get(path, headers=headers).status_code == 200
        form = {
            "grant_type": "refresh_token",
            "refresh_token": found["refresh_token"],
            "client_id": "chart",
        }
        fresh = http.post(f"{house.url}/auth/token", data=form).json()
        headers = {"authorization": f"Bearer {fresh['access_token']}"}
        assert http.get(path, headers=headers).status_code == 200


def test_a_patient_approves_with_the_wallet(house: House) -> None:
    with httpx2.Client(timeout=30) as http:
        page = follow(http, begin(http, house, "launch/patient patient/*.rs"))
        [code] = re.findall(r'<p class="code">([^<]*)</p>', page.text)
        said = house.ana.says("wallet", "sign-in", "riverside", code, "--yes")
        assert "Growth Chart wants to" in said
        page = follow(http, http.get(str(page.url)))
        answer = follow(http, press(http, page, answer="allow", scope=scopes(page)))
        found = tokens(http, house, answer)
        assert found["patient"] == house.ana.local["riverside"]
        headers = {"authorization": f"Bearer {found['access_token']}"}
        mine = http.get(f"{house.url}/fhir/Patient/{found['patient']}", headers=headers)
        assert mine.status_code == 200
