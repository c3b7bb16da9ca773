"""The International Patient Summary: sections, what is newest, and what is never claimed."""

import json
from typing import Any

from careledger.fhir.patient_summary import Heading, Piece, summary_document
from careledger.fhir.validate.validator import validate

HEADING = Heading(
    id="6b1c1f5e-6f4b-4f0f-9d5c-0c2c8f2d1a11",
    made="2026-11-22T12:00:00Z",
    author="riverside",
    notice="This may be incomplete: do not infer that anything is absent.",
)
PATIENT = {"resourceType": "Patient", "id": "1", "name": [{"family": "<Mills>"}]}
VITAL = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs",
        }
    ]
}


def piece(content: dict[str, Any], order: int = 0) -> Piece:
    url = f"https://a.test/fhir/{content['resourceType']}/{content['id']}"
    return Piece(url, json.dumps(content).encode(), order)


def made(*record: Piece) -> dict[str, Any]:
    document = summary_document(piece(PATIENT), record, HEADING)
    errors = [one for one in validate(document) if one.severity == "error"]
    assert errors == []
    found: dict[str, Any] = json.loads(document)
    return found


def sections(document: dict[str, Any]) -> dict[str, list[str]]:
    return {
        one["title"]: [entry["reference"].split("/fhir/")[1] for entry in one.get("entry", ())]
        for one in document["entry"][0]["resource"]["section"]
    }


def condition(id_: str, status: str) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {
        "resourceType": "Condition",
        "id": id_,
        "clinicalStatus": {"coding": [{"system": system, "code": status}]},
        "code": {"text": f"Condition <{id_}>"},
        "subject": {"reference": "Patient/1"},
    }


def pulse(id_: str, code: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "category": [VITAL],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
    }


def test_an_empty_record_claims_no_absence() -> None:
    document = made()
    assert sections(document) == {
        "Medication summary": [],
        "Allergies and intolerances": [],
        "Problem list": [],
    }
    composition = document["entry"][0]["resource"]
    for one in composition["section"]:
        assert one["emptyReason"]["coding"][0]["code"] == "unavailable"
        assert "do not infer" in one["text"]["div"]
    assert [one["resource"]["resourceType"] for one in document["entry"]] == [
        "Composition",
        "Patient",
    ]


def test_problems_past_and_present() -> None:
    found = sections(made(piece(condition("a", "active")), piece(condition("b", "resolved"))))
    assert found["Problem list"] == ["Condition/a"]
    assert found["Past problems"] == ["Condition/b"]


def test_of_each_vital_sign_the_newest() -> None:
    record = [piece(pulse("old", "8867-4"), 10), piece(pulse("new", "8867-4"), 20)]
    document = made(*record, piece(pulse("other", "8310-5"), 5))
    assert sections(document)["Vital signs"] == ["Observation/new", "Observation/other"]
    ids = {one["resource"]["id"] for one in document["entry"][1:]}
    assert ids == {"1", "new", "other"}


def test_what_was_an_error_is_left_out_and_numbers_stay_as_written() -> None:
    wrong = pulse("wrong", "8867-4") | {"status": "entered-in-error"}
    right = json.dumps(pulse("right", "8867-4")).encode()
    exact = right.replace(b'"status"', b'"valueQuantity": {"value": 72.00}, "status"')
    url = "https://a.test/fhir/Observation/right"
    document = summary_document(piece(PATIENT), [piece(wrong, 9), Piece(url, exact, 1)], HEADING)
    assert b"72.00" in document
    assert b"wrong" not in document


def test_narratives_are_escaped() -> None:
    document = made(piece(condition("a", "active")))
    assert "Condition &lt;a&gt;" in document["entry"][0]["resource"]["section"][2]["text"]["div"]
