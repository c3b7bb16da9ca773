"""Every fault that is put into the gateway on purpose is noticed."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.rule.checks import SOME
from tests.rule.faults import FAULTS
from tests.rule.ground import ground
from tests.rule.patching import Fault, with_fault
from tests.rule.stories import tell

MOST = 60
"""Populations in which a fault may stay unnoticed: some need a rare family and a rare denial."""

IN_SHORT = 2
"""Faults in `make test`."""


def noticed(folder: Path, fault: Fault, seed: int) -> int | None:
    """In which of so many populations a fault is first noticed; None if in none."""

    async def played() -> int | None:
        async with ground(folder) as here:
            for number in range(MOST):
                try:
                    await tell(here, seed, number, SOME)
                except AssertionError:
                    return number
        return None

    with with_fault(fault):
        return asyncio.run(played())


def test_faults_have_names_of_their_own() -> None:
    assert len({one.name for one in FAULTS}) == len(FAULTS)


def test_some_faults_are_noticed(quick: Path, chance: random.Random, seed: int) -> None:
    for fault in chance.sample(FAULTS, IN_SHORT):
        folder = quick / fault.name
        folder.mkdir()
        assert noticed(folder, fault, seed) is not None, fault.name


@pytest.mark.soak
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_is_noticed(quick: Path, fault: Fault, seed: int) -> None:
    assert noticed(quick, fault, seed) is not None
