"""What must hold in a scene, whatever is asked in it."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from tests.rule.answers import compare, said
from tests.rule.asking import ask
from tests.rule.population import DIRECTORY, NOBODYS
from tests.rule.questions import SINCE, Question, changes, reads
from tests.rule.scenes import Scene
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


@dataclass(frozen=True)
class Effort:
    """How much is asked in one scene."""

    questions: int
    versions: int
    """Of how many resources each version is read."""
    changes: int
    afterwards: int
    """Questions after the changes."""


SOME, FEW = Effort(150, 30, 40, 60), Effort(60, 12, 16, 30)


async def everything_holds(scene: Scene, effort: Effort) -> None:
    """All of it; what changes the houses comes last."""
    await what_is_reached_is_what_is_permitted(scene, effort)
    await answers_are_equal(scene, effort)


# --- what is reached -----------------------------------------------------------------------------


async def what_is_reached_is_what_is_permitted(scene: Scene, effort: Effort) -> None:
    """Not less, and not more, by each way."""
    full, oracle, is_partner = scene.full, scene.oracle, scene.who.kind == "partner"
    names = [name for name in scene.population.names() if not name.startswith("Binary/")]
    readable, found = oracle.permitted("read"), oracle.permitted("search")
    same("read", await by_read(full, scene.population.names()), readable)
    batch = set() if is_partner else {one for one in readable if not one.startswith("Binary/")}
    same("batch", await by_batch(full, names[:200]), batch & set(names[:200]))
    some = scene.chance.sample(names, min(effort.versions, len(names)))
    shown = await by_version(full, some, is_partner=is_partner)
    same("version", shown, versions(scene, some))
    for type_ in TYPES:
        expected = {one for one in found if one.startswith(f"{type_}/")}
        reached = await by_pages(full, f"/fhir/{type_}?_count=2&_total=accurate")
        same(type_, reached, expected)
    every = await by_pages(full, f"/fhir?_type={','.join(_allowed(scene))}&_count=7")
    same("types", every, found)
    await everything_is_reached(scene)
    await exports_hold_what_is_permitted(scene)


def same(way: str, reached: AbstractSet[Any], permitted: AbstractSet[Any]) -> None:
    """Both sides by name, for whoever reads why it failed."""
    beyond, missing = sorted(reached - permitted), sorted(permitted - reached)
    assert not beyond, f"{way} reaches too much: {beyond}"
    assert not missing, f"{way} does not reach {missing}"


def _allowed(scene: Scene) -> list[str]:
    """Types that some scope lets the caller search: others are refused as a whole."""
    scopes = [scope for scope in scene.who.scopes if "s" in scope.letters]
    return [type_ for type_ in TYPES if any(one.type in {"*", type_} for one in scopes)]


def versions(scene: Scene, names: list[str]) -> set[tuple[str, int]]:
    """Versions of what may be seen that may be seen themselves."""
    found = set[tuple[str, int]]()
    for name in names:
        if scene.oracle.sees(name, "read"):
            for number, event in enumerate(scene.population.versions(name), start=1):
                if event.resource is not None and scene.oracle.sees_version(event, "read"):
                    found.add((name, number))
    return found


async def everything_is_reached(scene: Scene) -> None:
    """`$everything` holds each record, and of the directory what it refers to."""
    if not any(one.type in {"*", "Patient"} and "r" in one.letters for one in scene.who.scopes):
        return
    permitted, reached = scene.oracle.permitted("export") - NOBODYS, set[str]()
    for local in scene.population.patients:
        reached |= await by_pages(scene.full, f"/fhir/Patient/{local}/$everything?_count=5")
    same("$everything", _clinical(reached), _clinical(permitted))
    assert reached <= permitted, "of the directory too"


def _clinical(names: set[str]) -> set[str]:
    return {one for one in names if one.split("/")[0] not in DIRECTORY}


async def exports_hold_what_is_permitted(scene: Scene) -> None:
    exported = await by_export(scene.full, "/fhir/$export?_since=2020-01-01")
    if exported["status"] == 200:
        same("$export", names_in(exported), scene.oracle.permitted("export"))
        gone = {name for name in _deleted(scene) if scene.oracle.sees(name, "export")}
        same("deletions", deletions_in(exported), gone)


def _deleted(scene: Scene) -> list[str]:
    versions = map(scene.population.versions, scene.population.names())
    return [one[-1].name for one in versions if one[-1].resource is None]


# --- what is answered ----------------------------------------------------------------------------


async def answers_are_equal(scene: Scene, effort: Effort) -> None:
    await questions_are_equal(scene, effort.questions)
    await exports_are_equal(scene)
    if scene.who.kind == "practitioner" and scene.is_one:
        await changes_are_equal(scene, effort)


async def questions_are_equal(scene: Scene, number: int) -> None:
    for question in reads(scene.chance, scene.population, scene.who, number):
        bare = scene.bare_for(question)
        if bare is not None:
            await compare(scene.full, bare, question)


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
        if "Group" in path and not scene.is_one:
            continue  # the group is read, its members are exported
        bare = scene.bare["export"]
        assert await by_export(scene.full, path) == await by_export(bare, path), path


async def changes_are_equal(scene: Scene, effort: Effort) -> None:
    """By one who keeps no records: attempts of every kind, then everything is asked again."""
    full, bare = scene.full, scene.bare["read"]
    tried = list(changes(scene.chance, scene.population))
    for question in scene.chance.sample(tried, min(effort.changes, len(tried))):
        answers = await ask(full, question), await ask(bare, question)
        assert said(answers[0]) == said(answers[1]), (question, *map(said, answers))
    await compare(full, bare, Question("GET", "/fhir/_history?_count=1000"))
    await questions_are_equal(scene, effort.afterwards)
