"""Each kind of parameter, each modifier and prefix, by examples (FHIR R4 3.1.1.4)."""

import pytest

from careledger.fhir.search.engine import run
from careledger.fhir.search.operands import Setting
from careledger.fhir.search.parse import parse
from careledger.fhir.search.table import ALL
from tests.fhir.search.small_world import LOINC, Json, World, node

BASE = "https://north.example/fhir"
NOW = 1_600_000_000  # 13 September 2020

OBSERVATION: Json = {
    "resourceType": "Observation",
    "id": "w1",
    "status": "final",
    "meta": {"tag": [{"system": "urn:t", "code": "T"}], "profile": ["http://p.example/w"]},
    "identifier": [{"system": "urn:labs", "value": "A-1"}],
    "category": [{"coding": [{"code": "laboratory"}], "text": "Labor Écho"}],
    "code": {
        "coding": [
            {"system": LOINC, "code": "29463-7", "display": "Body weight"},
            {"system": "urn:own", "code": "w|,$\\w"},
        ]
    },
    "subject": {"reference": "Patient/ana", "identifier": {"system": "urn:mrn", "value": "7"}},
    "performer": [{"reference": "https://south.example/fhir/Practitioner/cho"}],
    "effectivePeriod": {"start": "2020-05-01", "end": "2020-05-31"},
    "valueQuantity": {
        "value": 70.5,
        "unit": "kilo",
        "system": "http://unitsofmeasure.org",
        "code": "kg",
    },
    "component": [
        {"code": {"text": "a", "coding": [{"code": "a"}]}, "valueQuantity": {"value": 1}},
        {"code": {"coding": [{"code": "b"}]}, "valueQuantity": {"value": 200}},
    ],
}
PATIENT: Json = {
    "resourceType": "Patient",
    "id": "ana",
    "active": True,
    "gender": "female",
    "name": [{"text": "Zoë  Straße", "family": "O'Neil", "given": ["Ana", "María"]}],
    "telecom": [{"system": "phone", "value": "555"}],
    "deceasedDateTime": "2021",
}
VALUE_SET: Json = {
    "resourceType": "ValueSet",
    "id": "v1",
    "status": "active",
    "url": "http://acme.example/fhir/ValueSet/123",
}
RISK: Json = {
    "resourceType": "RiskAssessment",
    "id": "r1",
    "status": "final",
    "subject": {"reference": "Patient/ana"},
    "prediction": [{"probabilityDecimal": 0.8}],
}
QUESTIONNAIRE_RESPONSE: Json = {
    "resourceType": "QuestionnaireResponse",
    "id": "q1",
    "status": "completed",
    "questionnaire": "http://acme.example/Questionnaire/1|2.0",
}
PROVENANCE: Json = {
    "resourceType": "Provenance",
    "id": "s1",
    "target": [{"reference": "Patient/ana/_history/2"}, {"reference": f"{BASE}/Library/a"}],
    "recorded": "2020-05-01T10:00:00Z",
    "agent": [{"who": {"display": "?"}}],
}
WORLD = World(
    node(one, stored=NOW)
    for one in (OBSERVATION, PATIENT, VALUE_SET, RISK, QUESTIONNAIRE_RESPONSE, PROVENANCE)
)


