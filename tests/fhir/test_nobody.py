"""A resource about nobody names no person, however it could; nobody's word for it is taken."""

import json
from typing import Any

import pytest

from careledger.fhir.nobody import OWN_TYPES, nobodys
from careledger.fhir.r4.registry import MODULES
from careledger.fhir.resource import parse_resource
from careledger.vault.deposit import DIRECTORY_TYPES

CODE = {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]}


def said(type_: str, **members: Any) -> tuple[str, ...] | None:
    return nobodys(parse_resource(json.dumps({"resourceType": type_, **members}).encode()))


def measured(**members: Any) -> tuple[str, ...] | None:
    return said("Observation", status="final", code=CODE, **members)


def to(reference: str) -> dict[str, str]:
    return {"reference": reference}


def test_what_it_refers_to_is_known_by_type_and_id() -> None:
    assert measured() == ()
    device, member = to("Device/d1"), to("Observation/o1/_history/2")
    assert measured(subject=device, hasMember=[member]) == ("Device/d1", "Observation/o1")
    who = {"type": "Practitioner", "display": "Dr Cho"}
    assert measured(performer=[who]) == ()
    assert measured(performer=[to("https://other.example/fhir/Practitioner/1")]) == ()


@pytest.mark.parametrize(
    "members",
    [
        {"subject": to("Patient/p1")},
        {"subject": to("Patient/p1/_history/3")},
        {"subject": to("https://other.example/fhir/Patient/p1")},
        {"subject": to("Group/g1")},
        {"subject": {"identifier": {"system": "urn:mrn", "value": "1"}}},
        {"subject": {"display": "Ana"}},
        {"subject": {"type": "Patient", "display": "Ana"}},
        {"subject": to("#p"), "contained": [{"resourceType": "Patient", "id": "p"}]},
        {"contained": [{"resourceType": "Person", "id": "p"}]},
        {"performer": [{"display": "Ana or Dr Cho"}]},
        {"performer": [to("RelatedPerson/r1")]},
        {"focus": [to("Patient/p1")]},
        {"focus": [{"type": "Patient", "identifier": {"value": "1"}}]},
        {"extension": [{"url": "urn:x", "valueReference": to("Patient/p1")}]},
        {"extension": [{"url": "urn:x", "valueUri": "https://here.example/fhir/Patient/p1"}]},
        {"extension": [{"url": "urn:x", "valueString": "Patient/p1"}]},
        {"note": [{"text": "x", "authorReference": to("Patient/p1")}]},
        {
            "device": to("#d"),
            "contained": [{"resourceType": "Device", "id": "d", "patient": to("Patient/p1")}],
        },
    ],
)
def test_a_person_in_any_place_makes_it_somebodys(members: dict[str, Any]) -> None:
    assert measured(**members) is None


def test_what_an_organisation_publishes_may_speak_of_groups_but_not_of_people() -> None:
    study = {"status": "active", "enrollment": [to("Group/g1")]}
    assert said("ResearchStudy", **study) == ("Group/g1",)
    assert said("Organization", contact=[{"name": {"text": "Desk"}}]) == ()
    other = {"extension": [{"url": "urn:x", "valueReference": to("Patient/p1")}]}
    assert said("Organization", name="Ward", **other) is None


def test_every_type_has_one_place() -> None:
    assert set(MODULES) >= OWN_TYPES
    assert set(MODULES) >= DIRECTORY_TYPES
    assert not OWN_TYPES & DIRECTORY_TYPES
    left = {"Patient", "Condition", "Encounter", "Consent", "Claim", "AllergyIntolerance"}
    assert not left & (OWN_TYPES | DIRECTORY_TYPES)
