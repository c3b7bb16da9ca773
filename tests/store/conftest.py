"""A store that holds nothing but its genesis block."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from careledger.store.store import Store
from tests.store.workload import create


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with create(tmp_path / "chain") as store:
        yield store
