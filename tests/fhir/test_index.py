"""Facts: what search and consent learn of a resource."""

import json
from datetime import UTC, datetime
from typing import Any  # JSON documents are built as they come

import msgspec
import pytest

from careledger.fhir.compartment import patients
from careledger.fhir.dates import EARLIEST, LATEST
from careledger.fhir.index import Facts, extract
from careledger.fhir.r4.search import ELEMENTS
from careledger.fhir.resource import Resource, decoder, parse_resource
from careledger.fhir.search.extract import values
from careledger.fhir.search.table import ALL, SMALL
from careledger.fhir.search.values import decode_values, encode_values

Json = dict[str, Any]  # as decoded
LOINC = "http://loinc.org"
WEIGHT = {"text": "weight"}
NOON = "2024-05-01T12:00:00Z"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def resource(type_: str, **members: object) -> Resource:
    names = {name.removesuffix("_"): value for name, value in members.items()}
    return parse_resource(json.dumps({"resourceType": type_, **names}).encode())


def concept(*codes: str, system: str = LOINC) -> Json:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def ref(text: str) -> Json:
    return {"reference": text}


def test_everything_indexable_about_an_observation() -> None:
    weight = resource(
        "Observation",
        id="w1",
        meta={
            "lastUpdated": "2024-05-02T00:00:00.123+02:00",
            "security": [{"system": "urn:labels", "code": "R"}],
        },
        identifier=[{"system": "urn:lab", "value": "77"}, {"value": "78"}],
        status="final",
        category=[concept("laboratory", system="urn:category"), {"text": "only text"}],
        code={"coding": [{"system": LOINC, "code": "29463-7"}, {"code": "weight"}]},
        subject=ref("Patient/ana"),
        encounter=ref("Encounter/e1"),
        effectiveDateTime="2024-05-01T10:00:00-04:00",
        performer=[ref("Practitioner/cho"), ref("Organization/b"), ref("Practitioner/cho")],
    )
    assert extract(weight) == Facts(
        type="Observation",
        id="w1",
        patients=("ana",),
        codes=((LOINC, "29463-7"), ("", "weight")),
        categories=(("urn:category", "laboratory"),),
        labels=(("urn:labels", "R"),),
        start=at("2024-05-01T14:00:00"),
        end=at("2024-05-01T14:00:00"),
        last_updated=at("2024-05-01T22:00:00"),
        authors=("Practitioner/cho", "Organization/b"),
        encounter="Encounter/e1",
        identifiers=(("urn:lab", "77"), ("", "78")),
        values=encode_values(values(weight, ALL)),
    )


@pytest.mark.parametrize(
    ("one", "codes"),
    [
        (
            resource(
                "Immunization",
                status="completed",
                vaccineCode=concept("140"),
                patient=ref("Patient/ana"),
                occurrenceDateTime="2024",
            ),
            ((LOINC, "140"),),
        ),
        (
            resource(
                "MedicationRequest",
                status="active",
                intent="order",
                medicationCodeableConcept=concept("617314"),
                subject=ref("Patient/ana"),
            ),
            ((LOINC, "617314"),),
        ),
        (
            resource(
                "AllergyIntolerance",
                patient=ref("Patient/ana"),
                code=concept("peanut"),
                reaction=[{"substance": concept("nut"), "manifestation": [{"text": "rash"}]}],
            ),
            ((LOINC, "peanut"), (LOINC, "nut")),
        ),
        (resource("Patient", id="ana"), ()),
    ],
)
def test_codes_come_from_the_official_element(one: Resource, codes: tuple[object, ...]) -> None:
    assert extract(one).codes == codes


def test_an_encounter_is_found_by_type_and_class() -> None:
    visit = resource(
        "Encounter",
        status="finished",
        class_={"system": "urn:act", "code": "AMB"},
        type=[concept("185345009")],
        participant=[{"individual": ref("Practitioner/cho")}],
        period={"start": "2024-01-01T00:00:00Z", "end": "2024-01-01T01:00:00Z"},
    )
    facts = extract(visit)
    assert facts.codes == ((LOINC, "185345009"),)
    assert facts.categories == (("urn:act", "AMB"),)
    assert facts.authors == ("Practitioner/cho",)
    assert (facts.start, facts.end) == (at("2024-01-01T00:00:00"), at("2024-01-01T01:00:00"))


