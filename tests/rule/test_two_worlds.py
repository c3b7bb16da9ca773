"""The rule that no peer keeps, over generated populations.

For each caller there are two houses: one holds everything, the other has never had what is denied.
Every answer of the two is equal, pages included, and what each way reaches is the permitted set.

Exempt, by design: what an organisation's own systems write (their conditions are compared with all
that it holds), so for them only what is read is compared; and version numbers, which count also
versions that are withheld by a label that a later version no longer has.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.rule.answers import ask, compare, said
from tests.rule.houses import Ground, ground
from tests.rule.population import DIRECTORY, NOBODYS, Event
from tests.rule.questions import SINCE, changes, get, reads
from tests.rule.scenes import Scene, play
from tests.rule.ways import (
    TYPES,
    by_batch,
    by_export,
    by_pages,
    by_read,
    by_version,
    deletions_in,
    names_in,
)

EXAMPLES, QUESTIONS, CHANGES = 2, 150, 40
"""In `make test`."""

Act = Callable[[Scene], Awaitable[None]]


def on(folder: Path, story: Callable[[Ground], Awaitable[None]]) -> None:
    async def played() -> None:
        async with ground(folder) as here:
            await story(here)

    asyncio.run(played())


async def answers_are_equal(scene: Scene, questions: int, attempts: int) -> None:
    for question in reads(scene.chance, scene.population, scene.who, questions):
        await compare(scene.full, scene.bare, question)
    await exports_are_equal(scene)
    if scene.who.kind == "practitioner":
        await changes_are_equal(scene, attempts)


async def exports_are_equal(scene: Scene) -> None:
    """Ordered by whoever may: the organisation's systems, and staff in their own name."""
    local = scene.chance.choice(scene.population.patients)
    for path in (
        f"/fhir/$export?_since={SINCE}",
        f"/fhir/Patient/$export?patient={local}",
        "/fhir/Patient/$export?_type=Observation,Patient&_typeFilter=Observation?code=718-7",
        "/fhir/Group/roster/$export?_elements=id",
        "/fhir/Group/none0/$export",
    ):
        assert await by_export(scene.full, path) == await by_export(scene.bare, path), path


async def changes_are_equal(scene: Scene, attempts: int) -> None:
    """For who keeps no records. What they make gets a random id, so order by id is none."""
    tried = list(changes(scene.chance, scene.population))
    for question in scene.chance.sample(tried, min(attempts, len(tried))):
        answers = await ask(scene.full, question), await ask(scene.bare, question)
        assert said(answers[0]) == said(answers[1]), (question, *map(said, answers))
    await compare(scene.full, scene.bare, get("/fhir/_history?_count=1000"))
    await compare(scene.full, scene.bare, get("/fhir/Observation?_summary=count"))


async def what_is_reached_is_what_is_permitted(scene: Scene) -> None:
    """Not less, and not more, by each way."""
    full, oracle = scene.full, scene.oracle
    names = [name for name in scene.population.names() if not name.startswith("Binary/")]
    readable, found = (
        {one for one in oracle.permitted(letter) if not one.startswith("Binary/")}
        for letter in ("r", "s")
    )
    assert await by_read(full, scene.population.names()) == oracle.permitted("r")
    assert await by_batch(full, names) == readable
    assert await by_version(full, names) == versions(scene)
    for type_ in TYPES:
        some = {one for one in oracle.permitted("s") if one.startswith(f"{type_}/")}
        assert await by_pages(full, f"/fhir/{type_}?_count=2&_total=accurate") == some
    every = await by_pages(full, f"/fhir?_type={','.join(_allowed(scene))}&_count=7")
    assert {one for one in every if not one.startswith("Binary/")} == found
    await everything_is_reached(scene)


def _allowed(scene: Scene) -> list[str]:
    """Types that some scope lets the caller search: others are refused as a whole."""
    scopes = [scope for scope in scene.who.scopes if "s" in scope.letters]
    return [type_ for type_ in TYPES if any(one.type in {"*", type_} for one in scopes)]


def versions(scene: Scene) -> set[tuple[str, int]]:
    """Versions of what may be seen that may be seen themselves."""
    found = set[tuple[str, int]]()
    for name in scene.population.names():
        if not name.startswith("Binary/") and scene.oracle.sees(name, "r"):
            for number, event in enumerate(scene.population.versions(name), start=1):
                if event.resource is not None and scene.oracle.sees_version(event, "r"):
                    found.add((name, number))
    return found


async def everything_is_reached(scene: Scene) -> None:
    """`$everything` and exports hold the record, and of the directory what they refer to."""
    permitted = {one for one in scene.oracle.permitted("r") if one.split("/")[0] not in DIRECTORY}
    permitted -= NOBODYS
    reached = set[str]()
    for local in scene.population.patients:
        reached |= await by_pages(scene.full, f"/fhir/Patient/{local}/$everything?_count=5")
    if any(one.type in {"*", "Patient"} and "r" in one.letters for one in scene.who.scopes):
        assert {one for one in reached if one.split("/")[0] not in DIRECTORY} == permitted
    exported = await by_export(scene.full, "/fhir/$export?_since=2020-01-01")
    if exported["status"] == 200:
        assert names_in(exported) == scene.oracle.permitted("r")
        assert deletions_in(exported) == {
            name for name in _deleted(scene) if scene.oracle.sees(name, "r")
        }


def _deleted(scene: Scene) -> list[str]:
    last: dict[str, Event] = {event.name: event for event in scene.population.events}
    return [name for name, event in last.items() if event.resource is None]


def test_what_is_denied_cannot_be_told_from_what_never_was(tmp_path: Path, seed: int) -> None:
    async def story(here: Ground) -> None:
        for number in range(EXAMPLES):
            async for scene in play(here, seed, number):
                await answers_are_equal(scene, QUESTIONS, CHANGES)

    on(tmp_path, story)


def test_what_is_reached_is_the_permitted_set(tmp_path: Path, seed: int) -> None:
    async def story(here: Ground) -> None:
        for number in range(EXAMPLES):
            async for scene in play(here, seed, number):
                await what_is_reached_is_what_is_permitted(scene)

    on(tmp_path, story)


@pytest.mark.soak
def test_the_rule_for_long(tmp_path: Path, chance: random.Random, soak_seconds: float) -> None:
    async def story(here: Ground) -> None:
        end, played = asyncio.get_running_loop().time() + soak_seconds, 0
        while not played or asyncio.get_running_loop().time() < end:
            seed = str(chance.getrandbits(64))
            try:
                async for scene in play(here, seed, played):
                    await what_is_reached_is_what_is_permitted(scene)
                    await answers_are_equal(scene, 600, 300)
            except AssertionError as error:
                error.add_note(f"population {seed}, example {played}")
                raise
            played += 1
        print(f"{played} populations")

    on(tmp_path, story)
