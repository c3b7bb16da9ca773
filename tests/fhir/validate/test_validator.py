"""What `$validate` finds: counts, slices, codes, types, fixed values and invariants."""

import bz2
import gzip
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.errors import FhirError
from careledger.fhir.validate.findings import outcome
from careledger.fhir.validate.invariants import holds
from careledger.fhir.validate.library import Rule, library
from careledger.fhir.validate.validator import MOST, validate
from tools import generate_fhir_profiles

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def found(content: dict[str, Any], *profiles: str) -> set[tuple[str, str]]:
    """Severity and place of everything but the advice to write a narrative."""
    findings = validate(json.dumps(content).encode(), [US_CORE + one for one in profiles])
    return {(one.severity, one.place) for one in findings if "dom-6" not in one.text}


def pressure(**changed: Any) -> dict[str, Any]:
    """A blood pressure that keeps US Core's profile."""
    components = [
        {
            "code": {"coding": [{"system": LOINC, "code": code}]},
            "valueQuantity": {"value": value, "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"},
        }
        for code, value in (("8480-6", 120), ("8462-4", 80))
    ]
    good: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": "vital-signs"}]}],
        "code": {"coding": [{"system": LOINC, "code": "85354-9"}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-01-01",
        "component": components,
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


ANA: dict[str, Any] = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:x", "value": "1"}],
    "name": [{"family": "Mills", "given": ["Ana"]}],
    "gender": "female",
}


def test_keeps_the_profile() -> None:
    assert found(pressure(), "us-core-blood-pressure") == set()
    assert found(ANA, "us-core-patient") == set()


def test_every_profile_asked_for_or_claimed_is_held_against() -> None:
    claims = {**ANA, "meta": {"profile": [US_CORE + "us-core-patient"]}, "gender": None}
    del claims["gender"]
    assert found(claims) == {("error", "Patient.gender")}
    assert found({"resourceType": "Patient"}) == set()


@pytest.mark.parametrize(
    ("inside", "kept"),
    [
        ({"valueString": "x"}, True),
        ({"_valueString": {"extension": [{"url": "urn:y", "valueCode": "y"}]}}, True),
        ({"extension": [{"url": "y", "valueCode": "y"}]}, True),
        ({"valueString": "x", "extension": [{"url": "y", "valueCode": "y"}]}, False),
        ({}, False),
    ],
)
def test_an_extension_has_a_value_or_extensions_and_not_both(
    inside: dict[str, Any], kept: object
) -> None:
    said = found({"resourceType": "Patient", "extension": [{"url": "urn:x", **inside}]})
    assert (said == set()) is kept


def test_counts() -> None:
    assert found(pressure(subject=None), "us-core-blood-pressure") == {
        ("error", "Observation.subject")
    }


def test_slices_by_pattern() -> None:
    one = pressure()["component"][:1]
    assert found(pressure(component=one), "us-core-blood-pressure") == {
        ("error", "Observation.component"),
        ("error", "Observation.component:diastolic"),
    }
    other = [{"coding": [{"system": CATEGORY, "code": "laboratory"}]}]
    assert found(pressure(category=other), "us-core-vital-signs") == {
        ("error", "Observation.category:VSCat")
    }


def test_what_is_in_a_slice() -> None:
    components = pressure()["component"]
    components[0]["valueQuantity"]["code"] = "kPa"
    wrong = ("error", "Observation.component[0].value.code")
    assert wrong in found(pressure(component=components), "us-core-blood-pressure")


def test_a_type_the_profile_does_not_allow() -> None:
    components = pressure()["component"]
    components[0] = {**components[0], "valueString": "high"}
    del components[0]["valueQuantity"]
    assert ("error", "Observation.component[0].valueString") in found(
        pressure(component=components), "us-core-blood-pressure"
    )


def test_where_references_may_lead() -> None:
    elsewhere = pressure(subject={"reference": "Group/1"})
    assert found(elsewhere) == set()
    assert found(elsewhere, "us-core-blood-pressure") == {("error", "Observation.subject")}


def test_extensions_by_their_profile() -> None:
    race = {
        "url": US_CORE + "us-core-race",
        "extension": [
            {
                "url": "ombCategory",
                "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3"},
            },
            {"url": "text", "valueString": "White"},
        ],
    }
    unknown = ("information", "Patient.extension[0].extension[0].value")  # of VSAC, not here
    assert found({**ANA, "extension": [race]}, "us-core-patient") == {unknown}
    untold = {**race, "extension": race["extension"][:1]}
    assert ("error", "Patient.extension[0].extension:text") in found({**ANA, "extension": [untold]})


