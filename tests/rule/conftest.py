"""Where houses stand."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")  # where there is one, hundreds of vaults need no disk


@pytest.fixture
def quick() -> Iterator[Path]:
    """A folder that is gone afterwards, in memory if this machine has such a place."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)
