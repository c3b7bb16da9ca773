"""What goes out: outcomes, capability statement and response bundles are valid R4 themselves."""

import json

import pytest

from careledger.fhir.bundle import resources_in
from careledger.fhir.capability import Operation, Served, capability_statement
from careledger.fhir.errors import FhirError, InvalidResource, PatchFailed, TooLarge
from careledger.fhir.outcome import operation_outcome, outcome_of
from careledger.fhir.resource import parse_resource
from careledger.fhir.responses import Answer, Found, collection, response_bundle, searchset
from careledger.fhir.search.table import SMALL

ODD = b'{ "resourceType":"Basic", "code":{"text":"\\u00e9 1.00"} ,"id" : "a"}'


def errors(kind: type[FhirError]) -> list[type[FhirError]]:
    """`kind` and those below it in this room; other rooms have errors of their own."""
    here = [below for below in kind.__subclasses__() if below.__module__ == FhirError.__module__]
    return [kind, *(error for below in here for error in errors(below))]


@pytest.mark.parametrize("kind", errors(FhirError))
def test_every_error_has_an_outcome_that_is_valid(kind: type[FhirError]) -> None:
    content = outcome_of(kind("this element", "Patient.name"))
    assert parse_resource(content).type == "OperationOutcome"
    [issue] = json.loads(content)["issue"]
    assert issue["expression"] == ["Patient.name"]
    assert kind.status == {TooLarge: 413, PatchFailed: 422}.get(kind, 400)


def test_an_outcome_without_a_place_names_none() -> None:
    [issue] = json.loads(outcome_of(InvalidResource("one document")))["issue"]
    assert "expression" not in issue
    plain = operation_outcome("not-found", "no such resource")
    assert parse_resource(plain).type == "OperationOutcome"


def test_the_capability_statement_claims_what_was_declared() -> None:
    everything = "http://hl7.org/fhir/OperationDefinition/Patient-everything"
    content = capability_statement(
        Served(
            base_url="https://a.example/fhir",
            software="CareLedger",
            version="0.1.0",
            date="2026-01-01",
            types=("Condition", "Patient"),
            indexed=SMALL,
            interactions=("read", "search-type"),
            on_system=("transaction",),
            operations=(Operation("everything", everything, ("Patient",)),),
        )
    )
    assert parse_resource(content).type == "CapabilityStatement"
    [rest] = json.loads(content)["rest"]
    condition, patient = rest["resource"]
    assert [one["code"] for one in patient["interaction"]] == ["read", "search-type"]
    assert patient["operation"] == [{"name": "everything", "definition": everything}]
    assert "operation" not in condition
    assert patient["searchRevInclude"] == ["Condition:patient", "Condition:subject"]
    assert condition["searchInclude"] == [
        "Condition:encounter",
        "Condition:patient",
        "Condition:subject",
    ]
    names = {one["name"] for one in condition["searchParam"]}
    assert {"_id", "patient", "code", "category", "onset-date"} <= names
    assert "evidence" not in names  # of what is not indexed nothing is claimed
    assert rest["interaction"] == [{"code": "transaction"}]


def test_found_resources_go_out_as_they_came_in() -> None:
    found = [Found("https://a.example/fhir/Basic/a", ODD)]
    page = searchset(found, total=7, self_url="https://a.example/x", next_url="https://a.example/y")
    assert ODD in page
    assert resources_in(page) == (ODD,)
    assert parse_resource(page).type == "Bundle"
    assert resources_in(collection(found, timestamp="2026-01-01T00:00:00Z")) == (ODD,)
    empty = searchset([], total=0, self_url="https://a.example/x")
    assert parse_resource(empty).type == "Bundle"
    assert "entry" not in json.loads(empty)


def test_the_answer_to_a_transaction_keeps_order_and_bytes() -> None:
    answers = [
        Answer("201 Created", "Basic/a/_history/1", 'W/"1"', "2026-01-01T00:00:00Z"),
        Answer("200 OK", resource=ODD),
        Answer("404 Not Found", outcome=operation_outcome("not-found", "no such resource")),
    ]
    content = response_bundle("transaction", answers)
    assert parse_resource(content).type == "Bundle"
    assert resources_in(content) == (ODD,)
    statuses = [entry["response"]["status"] for entry in json.loads(content)["entry"]]
    assert statuses == ["201 Created", "200 OK", "404 Not Found"]
