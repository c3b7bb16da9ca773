"""The demo, as a newcomer starts it: real processes, real ledger, the whole story."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from careledger.cli.demo.cast import CastFailed, from_folder, name_in, patient_in
from careledger.cli.demo.ledger_search import search_ledger, shapes, tokens
from tests.engine import engine_program
from tests.faults.node_process import free_port

DOORS = (10, 11, 12, 13, 90)
"""Ports of the gateways and the page, above the node's."""

VALIDATORS = (1, 2, 3, 20, 21, 22, 23)
"""Ports of three more nodes, and of four engines."""

PROGRAM = str(Path(sys.executable).with_name("careledger"))
STORY_S = 240


def run_demo(*arguments: str, port: int | None = None) -> subprocess.CompletedProcess[str]:
    chosen = str(port or free_port(*DOORS))
    command = [PROGRAM, "demo", "--exit", "--port", chosen, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=STORY_S, check=False)


def test_every_step_of_the_story_does_what_it_should(tmp_path: Path) -> None:
    done = run_demo("--patients", "3", "--folder", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^\d\. ", done.stdout, re.MULTILINE)) == 9
    assert " NO " not in done.stdout
    assert "Verified." in done.stdout
    tampered = subprocess.run(
        [PROGRAM, "demo", "tamper", str(tmp_path / "demo" / "network")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tampered.returncode == 0, tampered.stdout + tampered.stderr
    assert "Verified." not in tampered.stdout


def test_the_same_story_is_played_on_four_validators(tmp_path: Path) -> None:
    engine_program()
    done = run_demo(
        *("--engine", "cometbft", "--patients", "1", "--folder", str(tmp_path / "demo")),
        port=free_port(*DOORS, *VALIDATORS),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "four nodes commit, and four gateways answer" in done.stdout
    assert len(re.findall(r"^\d\. ", done.stdout, re.MULTILINE)) == 9
    assert " NO " not in done.stdout
    assert "Verified." in done.stdout
    left = subprocess.run(["ps", "-A", "-o", "args"], capture_output=True, text=True, check=True)
    assert str(tmp_path) not in left.stdout


def test_it_takes_synthea_bundles_as_well(tmp_path: Path, shared_data: Path) -> None:
    folder = tmp_path / "synthea"
    folder.mkdir()
    bundles = sorted((shared_data / "synthea").glob("*.bz2"))
    people = sorted(bundles[2:], key=lambda path: path.stat().st_size)[:6]
    for path in [*bundles[:2], *people]:
        (folder / path.name).symlink_to(path)
    done = run_demo("--data", str(folder), "--folder", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"yes\s+[\d,]+ resources were taken in", done.stdout), done.stdout
    assert "Verified." in done.stdout


def test_afterwards_the_network_stays_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    port = free_port(*DOORS)
    command = [PROGRAM, "demo", "--patients", "1", "--port", str(port), "--folder", str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    said = ""
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if "Ctrl-C ends it" in line:
                break
        [page] = re.findall(r"http://127\.0\.0\.1:\d+/[\w-]{16,}/", said)
        answer = _page(page)
        assert "Ana Rivera" in answer
        assert "verified" in answer
        assert "Dr Grace Cho" in answer
        [curl] = re.findall(r"curl (.*)", said)
        refused = subprocess.run(
            f"curl -s -w '%{{http_code}}' {curl}",
            shell=True,
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        assert refused.endswith("403"), refused
        assert json.loads(refused[:-3])["resourceType"] == "OperationOutcome"
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0, said
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.1:{port}/v1/health")


def _page(url: str) -> str:
    for _ in range(100):
        try:
            return httpx2.get(url, timeout=30).text
        except httpx2.ConnectError:
            time.sleep(0.1)
    raise AssertionError(url)


PATIENT = {
    "resourceType": "Patient",
    "id": "local-7",
    "birthDate": "1984-03-09",
    "name": [{"family": "Rivera", "given": ["Ana"]}],
    "identifier": [{"value": "MRN-99812"}],
}
BUNDLE = json.dumps({"resourceType": "Bundle", "entry": [{"resource": PATIENT}]}).encode()


def test_the_search_finds_what_it_looks_for_in_any_shape(tmp_path: Path) -> None:
    assert set(tokens(BUNDLE)) == {"local-7", "1984-03-09", "Rivera", "MRN-99812"}
    file = tmp_path / "data.mdb"
    file.write_bytes(os.urandom(100_000))
    assert search_ledger(tmp_path, BUNDLE) == []
    for token in ("Rivera", "1984-03-09"):
        for shape in shapes(token):
            file.write_bytes(os.urandom(5_000) + shape + os.urandom(5_000))
            assert search_ledger(tmp_path, BUNDLE) == [token]


def test_a_bundle_tells_whose_it_is() -> None:
    assert patient_in(BUNDLE) == "local-7"
    assert name_in(BUNDLE) == "Ana Rivera"
    assert patient_in(b'{"entry": []}') is None


def test_a_folder_without_bundles_says_so(tmp_path: Path) -> None:
    with pytest.raises(CastFailed, match="no FHIR bundles"):
        list(from_folder(tmp_path))
