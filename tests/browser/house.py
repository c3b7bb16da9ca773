"""Riverside's gateway, its provider and an application, on three origins of two sites."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

from tests.clients.house import MEMBER, House
from tests.e2e.network import Patient, careledger

APP = Path(__file__).parent / "app"
LIBRARY = "fhirclient/build/fhir-client.js"
SCOPE = "launch/patient openid fhirUser offline_access patient/*.rs"


class BrowserHouse(House):
    """Riverside, which lets the pages of one application ask; Ana has a wallet.

    The gateway is at 127.0.0.1, the provider and the application at localhost: for a browser that
    is another site, as the internet would be.
    """

    IDP_HOST = "localhost"

    def __init__(self, folder: Path, app: str) -> None:
        super().__init__(folder, 1)
        self.app = app
        self.ana: Patient

    def _settle(self) -> None:
        super()._settle()
        home, password = self.home(MEMBER), self.folder.parent / "password"
        for name in ("yuki", "stranger"):
            careledger("idp", "add", self._idp, name, "--password-file", password)
        with (home / "clients.toml").open("a") as file:
            file.write(clients(self.app))
        with (home / "staff.toml").open("a") as file:
            file.write(
                '\n[[staff]]\nsubject = "yuki"\nname = "Dr Yuki Mori"\nrole = "clinician"\n'
                'resource = "Practitioner/yuki-mori"\n'
            )
        path = home / "gateway.toml"
        path.write_text(
            path.read_text().replace("cors_origins = []", f'cors_origins = ["{self.app}"]')
        )

    def launch(self, **said: str) -> str:
        """The application's launch address."""
        return f"{self.app}/launch.html?{urlencode({'iss': self.fhir, 'scope': SCOPE} | said)}"

    def prepared(self, patient: str) -> str:
        """A launch token for a chart, as the record system asks for it."""
        with self.http() as http:
            answer = http.post(f"{self.url}/desk/launches", json={"patient": patient})
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["launch"]
        return token


def clients(app: str) -> str:
    """The application, once for everybody and once for patients alone."""
    scopes = "launch launch/patient openid fhirUser offline_access patient/*.rs user/*.cruds"
    return "".join(
        f"""
[[client]]
id = "{id_}"
name = "Growth Chart"
kind = "public"
redirect_uris = ["{app}/index.html", "{app}/moved"]
scopes = "{scopes}"
people = {people}
"""
        for id_, people in (("growth", '["staff", "patients"]'), ("mine", '["patients"]'))
    )


class _Pages(SimpleHTTPRequestHandler):
    """The application's files; `/moved` sends the browser on to another origin."""

    def __init__(self, library: Path, *rest: object, **named: object) -> None:
        self._library = library
        super().__init__(*rest, directory=str(APP), **named)  # type: ignore[arg-type] # passed on

    def translate_path(self, path: str) -> str:
        name = path.partition("?")[0]
        return str(self._library) if name == "/fhir-client.js" else super().translate_path(path)

    def do_GET(self) -> None:
        name, _, query = self.path.partition("?")
        if name != "/moved":
            return super().do_GET()
        port = self.headers["host"].rpartition(":")[2]
        self.send_response(302)
        self.send_header("location", f"http://127.0.0.1:{port}/index.html?{query}")
        self.end_headers()
        return None

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def application(modules: Path) -> Iterator[str]:
    """The origin of a running application."""
    pages = partial(_Pages, modules / LIBRARY)
    with ThreadingHTTPServer(("127.0.0.1", 0), pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
