"""A running gateway with records in it, and the environments of the clients that talk to it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.house import House

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The running network of one organisation, with two patients' records."""
    with House(tmp_path_factory.mktemp("clients"), 2) as house:
        house.ingest()
        yield house


@pytest.fixture(scope="session")
def clients() -> Path:
    """The programs of the environment that Python clients by others live in."""
    programs = ROOT / ".tools" / "clients" / "bin"
    if not (programs / "python").exists():
        pytest.skip(f"{programs} is missing: `make clients` puts the FHIR clients there")
    return programs


@pytest.fixture(scope="session")
def node_program(interop_modules: Path) -> str:
    """Node.js, with the clients from npm beside it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing: install Node.js")
    for name in ("fhir-kit-client", "fhirclient"):
        if not (interop_modules / name).is_dir():
            pytest.skip(f"{interop_modules / name} is missing: `make interop` puts it there")
    return node