def finds(type_: str, name: str, value: str) -> bool:
    setting = Setting(base=BASE, now=NOW)
    search = parse(type_, [(name, value)], indexed=ALL, setting=setting)
    return bool(run(search, WORLD).matches)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("name", "ana", True),
        ("name", "MARIA", True),
        ("name", "zoe stras", True),
        ("name", "oe", False),
        ("name", "neil", False),
        ("name:contains", "NEIL", True),
        ("name:contains", "x", False),
        ("given:exact", "María", True),
        ("given:exact", "Maria", False),
        ("given:exact", "Mar", False),
        ("given", "x,mar", True),
        ("given:missing", "false", True),
        ("given:missing", "true", False),
        ("birthdate:missing", "true", True),
        ("active", "true", True),
        ("active", "false", False),
        ("deceased", "true", True),
        ("gender", "FEMALE", True),
        ("gender", "http://hl7.org/fhir/administrative-gender|female", True),
        ("gender", "http://hl7.org/fhir/administrative-gender|FEMALE", False),
        ("gender:not", "male", True),
        ("gender:not", "male,female", False),
        ("gender:in", "http://hl7.org/fhir/ValueSet/administrative-gender", True),
        ("gender:not-in", "http://hl7.org/fhir/ValueSet/administrative-gender", False),
        ("telecom", "555", True),
        ("phone", "555", True),
        ("email", "555", False),
        ("_id", "ana,ben", True),
        ("_id", "ANA", False),
        ("_lastUpdated", "2020-09-13", True),
        ("_lastUpdated", "gt2020-09-13", False),
        ("_lastUpdated", "ap2020-09", True),
    ],
)
def test_of_patients(name: str, value: str, found: object) -> None:
    assert finds("Patient", name, value) is found


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("code", "29463-7", True),
        ("code", f"{LOINC}|29463-7", True),
        ("code", f"{LOINC}|", True),
        ("code", "|29463-7", False),
        ("code", "urn:x|29463-7", False),
        ("code", r"urn:own|w\|\,\$\\w", True),
        ("code", r"w\|\,\$\\w", True),
        ("code:text", "body w", True),
        ("code:text", "weight", False),
        ("category:text", "labor echo", True),
        ("category", "|laboratory", True),
        ("category:not", "laboratory", False),
        ("category:not", "vital-signs", True),
        ("combo-code", "b", True),
        ("identifier", "urn:labs|A-1", True),
        ("identifier", "A-1", True),
        ("_tag", "urn:t|T", True),
        ("_profile", "http://p.example/w", True),
        ("_profile", "http://p.example", False),
        ("_profile:below", "http://p.example", True),
        ("subject", "ana", True),
        ("subject", "Patient/ana", True),
        ("subject", "Group/ana", False),
        ("subject:Patient", "ana", True),
        ("subject:Group", "ana", False),
        ("subject", f"{BASE}/Patient/ana", True),
        ("subject", "https://south.example/fhir/Patient/ana", False),
        ("subject", "Patient/ana/_history/2", False),
        ("subject:identifier", "urn:mrn|7", True),
        ("subject:identifier", "8", False),
        ("performer", "https://south.example/fhir/Practitioner/cho", True),
        ("performer", "cho", False),
        ("performer:missing", "false", True),
        ("encounter:missing", "true", True),
        ("value-quantity", "70.5", True),
        ("value-quantity", "71", True),
        ("value-quantity", "70", False),
        ("value-quantity", "70.50", True),
        ("value-quantity", "7e1", True),
        ("value-quantity", "70.5||kg", True),
        ("value-quantity", "70.5||kilo", True),
        ("value-quantity", "70.5|http://unitsofmeasure.org|kg", True),
        ("value-quantity", "70.5|http://unitsofmeasure.org|kilo", False),
        ("value-quantity", "gt70.5", False),
        ("value-quantity", "ge70.5", True),
        ("value-quantity", "lt71", True),
        ("value-quantity", "sa70", True),
        ("value-quantity", "eb70.5", False),
        ("value-quantity", "ne71", False),
        ("value-quantity", "ne70", True),
        ("value-quantity", "ap75", True),
        ("value-quantity", "ap80", False),
        ("code-value-quantity", f"{LOINC}|29463-7$gt70", True),
        ("code-value-quantity", "29463-7$lt70", False),
        ("component-code-value-quantity", "a$1", True),
        ("component-code-value-quantity", "a$200", False),
        ("component-code-value-quantity", "a$200,b$200", True),
        ("date", "2020-05", True),
        ("date", "2020-05-10", False),
        ("date", "ne2020-05-10", True),
        ("date", "gt2020-05-30", True),
        ("date", "gt2020-05-31", False),
        ("date", "ge2020-06", False),
        ("date", "lt2020-05-02", True),
        ("date", "le2020-05", True),
        ("date", "sa2020-04-30", True),
        ("date", "sa2020-05-01", False),
        ("date", "eb2020-06-01", True),
        ("date", "eb2020-05-31", False),
        ("date", "ap2020-06-10", True),
        ("date", "ap2020-09-10", False),
    ],
)
def test_of_observations(name: str, value: str, found: object) -> None:
    assert finds("Observation", name, value) is found


@pytest.mark.parametrize(
    ("type_", "name", "value", "found"),
    [
        ("ValueSet", "url", "http://acme.example/fhir/ValueSet/123", True),
        ("ValueSet", "url", "http://acme.example/fhir", False),
        ("ValueSet", "url:below", "http://acme.example/fhir", True),
        ("ValueSet", "url:below", "http://acme.example/fhir/", True),
        ("ValueSet", "url:below", "http://acme.example/fhir/ValueSet/1", False),
        ("ValueSet", "url:above", "http://acme.example/fhir/ValueSet/123/4", True),
        ("ValueSet", "url:above", "http://acme.example/fhir", False),
        ("RiskAssessment", "probability", "0.8", True),
        ("RiskAssessment", "probability", "gt0.8", False),
        ("RiskAssessment", "probability", "1", True),
        ("QuestionnaireResponse", "questionnaire", "http://acme.example/Questionnaire/1", True),
        ("QuestionnaireResponse", "questionnaire", "http://acme.example/Questionnaire/11", False),
        ("QuestionnaireResponse", "questionnaire", "Questionnaire/1", False),
        ("Provenance", "target", "Patient/ana/_history/2", True),
        ("Provenance", "target", "Patient/ana/_history/3", False),
        ("Provenance", "target", "Patient/ana", True),
        ("Provenance", "target", "ben,ana", True),
        ("Provenance", "target", f"{BASE}/Library/a", True),
        ("Provenance", "target", "Library/a", False),
        ("QuestionnaireResponse", "questionnaire", "http://acme.example/Questionnaire/1|2.0", True),
        ("QuestionnaireResponse", "questionnaire", "http://acme.example/Questionnaire/1|3", False),
    ],
)
def test_of_others(type_: str, name: str, value: str, found: object) -> None:
    assert finds(type_, name, value) is found
