"""What the search knows of a resource: one case per kind of value, and the odd paths."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any  # JSON documents are built as they come

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.dates import EARLIEST, LATEST
from careledger.fhir.errors import InvalidResource
from careledger.fhir.resource import Resource, parse_resource
from careledger.fhir.search.extract import values
from careledger.fhir.search.table import ALL, SMALL, parameters
from careledger.fhir.search.values import (
    QuantityValue,
    ReferenceValue,
    TokenValue,
    Values,
    decode_values,
    encode_values,
)

LOINC = "http://loinc.org"
WEIGHT = {"coding": [{"system": LOINC, "code": "29463-7", "display": "Body weight"}]}
OBSERVATION: dict[str, Any] = {"status": "final", "code": WEIGHT}
FIELDS = ("strings", "tokens", "references", "dates", "numbers", "quantities", "uris", "composites")


def resource(type_: str, members: Mapping[str, object]) -> Resource:
    return parse_resource(json.dumps({"resourceType": type_, "id": "x", **members}).encode())


def read(type_: str, code: str, members: Mapping[str, object]) -> tuple[Any, ...]:
    """The values of one parameter, whatever its kind."""
    found = values(resource(type_, members), ALL)
    return next((slot[code] for name in FIELDS if code in (slot := getattr(found, name))), ())


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def patient(text: str) -> dict[str, Any]:
    return {"subject": {"reference": text}}


ANA = {
    "name": [{"text": "Ana Roe", "family": "Roe", "given": ["Ana", "Maria"], "prefix": ["Dr"]}],
    "address": [{"line": ["1 High St"], "city": "Ely", "postalCode": "CB7", "country": "GB"}],
}


@pytest.mark.parametrize(
    ("type_", "code", "members", "expected"),
    [
        ("Patient", "name", ANA, ("Ana Roe", "Roe", "Ana", "Maria", "Dr")),
        ("Patient", "phonetic", ANA, ("Ana Roe", "Roe", "Ana", "Maria", "Dr")),
        ("Patient", "given", ANA, ("Ana", "Maria")),
        ("Patient", "address", ANA, ("Ely", "CB7", "GB", "1 High St")),
        ("Patient", "address-city", ANA, ("Ely",)),
        ("Observation", "value-string", OBSERVATION | {"valueString": "pale"}, ("pale",)),
        (
            "Observation",
            "value-string",
            OBSERVATION | {"valueCodeableConcept": {"text": "pale"}},
            ("pale",),
        ),
        (
            "InsurancePlan",
            "name",
            {"identifier": [{"value": "1"}], "name": "Gold", "alias": ["Au"]},
            ("Gold", "Au"),
        ),
    ],
)
def test_strings(
    type_: str, code: str, members: Mapping[str, object], expected: tuple[str, ...]
) -> None:
    assert read(type_, code, members) == expected


LABELLED = {"meta": {"tag": [{"system": "urn:t", "code": "a", "display": "A"}]}}
NUMBERED = {
    "identifier": [{"system": "urn:mrn", "value": "7", "type": {"text": "MR"}}, {"value": "8"}]
}
REACHED = {
    "telecom": [
        {"system": "phone", "value": "555"},
        {"system": "email", "value": "a@b.example"},
        {"system": "fax"},
    ]
}
GENDER = "http://hl7.org/fhir/administrative-gender"


@pytest.mark.parametrize(
    ("type_", "code", "members", "expected"),
    [
        ("Observation", "code", OBSERVATION, (TokenValue(LOINC, "29463-7", "Body weight"),)),
        (
            "Observation",
            "code",
            OBSERVATION | {"code": {**WEIGHT, "text": "weight"}},
            (TokenValue(LOINC, "29463-7", "Body weight"), TokenValue("", "", "weight")),
        ),
        ("Observation", "code", OBSERVATION | {"code": {"text": "w"}}, (TokenValue("", "", "w"),)),
        ("Patient", "_tag", LABELLED, (TokenValue("urn:t", "a", "A"),)),
        (
            "Patient",
            "identifier",
            NUMBERED,
            (TokenValue("urn:mrn", "7", "MR"), TokenValue("", "8")),
        ),
        ("Patient", "phone", REACHED, (TokenValue("phone", "555"),)),
        ("Patient", "email", REACHED, (TokenValue("email", "a@b.example"),)),
        ("Patient", "active", {"active": False}, (TokenValue("", "false"),)),
        ("Patient", "gender", {"gender": "female"}, (TokenValue(GENDER, "female"),)),
        ("Patient", "deceased", {}, (TokenValue("", "false"),)),
        ("Patient", "deceased", {"deceasedBoolean": False}, (TokenValue("", "false"),)),
        ("Patient", "deceased", {"deceasedBoolean": True}, (TokenValue("", "true"),)),
        ("Patient", "deceased", {"deceasedDateTime": "2020"}, (TokenValue("", "true"),)),
        (
            "Observation",
            "gene-identifier",
            OBSERVATION
            | {
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/observation-geneticsGene",
                        "valueCodeableConcept": {"coding": [{"code": "HGNC:1100"}]},
                    },
                    {"url": "urn:other", "valueCodeableConcept": {"coding": [{"code": "no"}]}},
                ]
            },
            (TokenValue("", "HGNC:1100"),),
        ),
    ],
)
def test_tokens(
    type_: str, code: str, members: Mapping[str, object], expected: tuple[TokenValue, ...]
) -> None:
    assert read(type_, code, members) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patient/ana", ReferenceValue("Patient", "ana")),
        ("Patient/ana/_history/3", ReferenceValue("Patient", "ana", version="3")),
        (
            "https://b.example/r4/Patient/ana/_history/3",
            ReferenceValue("Patient", "ana", "https://b.example/r4/Patient/ana", "3"),
        ),
        ("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", None),
    ],
)
def test_references_of_every_form(text: str, expected: ReferenceValue | None) -> None:
    wanted = expected or ReferenceValue(url=text)
    assert read("Observation", "subject", OBSERVATION | patient(text)) == (wanted,)


def test_what_is_contained_is_no_value() -> None:
    assert read("Observation", "subject", OBSERVATION | patient("#p")) == ()


def test_a_reference_by_identifier_alone() -> None:
    members = {"subject": {"type": "Patient", "identifier": {"system": "urn:mrn", "value": "7"}}}
    named = ReferenceValue("Patient", identifier=TokenValue("urn:mrn", "7"))
    assert read("Observation", "subject", OBSERVATION | members) == (named,)
    assert read("Observation", "patient", OBSERVATION | members) == (named,)


def test_only_references_to_patients_are_the_patient() -> None:
    assert read("Observation", "patient", OBSERVATION | patient("Group/g")) == ()
    assert read("Observation", "subject", OBSERVATION | patient("Group/g")) != ()


def test_canonicals_have_a_version_and_are_kept_by_kind_of_relation() -> None:
    members = {
        "status": "active",
        "relatedArtifact": [
            {"type": "depends-on", "resource": "http://a.example/Library/l|2"},
            {"type": "successor", "resource": "http://a.example/Library/m"},
        ],
    }
    expected = (ReferenceValue(url="http://a.example/Library/l", version="2"),)
    assert read("ActivityDefinition", "depends-on", members) == expected


def test_the_first_resource_of_a_document() -> None:
    document = {
        "type": "document",
        "entry": [
            {"resource": {"resourceType": "Composition", "id": "c"} | COMPOSITION},
            {"resource": {"resourceType": "Patient", "id": "p"}},
        ],
    }
    assert read("Bundle", "composition", document) == (ReferenceValue("Composition", "c"),)
    assert read("Bundle", "message", document) == ()


COMPOSITION = {
    "status": "final",
    "type": {"text": "note"},
    "date": "2020",
    "author": [{"reference": "Practitioner/p"}],
    "title": "Note",
}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"effectiveDateTime": "2020-05"}, (at("2020-05-01"), at("2020-06-01") - 1)),
        ({"effectiveInstant": "2020-05-01T10:00:00.5Z"}, (at("2020-05-01T10:00:00"),) * 2),
        ({"effectivePeriod": {"start": "2020-05-01"}}, (at("2020-05-01"), LATEST)),
        ({"effectivePeriod": {"end": "2020-05-01"}}, (EARLIEST, at("2020-05-02") - 1)),
        (
            {"effectiveTiming": {"event": ["2020-05-03", "2020-05-01"]}},
            (at("2020-05-01"), at("2020-05-04") - 1),
        ),
        (
            {"effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2020", "end": "2021"}}}},
            (at("2020-01-01"), at("2022-01-01") - 1),
        ),
    ],
)
def test_dates_are_spans_and_timings_their_outer_limits(
    members: dict[str, Any], expected: tuple[int, int]
) -> None:
    assert read("Observation", "date", OBSERVATION | members) == (expected,)


def test_an_amount_keeps_its_digits() -> None:
    written = json.dumps(
        {"resourceType": "Observation", **OBSERVATION, "valueQuantity": {"value": 1, "code": "kg"}}
    ).replace('"value": 1', '"value": 72.500')
    found = values(parse_resource(written.encode()), ALL)
    assert found.quantities["value-quantity"] == (QuantityValue("72.500", code="kg"),)
    assert found.quantities["combo-value-quantity"] == (QuantityValue("72.500", code="kg"),)


@given(
    digits=st.from_regex(
        r"-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
    )
)
def test_every_number_is_found_as_it_was_written(digits: str) -> None:
    probability = json.dumps(
        {
            "resourceType": "RiskAssessment",
            "status": "final",
            "subject": {"reference": "Patient/ana"},
            "prediction": [{"qualitativeRisk": {"text": "?"}}, {"probabilityDecimal": "DIGITS"}],
        }
    ).replace('"DIGITS"', digits)
    found = values(parse_resource(probability.encode()), ALL)
    assert found.numbers["probability"] == (digits,)


SERIES = {"origin": {"value": 1.0, "unit": "mV"}, "period": 10, "dimensions": 1, "factor": 0.5}


@pytest.mark.parametrize(
    ("type_", "code", "members", "expected"),
    [
        (
            "Observation",
            "value-quantity",
            OBSERVATION | {"valueSampledData": SERIES | {"data": "2 E 4 3"}},
            (QuantityValue("2.0", unit="mV"), QuantityValue("3.0", unit="mV")),
        ),
        (
            "Observation",
            "value-quantity",
            OBSERVATION | {"valueSampledData": SERIES | {"lowerLimit": -2, "data": "L 4"}},
            (QuantityValue("0.0", unit="mV"), QuantityValue("3.0", unit="mV")),
        ),
        (
            "Observation",
            "value-quantity",
            OBSERVATION
            | {"valueQuantity": {"value": 5, "comparator": "<", "system": "urn:u", "code": "mg"}},
            (QuantityValue("5", "urn:u", "mg", "", "<"),),
        ),
        ("Observation", "value-quantity", OBSERVATION | {"valueQuantity": {"unit": "mg"}}, ()),
        (
            "Condition",
            "onset-age",
            patient("Patient/ana") | {"onsetRange": {"low": {"value": 3}, "high": {"value": 4.5}}},
            (QuantityValue("3"), QuantityValue("4.5")),
        ),
        (
            "Invoice",
            "totalnet",
            {"status": "issued", "totalNet": {"value": 9.9, "currency": "EUR"}},
            (QuantityValue("9.9", "urn:iso:std:iso:4217", "EUR", "EUR"),),
        ),
        (
            "MolecularSequence",
            "window-end",
            {"coordinateSystem": 0, "referenceSeq": {"windowEnd": 12}},
            ("12",),
        ),
        (
            "Location",
            "near",
            {"position": {"longitude": -83.69, "latitude": 42.2}},
            (Values(numbers={"0": ("42.2",), "1": ("-83.69",)}),),
        ),
        (
            "ValueSet",
            "url",
            {"status": "active", "url": "http://a.example/vs"},
            ("http://a.example/vs",),
        ),
        (
            "Patient",
            "_profile",
            {"meta": {"profile": ["http://a.example/p|1"]}},
            ("http://a.example/p|1",),
        ),
    ],
)
def test_amounts_numbers_places_and_uris(
    type_: str, code: str, members: Mapping[str, object], expected: tuple[object, ...]
) -> None:
    assert read(type_, code, members) == expected


PRESSURE = OBSERVATION | {
    "component": [
        {"code": {"coding": [{"code": "sys"}]}, "valueQuantity": {"value": 120}},
        {"code": {"coding": [{"code": "dia"}]}, "valueQuantity": {"value": 80}},
        {"code": {"coding": [{"code": "unknown"}]}},
    ]
}


def test_a_composite_pairs_what_stands_in_one_element() -> None:
    pairs = [
        Values(tokens={"0": (TokenValue("", code),)}, quantities={"1": (QuantityValue(value),)})
        for code, value in (("sys", "120"), ("dia", "80"))
    ]
    assert read("Observation", "component-code-value-quantity", PRESSURE) == tuple(pairs)
    assert read("Observation", "combo-code-value-quantity", PRESSURE) == tuple(pairs)
    assert read("Observation", "code-value-quantity", PRESSURE) == ()


def test_a_component_may_look_at_the_whole_resource() -> None:
    members = {
        "coordinateSystem": 0,
        "referenceSeq": {"chromosome": {"coding": [{"code": "1"}]}, "windowEnd": 9},
        "variant": [{"start": 3, "end": 4}, {"start": 5}],
    }
    assert read("MolecularSequence", "chromosome-variant-coordinate", members) == (
        Values(tokens={"0": (TokenValue("", "1"),)}, numbers={"1": ("3",), "2": ("4",)}),
    )


def test_the_small_set_is_a_part_of_everything() -> None:
    pressure = resource("Observation", PRESSURE | patient("Patient/ana"))
    small, everything = values(pressure, SMALL), values(pressure, ALL)
    for name in FIELDS:
        assert getattr(small, name).items() <= getattr(everything, name).items()
    assert set(small.tokens) == {"code", "status"}
    assert not small.composites


def test_the_official_examples_are_read_and_come_back_from_their_bytes(shared_data: Path) -> None:
    seen: set[str] = set()
    for file in sorted((shared_data / "conformance" / "r4-examples").glob("*.json")):
        try:
            example = parse_resource(file.read_bytes())
        except InvalidResource:
            continue  # it breaks a rule of R4: docs/explanation/fhir-models.md
        found = values(example, ALL)
        assert decode_values(encode_values(found)) == found
        for name in FIELDS:
            codes = {code.removesuffix(":of-type") for code in getattr(found, name)}
            assert codes <= parameters(example.type).keys()
            seen |= {f"{example.type}.{code}" for code in getattr(found, name)}
    assert len(seen) > 500


def test_a_long_array_is_read_in_order_and_as_a_tuple() -> None:
    """Tuples grown one by one once took 9 seconds for 20,000 components."""
    many = 4_000
    parts = [{"code": {"text": f"c{n}"}, "valueQuantity": {"value": n}} for n in range(many)]
    found = values(resource("Observation", OBSERVATION | {"component": parts}), ALL)
    amounts = found.quantities["component-value-quantity"]
    assert type(amounts) is tuple
    assert [amount.value for amount in amounts] == [str(n) for n in range(many)]
    assert len(found.composites["component-code-value-quantity"]) == many
    assert decode_values(encode_values(found)) == found
