"""A patient says no in the middle: what was begun before shows nothing of them afterwards."""

import random

from tests.rule.answers import following
from tests.rule.asking import ask
from tests.rule.checks import same
from tests.rule.drawing import denials
from tests.rule.ground import Ground
from tests.rule.houses import House, house
from tests.rule.oracle import Denial, Oracle, Reaching, Who
from tests.rule.population import CLINICAL, draw
from tests.rule.questions import get
from tests.rule.ways import begin_export, by_pages, by_read, fetch_export, names_in

EVERYTHING = (Reaching("system", "*", "rs"),)


async def consent_changes(ground: Ground, seed: object, number: int) -> None:
    """One population, in which the first patient ends it all while one of our systems reads."""
    chance = random.Random(f"change {seed} {number}")
    population = draw(chance)
    denied = [one for one in denials(chance, population, number) if one.patient != "p0"]
    await ground.settle(population.patients)
    said = await ground.say(denied, ())
    who = Who(name="own system", kind="member", purpose="HOPERAT", scopes=EVERYTHING)
    async with house(ground, said.letters) as empty:
        await empty.move_in(population, lambda _: True, lambda _: True, lambda event: event)
        full = await empty.met_by(who, said)
        before = Oracle(population, denied, who)
        place = await begin_export(full, "/fhir/$export")
        links = [await _second_page(full, type_) for type_ in CLINICAL]
        same("read", await by_read(full, population.names()), before.permitted("read"))
        no = Denial("p0", None)
        await ground.say([no], ())
        after = Oracle(population, [*denied, no], who)
        same("export", names_in(await fetch_export(full, place)), after.permitted("export"))
        same("read", await by_read(full, population.names()), after.permitted("read"))
        for link in filter(None, links):
            assert await by_pages(full, link, counts=False) <= after.permitted("search"), link


async def _second_page(full: House, type_: str) -> str | None:
    return following(await ask(full, get(f"/fhir/{type_}?_count=1")))
