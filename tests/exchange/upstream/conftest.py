"""The servers that these tests stand before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exchange.upstream.lying import LyingServer
from tests.peers.servers import hapi, medplum


@pytest.fixture(scope="module")
def medplum_url(interop_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Medplum's router in memory, shared by a module: each test has patients of its own."""
    with medplum(interop_modules, tmp_path_factory.mktemp("medplum") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def hapi_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HAPI's JPA server in memory."""
    with hapi(tmp_path_factory.mktemp("hapi") / "log") as url:
        yield url


@pytest.fixture
def liar() -> Iterator[LyingServer]:
    """A server of our own that answers as it is told."""
    with LyingServer() as server:
        yield server
