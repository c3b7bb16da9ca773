"""The vault's tests run in files and in PostgreSQL: `STORES` of a module says where."""

from collections.abc import Iterator

import pytest

from . import world


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Once for each store, where the module says so."""
    stores = getattr(metafunc.module, "STORES", None)
    if stores:
        metafunc.parametrize("stored_in", stores, indirect=True, scope="module")


@pytest.fixture(scope="module", autouse=True)
def stored_in(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make `world.vault` keep its vaults there."""
    if getattr(request, "param", "sqlite") == "postgres":
        world.in_postgres(request.getfixturevalue("postgres_server"))
    yield
    world.in_postgres(None)
