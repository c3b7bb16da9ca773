"""The thin search: what it finds, and what it refuses to answer."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.errors import BadParameterValue, FhirError, NotAResource, UnknownParameter
from careledger.fhir.index import Facts
from careledger.fhir.query import DateTest, matches, parameters, parse_query

LOINC = "http://loinc.org"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


MAY = Facts(
    type="Observation",
    id="w1",
    patients=("ana", "ben"),
    codes=((LOINC, "29463-7"), ("", "weight,kg")),
    categories=(("urn:c", "laboratory"),),
    start=at("2020-05-01"),
    end=at("2020-05-31T23:59:59"),
)


def finds(*params: tuple[str, str], facts: Facts = MAY) -> bool:
    return matches(facts, parse_query("Observation", params))


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("patient", "ana", True),
        ("patient", "Patient/ben", True),
        ("patient", "cho,ana", True),
        ("patient", "cho", False),
        ("_id", "w1", True),
        ("_id", "w2,w1", True),
        ("_id", "w2", False),
        ("code", "29463-7", True),
        ("code", f"{LOINC}|29463-7", True),
        ("code", "urn:other|29463-7", False),
        ("code", "|29463-7", False),
        ("code", "|weight\\,kg", True),
        ("code", "weight,kg", False),
        ("code", f"{LOINC}|", True),
        ("code", f"1-8,{LOINC}|29463-7", True),
        ("code", "laboratory", False),
        ("category", "laboratory", True),
        ("category", "urn:c|vital-signs", False),
        ("date", "2020-05", True),
        ("date", "2020", True),
        ("date", "2020-05-07", False),
        ("date", "ne2020-05-07", True),
        ("date", "gt2020-05-30", True),
        ("date", "gt2020-05", False),
        ("date", "ge2020-05", True),
        ("date", "lt2020-05-02", True),
        ("date", "lt2020-05-01", False),
        ("date", "le2020-05", True),
        ("date", "sa2020-04-30", True),
        ("date", "sa2020-05-01", False),
        ("date", "eb2020-06-01", True),
        ("date", "eb2020-05-31", False),
        ("date", "ge2020-05-31T23:59Z", False),
        ("date", "gt2020-05-31T23:58Z", True),
        ("date", "ge2020-06,2020-05", True),
        ("_count", "10", True),
    ],
)
def test_one_parameter(name: str, value: str, found: object) -> None:
    assert finds((name, value)) is found


def test_all_parameters_must_hold() -> None:
    assert finds(("date", "ge2020-05-01"), ("date", "lt2020-06-01"), ("patient", "ana"))
    assert not finds(("date", "ge2020-05-01"), ("patient", "ana"), ("patient", "cho"))
    assert not matches(MAY, parse_query("Condition", []))


def test_what_has_no_date_is_found_by_none() -> None:
    undated = Facts(type="Observation", id="w2")
    for prefix in ("", "ne", "lt", "gt"):
        assert not finds(("date", f"{prefix}2020"), facts=undated)


def test_official_names_of_other_types() -> None:
    query = parse_query("Condition", [("onset-date", "2020"), ("_count", "7")])
    assert query.dates
    assert query.count == 7
    assert parse_query("Immunization", [("vaccine-code", "140")]).codes
    assert parse_query("Encounter", [("class", "AMB"), ("type", "x")]).categories
    assert "date" not in parameters("Medication")
    assert "patient" not in parameters("Practitioner")


@pytest.mark.parametrize(
    ("type_", "name", "value", "kind"),
    [
        ("Observations", "code", "x", NotAResource),
        ("Observation", "value-quantity", "5", UnknownParameter),
        ("Observation", "code:not", "x", UnknownParameter),
        ("Observation", "subject", "Patient/ana", UnknownParameter),
        ("Observation", "_include", "*", UnknownParameter),
        ("Medication", "date", "2020", UnknownParameter),
        ("Observation", "date", "ap2020", BadParameterValue),
        ("Observation", "date", "xx2020", BadParameterValue),
        ("Observation", "date", "2020-13", BadParameterValue),
        ("Observation", "date", "2020-5", BadParameterValue),
        ("Observation", "date", "0000", BadParameterValue),
        ("Observation", "date", "yesterday", BadParameterValue),
        ("Observation", "date", "", BadParameterValue),
        ("Observation", "code", "", BadParameterValue),
        ("Observation", "code", "a,,b", BadParameterValue),
        ("Observation", "code", "|", BadParameterValue),
        ("Observation", "code", "a|b|c", BadParameterValue),
        ("Observation", "patient", "Group/1", BadParameterValue),
        ("Observation", "patient", "https://b.example/Patient/1", BadParameterValue),
        ("Observation", "_id", "a b", BadParameterValue),
        ("Observation", "_count", "0", BadParameterValue),
        ("Observation", "_count", "-1", BadParameterValue),
        ("Observation", "_count", "1e3", BadParameterValue),
        ("Observation", "_count", "9999999999999999999999", BadParameterValue),
    ],
)
def test_what_is_not_answered_is_refused(
    type_: str, name: str, value: str, kind: type[FhirError]
) -> None:
    with pytest.raises(FhirError) as refusal:
        parse_query(type_, [(name, value)])
    assert type(refusal.value) is kind


seconds = st.integers(-(10**10), 10**10)
spans = st.tuples(seconds, seconds).map(lambda pair: (min(pair), max(pair)))


@given(spans, spans)
def test_prefixes_agree_with_each_other(value: tuple[int, int], there: tuple[int, int]) -> None:
    says = {
        prefix: DateTest(prefix, value).accepts(*there)
        for prefix in ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
    }
    assert says["eq"] is not says["ne"]
    assert says["ge"] == (says["gt"] or says["eq"])
    assert says["le"] == (says["lt"] or says["eq"])
    assert says["gt"] or not says["sa"]
    assert says["lt"] or not says["eb"]
    assert not (says["sa"] and says["eb"])


@given(st.sampled_from(["code", "date", "patient", "_id", "_count", "x"]), st.text(max_size=12))
def test_no_value_raises_anything_but_our_own_errors(name: str, value: str) -> None:
    try:
        finds((name, value))
    except FhirError as error:
        assert error.issues  # noqa: PT017
