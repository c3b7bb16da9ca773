"""The programs and files that the tutorial "A first FHIR request" has its reader copy."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx2

from tests.e2e.network import COMMAND_S, Network, careledger, run

PAGE = Path(__file__).resolve().parents[2] / "docs/tutorial/first-fhir-request.md"
MEMBERS = {"riverside": "Riverside Hospital:provider"}


def shown(language: str, word: str) -> str:
    """The block of the page in `language` that has `word`."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    [found] = [block for block in blocks if word in block]
    return str(found)


def python(folder: Path, program: str, *arguments: str) -> str:
    """What a program of the page prints, run in the reader's folder."""
    said = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return said.stdout.strip()


def total(url: str, token: str) -> int:
    """How many Observations of Ana the token finds."""
    [ana] = re.findall(r"^ANA=(.*)$", PAGE.read_text(), re.MULTILINE)
    headers = {"authorization": f"Bearer {token}"}
    query = {"patient": ana, "_summary": "count"}
    answer = httpx2.get(f"{url}/fhir/Observation", params=query, headers=headers, timeout=30)
    return int(json.loads(answer.text)["total"])


def test_a_program_gets_a_token_and_the_patient_decides(tmp_path: Path) -> None:
    with Network(tmp_path, MEMBERS) as network:
        home, url = network.home("riverside"), network.gateways["riverside"]
        (tmp_path / "net").symlink_to(network.folder)
        python(tmp_path, shown("python", "generate_key"))
        (home / "clients.toml").write_text(shown("toml", "nightly.json"))
        with (home / "gateway.toml").open("a") as file:
            file.write('clients = "clients.toml"\n')
        network.stop("riverside")
        network.start("riverside")
        made = "careledger.fhir.synthetic", "--patients", "3", "--out", tmp_path / "pop"
        assert run(sys.executable, "-m", *made).returncode == 0
        careledger("ingest", tmp_path / "pop/riverside", "--home", home)
        ana = network.admit(1, "riverside")
        token = python(tmp_path, shown("python", '"sub": "nightly"'), url, "system/*.cruds")
        assert total(url, token) == 186
        consent = ana.consents("deny", "riverside", "--to", "riverside")
        assert total(url, token) == 0
        ana.revokes(consent)
        assert total(url, token) == 186
