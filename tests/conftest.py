"""What every test may ask for: the seed of this run, a soak's length, the shared data."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer  # type: ignore[import-untyped] # carries no types
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped] # likewise

from tests import postgres

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"

# `make test`: the same examples every time. `make soak`: many, from the printed seed.
settings.register_profile(
    "test",
    max_examples=50,
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "soak",
    settings.get_profile("test"),
    max_examples=5_000,
    derandomize=False,
    database=None,
)
settings.load_profile("test")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("careledger")
    group.addoption("--seed", type=int, default=1, help="seed of everything drawn at random")
    group.addoption("--soak-minutes", type=float, default=10.0, help="how long a soak test runs")


_TOGETHER = ("tests/e2e/", "tests/clients/", "tests/browser/")
_APART = tuple(
    f"tests/e2e/test_{name}.py" for name in ("governing", "replacing", "timeline", "validators")
)
"""These start networks of their own."""


class _OneNetwork(LoadScopeScheduling):  # type: ignore[misc] # likewise
    """Each test goes to whichever process is free, but those of these rooms share one network."""

    def _split_scope(self, nodeid: str) -> str:
        rooms = (*_APART, *_TOGETHER)
        return next((room for room in rooms if nodeid.startswith(room)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    return _OneNetwork(config, log) if config.getoption("dist") == "load" else None


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.getoption('--seed')} (repeat a run with --seed)"


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The seed of this run: fixed in `make test`, printed and different in each `make soak`."""
    value = pytestconfig.getoption("--seed")
    assert isinstance(value, int)
    return value


@pytest.fixture
def chance(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Randomness of one test: follows from the seed and the test's name, not from test order."""
    return random.Random(f"{seed} {request.node.nodeid}")


@pytest.fixture(scope="session")
def soak_seconds(pytestconfig: pytest.Config) -> float:
    """How long a test marked `soak` goes on."""
    minutes = pytestconfig.getoption("--soak-minutes")
    assert isinstance(minutes, float)
    return minutes * 60


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of sample data that is kept beside the project, not in it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"sample data is missing: looked for the folder {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Where a running PostgreSQL server is, as libpq reads it; each test takes its own schemas."""
    folder = postgres.programs()
    if folder is None:
        pytest.skip(postgres.MISSING)
    with postgres.server(folder) as conninfo:
        yield conninfo


@pytest.fixture(scope="session")
def interop_modules() -> Path:
    """Where npm put the implementations that nobody here wrote."""
    modules = ROOT / "tests" / "interop" / "node_modules"
    if not modules.is_dir():
        pytest.skip(f"{modules} is missing: install Node.js with npm, then `make interop`")
    return modules