def test_codes_that_must_and_that_should_be_of_a_value_set() -> None:
    status = {"coding": [{"system": "urn:x", "code": "ongoing"}]}
    condition = {"resourceType": "Condition", "subject": {"reference": "Patient/1"}}
    with pytest.raises(FhirError):
        found({**condition, "clinicalStatus": status})
    odd = {"coding": [{"system": "urn:x", "code": "odd"}]}
    assert found(pressure(dataAbsentReason=odd)) == {("warning", "Observation.dataAbsentReason")}
    smoking = pressure(
        status="preliminary",
        category=[{"coding": [{"system": CATEGORY, "code": "social-history"}]}],
        code={"coding": [{"system": LOINC, "code": "72166-2"}]},
        component=None,
        valueCodeableConcept={"text": "never"},
    )
    assert ("error", "Observation.status") in found(smoking, "us-core-smokingstatus")


@pytest.mark.parametrize(
    ("content", "place", "key"),
    [
        (
            {"resourceType": "Patient", "contact": [{"gender": "male"}]},
            "Patient.contact[0]",
            "pat-1",
        ),
        (
            {
                "resourceType": "Encounter",
                "status": "finished",
                "class": {"code": "AMB"},
                "period": {"start": "2020-01-02", "end": "2020-01-01"},
            },
            "Encounter.period",
            "per-1",
        ),
        (
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "x"},
                "valueQuantity": {"value": 1, "code": "kg"},
            },
            "Observation.value",
            "qty-3",
        ),
        (
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"text": "x"},
                "referenceRange": [{"age": {"low": {"value": 1}}}],
            },
            "Observation.referenceRange[0]",
            "obs-3",
        ),
        (
            {
                "resourceType": "Basic",
                "code": {"text": "x"},
                "contained": [{"resourceType": "Basic", "id": "a", "code": {"text": "x"}}],
            },
            "Basic",
            "dom-3",
        ),
        (
            {
                "resourceType": "RiskAssessment",
                "status": "final",
                "subject": {"reference": "Patient/1"},
                "prediction": [
                    {"probabilityRange": {"low": {"value": 9}, "high": {"value": 3}}},
                ],
            },
            "RiskAssessment.prediction[0].probability",
            "rng-2",
        ),
        (
            {
                "resourceType": "CodeSystem",
                "status": "active",
                "content": "complete",
                "concept": [{"code": "a", "concept": [{"code": "a"}]}],
            },
            "CodeSystem",
            "csd-1",
        ),
    ],
)
def test_invariants(content: dict[str, Any], place: str, key: str) -> None:
    findings = validate(json.dumps(content).encode())
    assert (place, key) in {(one.place, one.text.partition(":")[0]) for one in findings}


@pytest.mark.parametrize(
    ("div", "rule"),
    [
        ("<script>alert(1)</script>", "txt-1"),
        ("<p onclick='x()'>x</p>", "txt-1"),
        ("<a href='javascript:x()'>x</a>", "txt-1"),
        ("<iframe src='x'/>", "txt-1"),
        ("<p>  &#160; </p>", "txt-2"),
    ],
)
def test_narratives(div: str, rule: str) -> None:
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>'}
    findings = validate(json.dumps({"resourceType": "Patient", "text": text}).encode())
    assert rule in {one.text.partition(":")[0] for one in findings}
    text["div"] = '<div xmlns="http://www.w3.org/1999/xhtml">a<br/><b title="x">c</b></div>'
    assert found({"resourceType": "Patient", "text": text}) == set()


