"""Hilltop has a FHIR server already: its gateway reads it, moves its records, and watches it."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.cli.running import Network, careledger, done, start, stop
from tests.exchange.world import medication, patient
from tests.peers.servers import medplum


@pytest.fixture
def peer(interop_modules: Path, tmp_path: Path) -> Iterator[str]:
    with medplum(interop_modules, tmp_path / "medplum.log") as url:
        yield url


@pytest.fixture
def home(network: Network, peer: str) -> Iterator[Path]:
    """Hilltop's, in front of `peer`; afterwards as it was."""
    folder = network.home("hilltop")
    file = folder / "gateway.toml"
    before = file.read_text()
    file.write_text(f'{before}upstream = "{peer}"\n')
    yield folder
    file.write_text(before)


def test_read_watched_and_moved(home: Path, peer: str) -> None:
    for resource in (patient("ht-1"), medication("ht-m1", "ht-1")):
        path = f"{peer}/{resource['resourceType']}/{resource['id']}"
        assert httpx2.put(path, json=resource).is_success
    assert "New 2, changed 0" in done("gateway", "sync", "--home", home)
    assert "New 0, changed 0" in done("gateway", "sync", "--home", home)

    file = home / "gateway.toml"
    in_front = file.read_text()
    file.write_text(in_front.replace("shadow = false", "shadow = true"))
    gateway = start("gateway", "run", home)
    try:
        said = done("gateway", "shadow-report", "--home", home, "--details")
        assert "Nothing would have been refused." in said
    finally:
        stop(gateway)
        file.write_text(in_front)

    assert httpx2.put(f"{peer}/Patient/ht-2", json=patient("ht-2")).is_success
    assert "New 1" in done("gateway", "sync", "--home", home)
    gateway = start("gateway", "run", home)
    try:
        said = done("gateway", "shred", "ht-2", "--yes", "--home", home)
        assert "Erase the patient there first" in said
        assert said.index("Certificate") < said.index("was not asked to erase anything")
        assert httpx2.delete(f"{peer}/Patient/ht-2").is_success
    finally:
        stop(gateway)

    said = done("gateway", "move", "--to", "here", "--home", home)
    assert "Moved 2, of which 0 became new versions." in said
    said = done("gateway", "move", "--to", "upstream", "--home", home)
    assert "Moved 2" in said


def test_without_a_server_to_stand_before(network: Network) -> None:
    for command in (("sync",), ("move", "--to", "here")):
        result = careledger("gateway", *command, "--home", network.home("hilltop"))
        assert result.exit_code != 0
        assert "upstream" in result.output
