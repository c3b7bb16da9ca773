"""The real engine, for tests that start it."""

from functools import cache
from pathlib import Path

import pytest

from careledger.consensus.cometbft.program import NoEngine, find_engine


@cache
def _found() -> Path | NoEngine:
    try:
        return find_engine()
    except NoEngine as error:
        return error


def engine_program() -> Path:
    """The engine; without it the test is skipped, and says how to get it."""
    found = _found()
    if isinstance(found, NoEngine):
        pytest.skip(str(found))
    return found
