import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.summary import summarise
from careledger.fhir.synthetic.population import population


def line(**resource: object) -> tuple[str, str, str, str]:
    found = summarise(json.dumps(resource).encode())
    return found.kind, found.date, found.title, found.value


def test_a_result_says_what_was_measured_and_how_much() -> None:
    assert line(
        resourceType="Observation",
        effectiveDateTime="2025-03-01T09:00:00Z",
        code={"coding": [{"display": "Hemoglobin A1c"}]},
        valueQuantity={"value": 7.1, "unit": "%"},
    ) == ("Result", "2025-03-01T09:00:00Z", "Hemoglobin A1c", "7.1 %")


def test_a_blood_pressure_says_both_values() -> None:
    part = {"code": {"text": "Systolic"}, "valueQuantity": {"value": 120, "unit": "mmHg"}}
    assert line(resourceType="Observation", code={"text": "BP"}, component=[part])[3] == (
        "Systolic 120 mmHg"
    )


def test_a_medication_says_how_to_take_it() -> None:
    assert line(
        resourceType="MedicationRequest",
        authoredOn="2024-01-02",
        medicationCodeableConcept={"text": "Metformin 500 MG"},
        dosageInstruction=[{"text": "twice a day"}],
    ) == ("Medication", "2024-01-02", "Metformin 500 MG", "twice a day")


def test_a_person_is_named() -> None:
    name = [{"given": ["Ana", "Maria"], "family": "Rivera"}]
    assert line(resourceType="Patient", name=name)[2] == "Ana Maria Rivera"


def test_every_generated_resource_has_a_title() -> None:
    for bundle in population(7, 2):
        for entry in json.loads(bundle.body)["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] not in {"Organization", "Practitioner", "PractitionerRole"}:
                found = summarise(json.dumps(resource).encode())
                assert found.title, resource["resourceType"]
                assert found.kind


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
names = st.sampled_from(
    ["resourceType", "id", "code", "name", "component", "valueQuantity", "period", "text"]
)


@given(st.dictionaries(names, values))
def test_whatever_it_is_it_is_summarised(resource: dict[str, object]) -> None:
    summarise(json.dumps(resource).encode())


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match="object"):
        summarise(b"[]")