def test_what_cannot_be_decided_is_said() -> None:
    rule = Rule("new-1", "error", "Something", "conformsTo('x')")
    assert holds(rule, {}, {}, "Patient") is None


def test_evaluating_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    rule = Rule("new-2", "error", "Something", "trace('a').exists()")
    assert holds(rule, {"a": 1}, {}, "Patient") is True
    assert capsys.readouterr() == ("", "")


def test_unknown_profiles() -> None:
    assert found(ANA, "no-such") == {("error", "Patient")}
    assert found({**ANA, "meta": {"profile": ["http://example.org/x"]}}) == {
        ("information", "Patient.meta.profile")
    }
    assert found(ANA, "us-core-condition-problems-health-concerns") == {
        ("error", "Patient.meta.profile")
    }


def test_there_is_an_end_to_findings() -> None:
    contacts = [{"gender": "male"}] * (MOST + 100)
    content = {"resourceType": "Patient", "contact": contacts}
    assert len(validate(json.dumps(content).encode())) == MOST


def test_resources_in_resources_are_held_against_r4() -> None:
    inner = {"resourceType": "Patient", "contact": [{"gender": "male"}]}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}]}
    assert ("error", "Bundle.entry[0].resource.contact[0]") in found(bundle)


def test_every_expression_can_be_read(shared_data: Path) -> None:
    """Each invariant of R4 is decided for each official example that has such an element."""
    undecided = set[str]()
    for path in sorted((shared_data / "conformance" / "r4-examples").glob("*.json")):
        try:
            findings = validate(path.read_bytes())
        except FhirError:
            continue  # three of the examples are wrong on purpose; see test_models
        undecided |= {one.text for one in findings if "was not decided" in one.text}
    assert undecided == set()


def test_official_examples_keep_what_r4_says(shared_data: Path) -> None:
    wrong = set[tuple[str, str]]()
    for path in sorted((shared_data / "conformance" / "r4-examples").glob("*.json")):
        try:
            findings = validate(path.read_bytes())
        except FhirError:
            continue
        wrong |= {(path.name, one.text[:5]) for one in findings if one.severity == "error"}
    assert wrong == {("codesystem-example.json", "csd-1")}  # it lists chol-mass twice


def test_synthea_keeps_us_core_but_for_the_category_of_smoking(shared_data: Path) -> None:
    wrong = set[str]()
    for path in sorted((shared_data / "synthea").glob("[1-9]*.bz2"))[:2]:
        for entry in json.loads(bz2.decompress(path.read_bytes()))["entry"]:
            findings = validate(json.dumps(entry["resource"]).encode())
            wrong |= {one.place for one in findings if one.severity == "error"}
    assert wrong <= {"Observation.category:SocialHistory"}  # 6.1 asks for it, 3.1 did not


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(sorted(pressure())), JSON))
def test_whatever_comes_is_answered_or_refused(changes: dict[str, Any]) -> None:
    content = {**pressure(), **changes, "resourceType": "Observation"}
    try:
        findings = validate(json.dumps(content).encode(), [US_CORE + "us-core-blood-pressure"])
    except FhirError:
        return
    assert json.loads(outcome(findings))["resourceType"] == "OperationOutcome"


def test_definitions() -> None:
    shelf = library()
    patient = shelf.profile(US_CORE + "us-core-patient|6.1.0")
    assert patient is not None
    assert patient.type == "Patient"
    assert shelf.profile(US_CORE + "us-core-patient|7.0.0") is None
    assert shelf.of_type("Patient") is not patient


def test_the_generator_writes_what_is_committed(shared_data: Path, tmp_path: Path) -> None:
    """Compared unpacked: another zlib packs the same content into other bytes."""
    generate_fhir_profiles.main(shared_data / "fhir-spec", tmp_path)
    committed = files("careledger.fhir.validate") / "definitions"
    for made in tmp_path.iterdir():
        kept = (committed / made.name).read_bytes()
        assert gzip.decompress(made.read_bytes()) == gzip.decompress(kept)
