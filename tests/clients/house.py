"""One organisation whose gateway runs as a process, for client software that nobody here wrote."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
from joserfc.jwk import ECKey

from careledger.cli.smart import Client
from careledger.fhir.synthetic.population import GeneratedBundle
from careledger.vault.keyfile import load_signing_key
from tests.e2e.network import COMMAND_S, Json, Network, careledger, resources
from tests.faults.node_process import free_port

MEMBER = "riverside"
MEMBERS = {MEMBER: "Riverside Hospital:provider"}
BACK = "http://127.0.0.1/callback"
PASSWORD = "tidal mountain"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CLIENTS = f"""
[[client]]
id = "chart"
name = "Growth Chart"
kind = "public"
redirect_uris = ["{BACK}"]
scopes = "launch/patient openid fhirUser offline_access patient/*.rs"

[[client]]
id = "nightly"
name = "Nightly export"
kind = "backend"
scopes = "system/*.rs"
jwks = "nightly.jwks"
purpose = "HOPERAT"
"""
STAFF = """
[[staff]]
subject = "mori"
name = "Dr Mori"
role = "clinician"
"""


class House(Network):
    """Riverside, with an identity provider, an application and a nightly export."""

    IDP_HOST = "127.0.0.1"

    def __init__(self, folder: Path, patients: int) -> None:
        super().__init__(folder, MEMBERS, patients)
        self.url = self.gateways[MEMBER]
        self.fhir = self.url + "/fhir"
        self.nightly_key = folder / "nightly.jwks"
        self._idp, self._idp_port = folder / "idp", free_port()

    def start(self, *members: str) -> None:
        """Run the gateway; before the first time, tell it who signs in."""
        if not self._idp.exists():
            self._settle()
        super().start(*members)

    def _settle(self) -> None:
        home, idp = self.home(MEMBER), self._idp
        port = "--host", self.IDP_HOST, "--port", str(self._idp_port)
        careledger("idp", "new", idp, "--gateway", self.url, *port)
        (self.folder.parent / "password").write_text(PASSWORD + "\n")
        careledger("idp", "add", idp, "mori", "--password-file", self.folder.parent / "password")
        self._start("idp", "idp", "run", idp)
        key = ECKey.generate_key("P-384", {"kid": "nightly", "alg": "ES384"})
        ours = key.as_dict(private=True) | {"key_ops": ["sign"]}
        self.nightly_key.write_text(json.dumps({"keys": [ours]}))
        (home / "nightly.jwks").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
        (home / "clients.toml").write_text(CLIENTS)
        (home / "staff.toml").write_text(STAFF)
        with (home / "gateway.toml").open("a") as file:
            file.write(
                'clients = "clients.toml"\nstaff = "staff.toml"\n'
                f'identity_provider = "http://{self.IDP_HOST}:{self._idp_port}"\n'
                f'identity_provider_secret = "{idp / "client.secret"}"\n'
            )

    def token(self, scope: str = "system/*.cruds", purpose: str = "HOPERAT") -> str:
        """An access token of the organisation's own systems; it counts for five minutes."""
        key = load_signing_key(self.home(MEMBER) / "keys" / "client.key")
        client = Client(gateway=self.url, id=MEMBER, key=key, purpose=purpose)
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": JWT_BEARER,
            "client_assertion": client.assertion(self.url + "/auth/token"),
            "scope": scope,
        }
        answer = httpx2.post(self.url + "/auth/token", data=form, timeout=30)
        assert answer.status_code == 200, answer.text
        found: str = answer.json()["access_token"]
        return found

    def http(self, scope: str = "system/*.cruds") -> httpx2.Client:
        """A plain client at the FHIR door, signed in as the organisation's own systems."""
        headers = {"authorization": f"Bearer {self.token(scope)}"}
        return httpx2.Client(base_url=self.fhir, headers=headers, timeout=60)

    @property
    def loaded(self) -> list[Json]:
        """What was sent to the gateway when the house was made, as it was sent."""
        return [one for bundle in self.bundles for one in self.loaded_from(bundle)]

    @staticmethod
    def loaded_from(bundle: GeneratedBundle) -> list[Json]:
        """The resources of one bundle."""
        return resources(bundle)


def play(program: Sequence[str | Path], **settings: Any) -> Any:
    """Run a client program with these settings as JSON; what it prints, read as JSON."""
    said = subprocess.run(
        [*map(str, program), json.dumps(settings)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_S,
        check=False,
    )
    assert said.returncode == 0, f"{said.stdout}\n{said.stderr}"
    return json.loads(said.stdout.splitlines()[-1])
