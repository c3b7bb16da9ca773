"""The vault's tests run in files and in PostgreSQL: `STORES` of a module says where."""

from collections.abc import Iterator

import pytest

from . import world


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Twice, where the module says so."""
    stores = getattr(metafunc.module, "STORES", None)
    if stores:
        metafunc.fixturenames.append("stored_in")
        metafunc.parametrize("stored_in", stores, indirect=True, scope="module")


@pytest.fixture(scope="module")
def stored_in(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make `world.vault` keep its vaults there."""
    if request.param == "postgres":
        world.in_postgres(request.getfixturevalue("postgres_server"))
    yield
    world.in_postgres(None)
