"""One population, its consents and its callers, and for each of them the houses to compare."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from careledger.mechanisms.terms import Action
from tests.rule.drawing import callers, denials, grants
from tests.rule.ground import Ground, Said
from tests.rule.houses import House, Refused, house
from tests.rule.oracle import ACTIONS, Oracle, Who
from tests.rule.population import Event, Population, draw
from tests.rule.questions import Question, action_of

Left = tuple[frozenset[str], frozenset[str], frozenset[tuple[str, int]]]
"""Names and patients that are left, and the versions of them that stay and are withheld."""


@dataclass(frozen=True)
class Scene:
    """What one caller may know by each action (`bare`), and what there is (`full`)."""

    chance: random.Random
    population: Population
    oracle: Oracle
    full: House
    bare: dict[Action, House]

    @property
    def who(self) -> Who:
        return self.oracle.who

    @property
    def is_one(self) -> bool:
        """Whether the caller may know the same whatever they do."""
        return len({id(one) for one in self.bare.values()}) == 1

    def bare_for(self, question: Question) -> House | None:
        """The house to compare an answer with; None where the question does several things."""
        action = action_of(question)
        if action is None:
            return self.bare["read"] if self.is_one else None
        return self.bare[action]


async def play(ground: Ground, seed: object, number: int) -> AsyncIterator[Scene]:
    """Every scene of one example, one after the other; the last may change what is there."""
    chance = random.Random(f"{seed} {number}")
    population = draw(chance)
    denied, granted = denials(chance, population, number), grants(chance, population)
    await ground.settle(population.patients)
    said = await ground.say(denied, granted)
    async with AsyncExitStack() as stack:
        full = await stack.enter_async_context(house(ground, said.letters))
        by_import = number % 3 == 2
        everything = (lambda _: True), (lambda _: True), (lambda event: event)
        await full.move_in(population, *everything, by_import=by_import)
        for who in callers(chance, population, granted, number):
            if who.own is not None:
                await ground.register(ground.accounts[who.own])
            oracle = Oracle(population, denied, who)
            async with AsyncExitStack() as inner:
                try:
                    scene = await _scene(inner, chance, oracle, full, said, by_import=by_import)
                except Refused:
                    assert not all(map(oracle.permitted, who.actions)), "refused without a reason"
                    continue
                yield scene


async def _scene(
    stack: AsyncExitStack,
    chance: random.Random,
    oracle: Oracle,
    full: House,
    said: Said,
    *,
    by_import: bool,
) -> Scene:
    mine = replace(await full.met_by(oracle.who, said), ids=random.Random(1))
    bare, built = dict[Action, House](), dict[Left, House]()
    for action in ACTIONS:
        left = what_is_left(oracle, action)
        if left not in built:
            empty = await stack.enter_async_context(house(full.ground, said.letters))
            await _furnish(empty, oracle.population, left, by_import=by_import)
            built[left] = replace(await empty.met_by(oracle.who, said), ids=random.Random(1))
        bare[action] = built[left]
    return Scene(chance, oracle.population, oracle, mine, bare)


async def _furnish(empty: House, population: Population, left: Left, *, by_import: bool) -> None:
    kept, lives, veiled = left
    numbers = {
        id(event): (name, number)
        for name in population.names()
        for number, event in enumerate(population.versions(name), start=1)
    }

    def shown(event: Event) -> Event:
        return _veiled(event) if numbers[id(event)] in veiled else event

    keeps, is_here = kept.__contains__, lives.__contains__
    await empty.move_in(population, keeps, is_here, shown, by_import=by_import)


def _veiled(event: Event) -> Event:
    """Another version in its place, which is withheld for the same reasons."""
    other = dict(event.resource or {}) | {"language": "xx"}
    if "data" in other:
        other["data"] = "eHh4eHh4"
    if "valueQuantity" in other:
        other["valueQuantity"] = {"value": 77, "unit": "%"}
    return replace(event, resource=other)


def what_is_left(oracle: Oracle, action: Action) -> Left:
    """A world in which what is denied has never been, as far as one thing is done in it.

    A prescription takes over what its Medication says when it comes in, so the drugs of those that
    are left are left as well. A record that is open has its patient, be it empty. Of what is left
    older versions may be withheld: their place is taken by others.
    """
    population = oracle.population
    kept = {name for name in population.names() if oracle.sees(name, action)}
    for event in population.events:
        drug = (event.resource or {}).get("medicationReference")
        if event.name in kept and drug is not None:
            kept.add(drug["reference"])
    lives = set[str]()
    for local in population.patients:
        at: str | None = local if oracle.is_open(local, action) else None
        while at is not None:
            lives.add(at)
            at = population.merged.get(at)
    veiled = {
        (name, number)
        for name in kept
        for number, event in enumerate(population.versions(name), start=1)
        if event.resource is not None and not oracle.sees_version(event, action)
    }
    return frozenset(kept), frozenset(lives), frozenset(veiled)
