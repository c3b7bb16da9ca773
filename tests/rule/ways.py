"""Every way to a resource: what each of them reaches in one house, by name."""

import asyncio
import json
from typing import Any

from tests.rule.answers import following
from tests.rule.asking import Answer, ask
from tests.rule.houses import House
from tests.rule.population import CLINICAL, DIRECTORY, OWN
from tests.rule.questions import FHIR, Question, bundle, get

TYPES = (*CLINICAL, *DIRECTORY, *OWN)


async def by_read(house: House, names: list[str]) -> set[str]:
    found = set[str]()
    for name in names:
        if (await ask(house, get(f"/fhir/{name}", accept=FHIR))).status == 200:
            found.add(name)
    return found


async def by_version(
    house: House, names: list[str], versions: int = 5, *, is_partner: bool
) -> set[tuple[str, int]]:
    """Every version that can be read, and every one that a history shows, are the same.

    Another member reads versions, and no history.
    """
    found = set[tuple[str, int]]()
    for name in names:
        shown = set[int]()
        body = (await ask(house, get(f"/fhir/{name}/_history"))).json()
        for entry in body.get("entry", []):
            if "resource" in entry:
                shown.add(int(entry["resource"]["meta"]["versionId"]))
        read = {
            number
            for number in range(1, versions)
            if (await ask(house, get(f"/fhir/{name}/_history/{number}"))).status == 200
        }
        assert read == shown or (is_partner and not shown), name
        found |= {(name, number) for number in read}
    return found


async def by_pages(house: House, path: str, *, counts: bool = True) -> set[str]:
    """What all pages of a search hold; a total, where there is one, is that of its matches."""
    found, matches, answer = set[str](), 0, await ask(house, get(path))
    if answer.status in {403, 404}:
        return found
    while True:
        assert answer.status == 200, (path, answer.text)
        body = answer.json()
        for entry in body.get("entry", []):
            mode = entry.get("search", {}).get("mode", "match")
            if mode != "outcome" and "resource" in entry:
                found.add(_name(entry["resource"]))
                matches += mode == "match"
        link = following(answer)
        if link is None:
            assert not counts or body.get("total", matches) == matches, (
                path,
                body.get("total"),
                matches,
            )
            return found
        answer = await ask(house, get(link))


async def by_batch(house: House, names: list[str]) -> set[str]:
    entries = [{"request": {"method": "GET", "url": name}} for name in names]
    body = (await ask(house, bundle("batch", entries[:200]))).json()
    return {_name(one["resource"]) for one in body.get("entry", ()) if "resource" in one}


def _name(resource: Any) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


# --- exports -------------------------------------------------------------------------------------

Exported = dict[str, Any]


async def by_export(house: House, path: str) -> Exported:
    """Status, and of a finished export each file's count and lines; what is random is left out."""
    begun = await _order(house, path)
    if begun.status != 202:
        return {"status": begun.status, "text": begun.text}
    return await fetch_export(house, begun.headers["content-location"])


async def begin_export(house: House, path: str) -> str:
    """Order one, and wait until it is written; where it is."""
    begun = await _order(house, path)
    assert begun.status == 202, begun.text
    place = begun.headers["content-location"]
    await _written(house, place)
    return place


async def fetch_export(house: House, place: str) -> Exported:
    """All of its files, as far as they are given out now."""
    manifest, found = await _written(house, place), Exported({"status": 200})
    for kind in ("output", "deleted"):
        for one in manifest[kind]:
            lines = (await ask(house, get(one["url"]))).text.splitlines()
            assert len(lines) <= one["count"]
            assert len(set(lines)) == len(lines), "a line stands once"
            name = f"{kind} {one['type']} {one['url'].rpartition('/')[2]}"
            found[name] = [one["count"], *sorted(lines)]
    found["rest"] = {
        name: value for name, value in manifest.items() if name not in {"output", "deleted"}
    }
    await ask(house, Question("DELETE", place))
    return found


async def _order(house: House, path: str) -> Answer:
    return await ask(house, Question("GET", path, {"prefer": "respond-async", "accept": FHIR}))


async def _written(house: House, place: str) -> Any:
    while (answer := await ask(house, get(place))).status == 202:
        progress = answer.headers["x-progress"]
        assert "%" not in progress, "a part of all patients tells how many there are"
        await asyncio.sleep(0.001)
    assert answer.status == 200, answer.text
    return answer.json()


def names_in(exported: Exported) -> set[str]:
    return {
        _name(json.loads(line))
        for kind, lines in exported.items()
        if kind.startswith("output ")
        for line in lines[1:]
    }


def deletions_in(exported: Exported) -> set[str]:
    return {
        json.loads(line)["entry"][0]["request"]["url"]
        for kind, lines in exported.items()
        if kind.startswith("deleted ")
        for line in lines[1:]
    }