@pytest.mark.parametrize(
    ("when", "start", "end"),
    [
        ({"effectiveDateTime": "2020"}, at("2020-01-01"), at("2020-12-31T23:59:59")),
        ({"effectiveDateTime": "2020-02"}, at("2020-02-01"), at("2020-02-29T23:59:59")),
        ({"effectiveDateTime": "2020-05-31"}, at("2020-05-31"), at("2020-05-31T23:59:59")),
        ({"effectiveInstant": "2016-12-31T23:59:60Z"}, at("2016-12-31T23:59:59"), None),
        ({"effectiveDateTime": "2023-02-29"}, at("2023-02-28"), at("2023-02-28T23:59:59")),
        ({"effectivePeriod": {"start": "2020-05"}}, at("2020-05-01"), LATEST),
        ({"effectivePeriod": {"end": "2020-05"}}, EARLIEST, at("2020-05-31T23:59:59")),
        (
            {"effectiveTiming": {"event": ["2020-01-02", "2020-01-01"]}},
            at("2020-01-01"),
            at("2020-01-02T23:59:59"),
        ),
        (
            {"effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2020", "end": "2021"}}}},
            at("2020-01-01"),
            at("2021-12-31T23:59:59"),
        ),
    ],
)
def test_a_date_spans_what_was_written(when: Json, start: int, end: int | None) -> None:
    facts = extract(resource("Observation", status="final", code=WEIGHT, **when))
    assert (facts.start, facts.end) == (start, start if end is None else end)


def test_no_date_is_no_date() -> None:
    for members in ({}, {"effectivePeriod": {"id": "p"}}):
        facts = extract(resource("Observation", status="final", code=WEIGHT, **members))
        assert (facts.start, facts.end) == (None, None)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (
            resource("Patient", id="ana", link=[{"other": ref("Patient/a2"), "type": "refer"}]),
            ("ana", "a2"),
        ),
        (
            resource(
                "Observation",
                status="final",
                code=WEIGHT,
                performer=[ref("Patient/ben")],
                subject=ref("Patient/ana"),
            ),
            ("ana", "ben"),
        ),
        (
            resource(
                "Coverage",
                status="active",
                payor=[ref("Organization/p")],
                subscriber=ref("Patient/ben"),
                beneficiary=ref("Patient/ana"),
            ),
            ("ana", "ben"),
        ),
        (resource("Task", status="draft", intent="order", for_=ref("Patient/ana")), ("ana",)),
        (
            resource(
                "Appointment",
                status="booked",
                participant=[
                    {"actor": ref("Practitioner/cho"), "status": "accepted"},
                    {"actor": ref("Patient/ana"), "status": "accepted"},
                ],
            ),
            ("ana",),
        ),
        (resource("Condition", subject=ref("Patient/ana/_history/3")), ("ana",)),
        (resource("Condition", subject=ref("https://b.example/fhir/Patient/ana")), ()),
        (resource("Condition", subject={"display": "Ana"}), ()),
        (resource("Condition", subject=ref("Group/g")), ()),
        (resource("Device", patient=ref("Patient/ana")), ("ana",)),
        (resource("Practitioner", id="cho"), ()),
        (resource("Medication", id="m"), ()),
    ],
)
def test_whose_a_resource_is(one: Resource, expected: tuple[str, ...]) -> None:
    assert patients(one) == expected


def test_the_index_set_decides_on_values_and_on_nothing_that_consent_asks_for() -> None:
    smoking = resource("Observation", id="s", status="final", code=concept("72166-2"), issued=NOON)
    small = extract(smoking, SMALL)
    assert set(decode_values(small.values).tokens) == {"code", "status"}
    assert "combo-code" in decode_values(extract(smoking, ALL).values).tokens
    assert small == msgspec.structs.replace(extract(smoking), values=small.values)


@pytest.mark.parametrize("type_", sorted(ELEMENTS))
def test_every_path_leads_through_elements_that_there_are(type_: str) -> None:
    paths = [path for found in ELEMENTS[type_] if isinstance(found, tuple) for path in found]
    members = {field.name for field in msgspec.structs.fields(decoder(type_).type)}
    assert {path.partition(".")[0] for path in paths} <= members
