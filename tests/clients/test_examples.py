"""Every official example that may be kept here is created, found, changed and deleted again."""

import json
import re
from pathlib import Path

import httpx2
import pytest

from careledger.gateway.fhir_capability import served_types
from tests.clients.house import House
from tests.clients.loaded import bare, parse
from tests.e2e.network import Json

PATIENT = r'"Patient/([A-Za-z0-9\-.]{1,64})"'
FHIR = {"content-type": "application/fhir+json"}
NOBODYS = frozenset(
    {
        "auditevent-example",
        "detectedissue-example",
        "implementationguide-example",
        "linkage-example",
        "paymentnotice-example",
        "questionnaireresponse-example-bluebook",
        "schedule-example",
        "slot-example",
        "supplydelivery-example",
    }
)
"""They name no patient, and refer to a person, to what is not here, or do not say to what."""
NOT_R4 = frozenset(
    {
        "bundle-questionnaire",
        "devicemetric-example",
        "deviceusestatement-example",
        "medicationrequest0301",
    }
)
"""R4 does not allow what they say: an empty title; reason, performer, source of other types."""


def examples(folder: Path) -> list[tuple[str, str]]:
    """Name and text of each example of a type that the gateway has."""
    texts = {path.stem: path.read_text() for path in sorted(folder.glob("*.json"))}
    types = set(served_types()) - {"Binary"}
    return [(n, text) for n, text in texts.items() if json.loads(text)["resourceType"] in types]


def people(http: httpx2.Client, texts: list[str]) -> None:
    """Whoever an example is about has a record here."""
    for local in sorted({one for text in texts for one in re.findall(PATIENT, text)}):
        answer = http.put(f"/Patient/{local}", json={"resourceType": "Patient", "id": local})
        assert answer.status_code in {200, 201}, answer.text


def live(http: httpx2.Client, text: str) -> int:
    """Create, read, find, change and delete; the status with which it is taken in or refused."""
    made = http.post(f"/{json.loads(text)['resourceType']}", content=text, headers=FHIR)
    if made.status_code in {400, 422}:
        return made.status_code
    assert made.status_code == 201, made.text
    sent, kept = parse(text), parse(made.content)
    type_, id_ = kept["resourceType"], kept["id"]
    assert bare(kept) == bare(sent | {"id": id_})
    read = http.get(f"/{type_}/{id_}")
    assert (read.status_code, read.content) == (200, made.content)
    assert read.headers["etag"] == 'W/"1"'
    assert [one["resource"]["id"] for one in _found(http, type_, id_)] == [id_]
    changed: Json = made.json() | {"language": "en-GB"}
    updated = http.put(f"/{type_}/{id_}", json=changed, headers={"if-match": 'W/"1"'})
    assert (updated.status_code, updated.headers["etag"]) == (200, 'W/"2"'), updated.text
    assert updated.json()["language"] == "en-GB"
    assert http.delete(f"/{type_}/{id_}").status_code == 204
    assert http.get(f"/{type_}/{id_}").status_code in {404, 410}
    assert _found(http, type_, id_) == []
    return made.status_code


def _found(http: httpx2.Client, type_: str, id_: str) -> list[Json]:
    answer = http.get(f"/{type_}", params={"_id": id_})
    assert answer.status_code == 200, answer.text
    entries: list[Json] = answer.json().get("entry", [])
    return entries


def lived(house: House, chosen: list[tuple[str, str]]) -> dict[str, int]:
    with house.http() as http:
        people(http, [text for _, text in chosen])
        return {name: live(http, text) for name, text in chosen}


def test_a_slice_of_the_examples(house: House, shared_data: Path) -> None:
    chosen = examples(shared_data / "conformance" / "r4-examples")[::6]
    said = lived(house, chosen)
    assert {name for name, status in said.items() if status == 422} <= NOBODYS
    assert {name for name, status in said.items() if status == 400} <= NOT_R4
    assert sum(status == 201 for status in said.values()) > 6


@pytest.mark.soak
def test_every_example(house: House, shared_data: Path) -> None:
    said = lived(house, examples(shared_data / "conformance" / "r4-examples"))
    assert {name for name, status in said.items() if status == 422} == NOBODYS
    assert {name for name, status in said.items() if status == 400} == NOT_R4
    assert sum(status == 201 for status in said.values()) > 40
