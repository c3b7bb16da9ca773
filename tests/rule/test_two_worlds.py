"""The rule that no peer keeps, over generated populations.

For each caller there are houses to compare: one holds everything, the others have never had what is
denied. Every answer of the two is equal, pages included, and what each way reaches is exactly the
permitted set. What is exempt, and why: docs/reference/behaviours.md.
"""

import asyncio
import random
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.rule.checks import FEW, SOME
from tests.rule.ground import Ground, ground
from tests.rule.stories import tell

EXAMPLES = 2
"""In `make test`."""

ON_ONE_CHAIN = 100
"""Populations: then chain and houses go, and with them what they take of the disk."""


def on(folder: Path, story: Callable[[Ground], Awaitable[None]]) -> None:
    async def played() -> None:
        async with ground(folder) as here:
            await story(here)

    asyncio.run(played())


def test_what_is_denied_cannot_be_told_from_what_never_was(quick: Path, seed: int) -> None:
    async def story(here: Ground) -> None:
        for number in range(EXAMPLES):
            await tell(here, seed, number, SOME)

    on(quick, story)


@pytest.mark.soak
def test_the_rule_for_long(quick: Path, chance: random.Random, soak_seconds: float) -> None:
    """Many populations, few questions each: another drawing finds more than another question."""
    end, played = time.monotonic() + soak_seconds, 0

    async def story(here: Ground) -> None:
        nonlocal played
        for _ in range(ON_ONE_CHAIN):
            if played and time.monotonic() > end:
                return
            await tell(here, chance.getrandbits(64), played, FEW)
            played += 1

    while time.monotonic() < end:
        folder = quick / f"chain {played}"
        folder.mkdir()
        on(folder, story)
        shutil.rmtree(folder)
    print(f"{played} populations")
