"""Every way to a resource: what each of them reaches in one house, by name."""

import asyncio
import json
from typing import Any

from tests.rule.answers import ask, following
from tests.rule.houses import House
from tests.rule.population import CLINICAL, DIRECTORY, OWN
from tests.rule.questions import FHIR, Question, bundle, get

TYPES = (*CLINICAL, *DIRECTORY, *OWN)


async def by_read(house: House, names: list[str]) -> set[str]:
    found = set[str]()
    for name in names:
        if (await ask(house, get(f"/fhir/{name}", accept=FHIR))).status_code == 200:
            found.add(name)
    return found


async def by_version(house: House, names: list[str], versions: int = 5) -> set[tuple[str, int]]:
    """Every version that can be read, and every one that a history shows, are the same."""
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
            if (await ask(house, get(f"/fhir/{name}/_history/{number}"))).status_code == 200
        }
        assert read == shown, name
        found |= {(name, number) for number in read}
    return found


async def by_pages(house: House, path: str) -> set[str]:
    """What all pages of a search hold; a total, where there is one, is that of its matches."""
    found, matches, answer = set[str](), 0, await ask(house, get(path))
    if answer.status_code in {403, 404}:
        return found
    while True:
        assert answer.status_code == 200, (path, answer.text)
        body = answer.json()
        for entry in body.get("entry", []):
            mode = entry.get("search", {}).get("mode", "match")
            if mode != "outcome" and "resource" in entry:
                found.add(_name(entry["resource"]))
                matches += mode == "match"
        link = following(answer)
        if link is None:
            assert body.get("total", matches) == matches, (path, body.get("total"), matches)
            return found
        answer = await ask(house, get(link))


async def by_batch(house: House, names: list[str]) -> set[str]:
    entries = [{"request": {"method": "GET", "url": name}} for name in names]
    body = (await ask(house, bundle("batch", entries[:200]))).json()
    return {_name(one["resource"]) for one in body["entry"] if "resource" in one}


def _name(resource: Any) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


# --- exports -------------------------------------------------------------------------------------

Exported = dict[str, Any]


async def by_export(house: House, path: str) -> Exported:
    """Status, and of a finished export each file's count and lines; what is random is left out."""
    headers = {"prefer": "respond-async", "accept": FHIR}
    begun = await ask(house, Question("GET", path, headers))
    if begun.status_code != 202:
        return {"status": begun.status_code, "text": begun.text}
    place = begun.headers["content-location"]
    while (answer := await ask(house, get(place))).status_code == 202:
        progress = answer.headers["x-progress"]
        assert "%" not in progress, "a part of all patients tells how many there are"
        await asyncio.sleep(0.01)
    assert answer.status_code == 200, answer.text
    manifest, found = answer.json(), Exported({"status": 200})
    for kind in ("output", "deleted"):
        for one in manifest[kind]:
            lines = (await ask(house, get(one["url"]))).text.splitlines()
            assert len(lines) == one["count"]
            found[f"{kind} {one['type']} {one['url'].rpartition('/')[2]}"] = sorted(lines)
    found["rest"] = {
        name: value for name, value in manifest.items() if name not in {"output", "deleted"}
    }
    await ask(house, Question("DELETE", place))
    return found


def names_in(exported: Exported) -> set[str]:
    return {
        _name(json.loads(line))
        for kind, lines in exported.items()
        if kind.startswith("output ")
        for line in lines
    }


def deletions_in(exported: Exported) -> set[str]:
    return {
        json.loads(line)["entry"][0]["request"]["url"]
        for kind, lines in exported.items()
        if kind.startswith("deleted ")
        for line in lines
    }
