"""Reading searches: what is understood, what is refused, and what is left out."""

import pytest

from careledger.fhir.errors import (
    BadParameterValue,
    FhirError,
    NotAResource,
    UnknownParameter,
)
from careledger.fhir.search.parse import Handling, parse
from careledger.fhir.search.query import (
    Chain,
    Criterion,
    Has,
    Include,
    InCompartment,
    Pair,
    Search,
    SortKey,
)
from careledger.fhir.search.table import ALL, SMALL


def read(type_: str | None, *pairs: Pair, handling: Handling = "strict") -> Search:
    return parse(type_, pairs, indexed=ALL, handling=handling)


@pytest.mark.parametrize(
    ("type_", "name", "value", "kind"),
    [
        ("Observations", "code", "x", NotAResource),
        ("Observation", "colour", "x", UnknownParameter),
        ("Observation", "code:exact", "x", UnknownParameter),
        ("Observation", "date:not", "2020", UnknownParameter),
        ("Observation", "code:of-type", "s|c|v", UnknownParameter),
        ("Patient", "identifier:of-type", "s|c", BadParameterValue),
        ("Patient", "identifier:of-type", "s||v", BadParameterValue),
        ("Observation", "subject:Practitioner", "x", UnknownParameter),
        ("Observation", "subject:Nobody.name", "x", UnknownParameter),
        ("Observation", "code.name", "x", UnknownParameter),
        ("Observation", "subject:Patient.colour", "x", UnknownParameter),
        ("Observation", "_has:Patient:name:gender", "x", UnknownParameter),
        ("Patient", "_has:Observation:patient", "x", UnknownParameter),
        ("Patient", "_has:Observation:encounter:code", "x", UnknownParameter),
        ("Location", "near", "1", BadParameterValue),
        ("Location", "near", "91|2", BadParameterValue),
        ("Location", "near", "1|181", BadParameterValue),
        ("Location", "near", "1|2|-3", BadParameterValue),
        ("Location", "near", "1|2|3|furlong", BadParameterValue),
        ("Location", "near", "1|2|3|km|x", BadParameterValue),
        ("Location", "near:exact", "1|2", UnknownParameter),
        ("Location", "_sort", "near", UnknownParameter),
        ("Patient", "_text", "x", UnknownParameter),
        ("Patient", "_filter", "x", UnknownParameter),
        ("Patient", "_query", "x", UnknownParameter),
        ("Patient", "_list", "$current-problems", BadParameterValue),
        ("Patient", "_contained", "true", UnknownParameter),
        ("Patient", "_type", "Patient", UnknownParameter),
        ("Patient", "_include:recurse", "*", UnknownParameter),
        ("Patient", "_include", "Patient:name", UnknownParameter),
        ("Patient", "_include", "Patient", BadParameterValue),
        ("Patient", "_revinclude", "Nobody:patient", BadParameterValue),
        ("Patient", "_sort", "colour", UnknownParameter),
        ("Observation", "_sort", "code-value-quantity", UnknownParameter),
        ("Patient", "_sort", "", BadParameterValue),
        ("Patient", "_count", "-1", BadParameterValue),
        ("Patient", "_count", "ten", BadParameterValue),
        ("Patient", "_count", "\u0661", BadParameterValue),
        ("Patient", "_total", "some", BadParameterValue),
        ("Patient", "_summary", "yes", BadParameterValue),
        ("Patient", "_elements", "name,<b>", BadParameterValue),
        ("Patient", "_id", "a/b", BadParameterValue),
        ("Patient", "name", "", BadParameterValue),
        ("Patient", "name", " ", BadParameterValue),
        ("Patient", "name", "a,,b", BadParameterValue),
        ("Patient", "gender", "|", BadParameterValue),
        ("Patient", "gender", "a|b|c", BadParameterValue),
        ("Patient", "gender:missing", "maybe", BadParameterValue),
        ("Patient", "birthdate", "xx2020", BadParameterValue),
        ("Patient", "birthdate", "2020-13", BadParameterValue),
        ("Patient", "birthdate", "ap2020", BadParameterValue),
        ("Observation", "value-quantity", "gt", BadParameterValue),
        ("Observation", "value-quantity", "5|kg", BadParameterValue),
        ("Observation", "code-value-quantity", "a", BadParameterValue),
        ("Observation", "code-value-quantity", "a$1$2", BadParameterValue),
        ("Observation", "subject", "Patient/a/b", BadParameterValue),
        ("Observation", "subject", "Nobody/a", BadParameterValue),
        ("Observation", "subject", "../a", BadParameterValue),
        ("Observation", "subject:Patient", "Group/a", BadParameterValue),
        (None, "name", "x", UnknownParameter),
        (None, "_type", "Patient,Nobody", BadParameterValue),
    ],
)
def test_what_is_refused(type_: str | None, name: str, value: str, kind: type[FhirError]) -> None:
    """With the name of the parameter; the value is never repeated."""
    with pytest.raises(kind) as refused:
        read(type_, (name, value))
    assert type(refused.value) is kind
    if kind is not NotAResource:
        assert refused.value.location in (name, name.partition(":")[0])


