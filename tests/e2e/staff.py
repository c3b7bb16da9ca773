"""Staff who read over HTTP: sign-in with a credential, then FHIR, and what was answered."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import httpx2

from careledger.cli.smart import Client
from careledger.ledger.signature import SigningKey
from tests.e2e.network import Json

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TIMEOUT_S = 30


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a gateway answered to a read in another organisation."""

    status: int
    body: Json

    @property
    def dimensions(self) -> list[str]:
        """Where the read fell outside; empty if it was not refused."""
        if self.status != 403:
            return []
        [issue] = self.body["issue"]
        return [one["code"] for one in issue["details"]["coding"]]

    @property
    def resources(self) -> list[Json]:
        """What came."""
        assert self.status == 200, self.body
        found = [one for one in self.body["entry"] if one["search"]["mode"] == "match"]
        return [one["resource"] for one in found]

    @property
    def notice(self) -> dict[str, object]:
        """Where it comes from, as of when, on which basis, under which number."""
        [outcome] = [one for one in self.body["entry"] if one["search"]["mode"] == "outcome"]
        parts = outcome["resource"]["extension"][0]["extension"]
        return {one["url"]: value for one in parts for name, value in one.items() if name != "url"}


@dataclass(frozen=True, kw_only=True)
class Practitioner:
    """A credential: who, where, and two keys."""

    account: str
    gateway: str
    transaction: SigningKey
    client: SigningKey

    def signs_in(self, purpose: str = "TREAT", role: str = "clinician") -> Client:
        """A sign-in for one purpose in one role."""
        return Client(
            gateway=self.gateway, id=self.account, key=self.client, purpose=purpose, role=role
        )

    def reads(
        self,
        custodian: str,
        local: str,
        query: str,
        purpose: str = "TREAT",
        role: str = "clinician",
    ) -> Answer:
        """Ask for what `custodian` holds of the patient known here as `local`."""
        return read(self.signs_in(purpose, role), custodian, local, query)


def load_practitioner(path: Path) -> Practitioner:
    """Read a credential file."""
    found = json.loads(path.read_bytes())
    return Practitioner(
        account=found["account"],
        gateway=found["gateway"],
        transaction=SigningKey("EdDSA", base64.b64decode(found["transaction"])),
        client=SigningKey("ES256", base64.b64decode(found["client"])),
    )


def read(client: Client, custodian: str, local: str, query: str) -> Answer:
    """Sign in and ask for one patient's records at `custodian`."""
    return read_with(token(client), client.gateway, custodian, local, query)


def read_with(bearer: str, gateway: str, custodian: str, local: str, query: str) -> Answer:
    """Ask under a token."""
    url = f"{gateway}/fhir/remote/{custodian}/Patient/{local}/{query}"
    headers = {"authorization": f"Bearer {bearer}"}
    answer = httpx2.get(url, headers=headers, timeout=TIMEOUT_S)
    return Answer(status=answer.status_code, body=answer.json())


def token(client: Client) -> str:
    """An access token; the sign-in must succeed."""
    answer = sign_in(client.gateway, client.assertion(client.gateway + "/auth/token"))
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["access_token"]
    return found


def sign_in(gateway: str, assertion: str) -> httpx2.Response:
    """Whatever the gateway answers to an assertion."""
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": JWT_BEARER,
        "client_assertion": assertion,
        "scope": "system/*.rs",
    }
    return httpx2.post(gateway + "/auth/token", data=form, timeout=TIMEOUT_S)
