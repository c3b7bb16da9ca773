"""Places near others, typed identifiers and lists: what R4 asks beside plain parameters."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.search.engine import run
from careledger.fhir.search.near import DEFAULT_KM, distance_km
from careledger.fhir.search.parse import parse
from careledger.fhir.search.table import ALL
from tests.fhir.search.small_world import World, node

LATITUDES = st.floats(-90, 90, allow_nan=False)
LONGITUDES = st.floats(-180, 180, allow_nan=False)
DEGREE_KM = math.pi * 6371.0088 / 180
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"


def place(id_: str, latitude: float | None, longitude: float = 0.0) -> dict[str, Any]:
    body = {"resourceType": "Location", "id": id_}
    where = {"latitude": latitude, "longitude": longitude}
    return body if latitude is None else {**body, "position": where}


def person(id_: str, *identifiers: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, "identifier": list(identifiers)}


def typed(value: str, code: str) -> dict[str, Any]:
    return {"value": value, "type": {"coding": [{"system": V2, "code": code}]}}


WATCHED = {
    "resourceType": "List",
    "id": "watched",
    "status": "current",
    "mode": "working",
    "entry": [{"item": {"reference": "Patient/ben"}}],
}
VISIT = {
    "resourceType": "Encounter",
    "id": "visit",
    "status": "finished",
    "class": {"code": "AMB"},
    "subject": {"reference": "Patient/ben"},
    "location": [{"location": {"reference": "Location/harbour"}}],
}
WORLD = World(
    [
        node(place("harbour", 42.3601, -71.0589)),
        node(place("across", 42.3736, -71.1097)),
        node(place("far", 40.7128, -74.0060)),
        node(place("beyond", 999.0, 0.0)),
        node(place("nowhere", None)),
        node(person("ana", typed("7", "MR"), {"value": "8"})),
        node(person("ben", typed("7", "DL"), typed("8", "MR"))),
        node(WATCHED),
        node(VISIT),
    ]
)


def found(type_: str, name: str, value: str) -> set[str]:
    search = parse(type_, [(name, value)], indexed=ALL)
    return {one.id for one in run(search, WORLD).matches}


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("42.3601|-71.0589|0", {"harbour"}),
        ("42.3601|-71.0589|4.5", {"harbour", "across"}),
        ("42.3601|-71.0589|4.5|km", {"harbour", "across"}),
        ("42.3601|-71.0589|4.5|m", {"harbour"}),
        ("42.3601|-71.0589|4500|m", {"harbour", "across"}),
        ("42.3601|-71.0589|3|[mi_us]", {"harbour", "across"}),
        ("42.3601|-71.0589", {"harbour", "across"}),
        ("42.3601|-71.0589|310|km", {"harbour", "across", "far"}),
        ("42.3601|-71.0589|1|km,40.7|-74.0|5|km", {"harbour", "far"}),
        ("0|0|20100", {"harbour", "across", "far"}),
    ],
)
def test_places_near_others(value: str, ids: set[str]) -> None:
    assert found("Location", "near", value) == ids


def test_a_place_without_a_position_is_near_nothing() -> None:
    assert found("Location", "near:missing", "true") == {"nowhere"}
    assert found("Encounter", "location.near", "42.36|-71.06|1") == {"visit"}


def test_a_degree_is_as_long_as_it_is() -> None:
    assert distance_km(0, 0, 1, 0) == pytest.approx(DEGREE_KM)
    assert distance_km(0, 179.5, 0, -179.5) == pytest.approx(DEGREE_KM)
    assert distance_km(90, 0, -90, 0) == pytest.approx(180 * DEGREE_KM)
    assert distance_km(60, 0, 60, 1) == pytest.approx(DEGREE_KM / 2, rel=1e-3)
    assert DEFAULT_KM == 50


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_a_way_is_as_long_as_the_way_back(a: float, b: float, c: float, d: float) -> None:
    there = distance_km(a, b, c, d)
    assert there == pytest.approx(distance_km(c, d, a, b), abs=1e-6)
    assert 0 <= there <= 180 * DEGREE_KM + 1e-6


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (f"{V2}|MR|7", {"ana"}),
        (f"{V2}|MR|8", {"ben"}),
        (f"{V2}|DL|7", {"ben"}),
        (f"{V2}|DL|7,{V2}|MR|7", {"ana", "ben"}),
        (f"{V2}|DL|8", set()),
        ("urn:other|MR|7", set()),
        (f"{V2}|mr|7", set()),
    ],
)
def test_identifiers_of_a_type(value: str, ids: set[str]) -> None:
    assert found("Patient", "identifier:of-type", value) == ids
    visits = {"visit"} if "ben" in ids else set()
    assert found("Encounter", "subject:Patient.identifier:of-type", value) == visits


def test_what_a_list_holds() -> None:
    assert found("Patient", "_list", "watched") == {"ben"}
    assert found("Patient", "_list", "nothing,watched") == {"ben"}
    assert found("Patient", "_list", "nothing") == set()
    assert found("Encounter", "_list", "watched") == set()