def test_an_error_never_repeats_what_was_asked() -> None:
    secret = "Zebedee"
    for pair in [
        ("birthdate", secret),
        (f"<{secret}>", "x"),
        ("_id", f"{secret}!"),
        ("_sort", secret),
        ("_include", secret),
        ("_elements", f"{secret}!"),
    ]:
        with pytest.raises(FhirError) as refused:
            read("Patient", pair)
        assert secret not in str(refused.value)


def test_lenient_leaves_out_what_it_does_not_know_and_says_so() -> None:
    given_ = [
        ("colour", "red"),
        ("name:not", "x"),
        ("_text", "x"),
        ("_sort", "-colour"),
        ("name", "a"),
    ]
    found = read("Patient", *given_, ("_count", "5"), handling="lenient")
    assert [one.code for one in found.conditions if isinstance(one, Criterion)] == ["name"]
    assert found.applied == (("name", "a"), ("_count", "5"))
    assert [issue.location for issue in found.issues] == ["colour", "name:not", "_text", "_sort"]
    assert not found.sort
    with pytest.raises(BadParameterValue):
        read("Patient", ("birthdate", "soon"), handling="lenient")


def test_parameters_outside_the_index_set_are_not_known() -> None:
    read("Observation", ("value-quantity", "5"))
    with pytest.raises(UnknownParameter):
        parse("Observation", [("value-quantity", "5")], indexed=SMALL)
    parse("Observation", [("patient", "a"), ("code", "b"), ("date", "2020")], indexed=SMALL)


def test_how_the_answer_is_laid_out() -> None:
    found = read(
        "Observation",
        ("_sort", "-date,_id"),
        ("_count", "5000"),
        ("_elements", "code,Observation.value,name.family"),
        ("_include:iterate", "Observation:subject:Patient"),
        ("_revinclude", "Provenance:target"),
        ("_total", "none"),
        ("_format", "json"),
    )
    assert found.sort == (SortKey("date", "date", descending=True), SortKey("_id", "token"))
    assert found.count == 1_000
    assert found.elements == ("code", "value", "name")
    assert found.includes == (
        Include("Observation", "subject", "Patient", iterate=True),
        Include("Provenance", "target", None, reverse=True),
    )
    assert found.total == "none"
    assert read("Patient", ("_count", "9" * 5_000)).count == 1_000
    for pairs in (
        [("_summary", "text"), ("_include", "*")],
        [("_summary", "true"), ("_elements", "name")],
        [("_count", "1"), ("_count", "2")],
    ):
        with pytest.raises(BadParameterValue):
            read("Patient", *pairs)


def test_chains() -> None:
    [chain] = read("Observation", ("subject:Patient.organization.name", "x")).conditions
    assert isinstance(chain, Chain)
    [(type_, inner)] = chain.ways
    assert (type_, type(inner)) == ("Patient", Chain)
    [untyped] = read("Observation", ("subject.name", "x")).conditions
    assert isinstance(untyped, Chain)
    assert [type_ for type_, _ in untyped.ways] == ["Location", "Patient"]
    [has] = read("Patient", ("_has:Observation:patient:code:not", "x")).conditions
    assert isinstance(has, Has)
    assert isinstance(has.condition, Criterion)
    assert has.condition.modifier == "not"


@pytest.mark.parametrize(
    ("type_", "params", "patients"),
    [
        ("Observation", [("patient", "a,Patient/b")], {"a", "b"}),
        ("Observation", [("patient", "a"), ("subject", "Patient/b")], set()),
        ("Observation", [("subject:Patient", "a")], {"a"}),
        ("Observation", [("subject", "a")], None),
        ("Observation", [("subject", "Patient/a,Group/b")], None),
        ("Observation", [("performer", "Patient/a")], None),
        ("Observation", [("patient", "https://else.example/Patient/a")], None),
        ("Observation", [("patient:missing", "true")], None),
        ("Device", [("patient", "a")], {"a"}),
        ("Patient", [("_id", "a,b")], {"a", "b"}),
        ("Patient", [("_id:not", "a")], None),
        ("Observation", [("_id", "a")], None),
    ],
)
def test_who_is_named(type_: str, params: list[Pair], patients: set[str] | None) -> None:
    found = read(type_, *params).patients
    assert found == (None if patients is None else frozenset(patients))


def test_in_a_compartment() -> None:
    found = parse("Observation", [("code", "x")], indexed=ALL, compartment="ana")
    assert found.patients == frozenset({"ana"})
    assert found.conditions[0] == InCompartment("ana")
    assert found.applied == (("code", "x"),)


def test_all_types() -> None:
    assert read(None).types == ()
    assert read(None, ("_lastUpdated", "2020")).conditions
    some = read(None, ("_type", "Observation,Condition"), ("patient", "a"), ("_tag", "t"))
    assert some.types == ("Observation", "Condition")
    assert some.patients == frozenset({"a"})
