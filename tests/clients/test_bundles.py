"""Synthea's bundles go in whole through the door, and everything comes out as it was written."""

import bz2
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.clients.house import House
from tests.clients.loaded import Loaded, bare, parse, place
from tests.e2e.network import Json

FHIR = {"content-type": "application/fhir+json"}
DIRECTORY = {"Location", "Medication", "Organization", "Practitioner", "PractitionerRole"}


def bundles(folder: Path) -> list[Path]:
    """Hospitals and practitioners first, as their transactions are referred to; then by size."""
    found = [*folder.glob("*.json"), *folder.glob("*.json.bz2")]
    first = [one for one in found if re.search("hospital|practitioner", one.name)]
    return sorted(first) + sorted(set(found) - set(first), key=lambda one: one.stat().st_size)


def load(house: House, path: Path, loaded: Loaded) -> list[str]:
    """Post one bundle; the names of what is in it."""
    body = bz2.decompress(path.read_bytes()) if path.suffix == ".bz2" else path.read_bytes()
    with house.http() as http:
        answer = http.post("", content=body, headers=FHIR, timeout=300)
    assert answer.status_code == 200, (path.name, answer.text[:2_000])
    given = [one["response"] for one in answer.json()["entry"]]
    assert {one["status"][:3] for one in given} <= {"200", "201"}, path.name
    return loaded.add(parse(body)["entry"], map(place, given))


def stored(http: httpx2.Client, names: list[str]) -> Iterator[Json]:
    """What the gateway has: of a patient everything there is, of the directory each by name."""
    for name in names:
        if name.startswith("Patient/"):
            url: str | None = f"{http.base_url}{name}/$everything"
            while url is not None:
                page = parse(http.get(url).content)
                found = [one for one in page["entry"] if one["search"]["mode"] == "match"]
                yield from (one["resource"] for one in found)
                links = {one["relation"]: one["url"] for one in page["link"]}
                url = links.get("next")
        elif name.partition("/")[0] in DIRECTORY:
            answer = http.get("/" + name)
            assert answer.status_code == 200, name
            yield parse(answer.content)


def all_come_back(house: House, paths: list[Path]) -> int:
    loaded, count = Loaded(), 0
    for path in paths:
        names = load(house, path, loaded)
        with house.http() as http:
            found = {f"{one['resourceType']}/{one['id']}": one for one in stored(http, names)}
        assert set(names) <= found.keys(), path.name
        for name in names:
            assert bare(found[name]) == bare(loaded.resources[name]), (path.name, name)
        count += len(names)
    return count


def test_a_few_come_back_as_they_were_written(house: House, shared_data: Path) -> None:
    paths = bundles(shared_data / "synthea")
    assert all_come_back(house, paths[:4]) > 500


@pytest.mark.soak
@pytest.mark.parametrize("folder", ["synthea", "synthea-2019"])
def test_all_come_back_as_they_were_written(house: House, shared_data: Path, folder: str) -> None:
    paths = bundles(shared_data / folder)
    assert len(paths) > 9
    assert all_come_back(house, paths) > 1_000
