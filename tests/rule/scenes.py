"""One population, its denials and its callers, and for each of them the two houses to compare."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.rule.drawing import callers, denials
from tests.rule.houses import Ground, House
from tests.rule.oracle import Oracle, Who
from tests.rule.population import Population, draw


@dataclass(frozen=True)
class Scene:
    """What one caller may know (`bare`), and what there is (`full`)."""

    chance: random.Random
    population: Population
    oracle: Oracle
    full: House
    bare: House

    @property
    def who(self) -> Who:
        return self.oracle.who


async def play(ground: Ground, seed: object, number: int) -> AsyncIterator[Scene]:
    """Every scene of one example, one after the other."""
    chance = random.Random(f"{seed} {number}")
    population = draw(chance)
    denied = denials(chance, population, number)
    await ground.settle(population.patients)
    letters = await ground.deny(denied)
    for who in callers(chance, population, number):
        if who.own is not None:
            await ground.register(ground.accounts[who.own])
        oracle = Oracle(population, denied, who)
        async with _scene(ground, chance, oracle, letters) as scene:
            yield scene


@asynccontextmanager
async def _scene(
    ground: Ground, chance: random.Random, oracle: Oracle, letters: list[bytes]
) -> AsyncIterator[Scene]:
    population = oracle.population
    kept, lives = what_is_left(oracle)
    async with (
        ground.house(oracle.who, letters) as full,
        ground.house(oracle.who, letters) as bare,
    ):
        await ground.move_in(full, population, lambda _: True, lambda _: True)
        await ground.move_in(bare, population, kept.__contains__, lives.__contains__)
        yield Scene(chance, population, oracle, full, bare)


def what_is_left(oracle: Oracle) -> tuple[set[str], set[str]]:
    """Resources and patients in a world in which what is denied has never been.

    A prescription takes over what its Medication says when it comes in, so the drugs of those that
    are left are left as well. A record that is open has its patient, be it empty.
    """
    population = oracle.population
    kept = {name for name in population.names() if oracle.sees(name, "r") or oracle.sees(name, "s")}
    for event in population.events:
        drug = (event.resource or {}).get("medicationReference")
        if event.name in kept and drug is not None:
            kept.add(drug["reference"])
    lives = set[str]()
    for local in population.patients:
        at: str | None = local if oracle.is_open(local) else None
        while at is not None:
            lives.add(at)
            at = population.merged.get(at)
    return kept, lives
