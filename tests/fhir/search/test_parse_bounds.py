"""Reading searches within bounds: of number, of length, of depth, of time."""

from time import perf_counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.errors import FhirError, TooCostly
from careledger.fhir.search.parse import Handling
from careledger.fhir.search.query import Criterion, Pair
from tests.fhir.search.test_parse import read

MANY = ",".join(f"c{at}" for at in range(1_000))


@pytest.mark.parametrize(
    ("type_", "pairs"),
    [
        ("Observation", [("code", f"{MANY},c")]),
        ("Observation", [("code", "x")] * 101),
        ("Observation", [("code", "x" * 200_001)]),
        ("Observation", [("subject:Patient.organization.partof.partof.name", "x")]),
        ("AuditEvent", [("entity.entity.entity._id", "x")]),
        ("Patient", [("_has:Provenance:target:" * 4 + "_id", "x")]),
        ("Observation", [("a" * 257, "x")]),
        ("Observation", [("_include", "*")] * 21),
        ("Observation", [("_elements", "a," * 201)]),
    ],
)
def test_bounds(type_: str, pairs: list[Pair]) -> None:
    with pytest.raises(TooCostly) as refused:
        read(type_, *pairs)
    assert refused.value.issues[0].code == "too-costly"


def test_a_thousand_values_are_answered() -> None:
    [found] = read("Observation", ("code", MANY)).conditions
    assert isinstance(found, Criterion)
    assert len(found.operands) == 1_000


WORDS = st.sampled_from(
    [
        "Patient",
        "Observation",
        "subject",
        "patient",
        "name",
        "code",
        "date",
        "value-quantity",
        "_has",
        "_include",
        "_sort",
        "_count",
        "not",
        "missing",
        "true",
        "2020",
        "ge",
        "5",
        "_id",
        "identifier",
        "code-value-quantity",
        "_type",
        "_elements",
        "iterate",
        "*",
        "near",
        "in",
    ]
)
TEXTS = st.lists(
    WORDS | st.sampled_from(list(".:,|$\\/-+ ")) | st.text(max_size=3), max_size=12
).map("".join)


def refusal(type_: str | None, params: list[Pair], handling: Handling) -> int | None:
    """The status of what is refused, None if it is read; nothing but a FhirError comes out."""
    try:
        read(type_, *params, handling=handling)
    except FhirError as error:
        return error.status
    return None


@given(
    st.sampled_from(["Observation", "Patient", None]),
    st.lists(st.tuples(TEXTS, TEXTS), max_size=4),
)
def test_anything_is_read_or_refused(type_: str | None, params: list[Pair]) -> None:
    for handling in get_args(Handling):
        assert refusal(type_, params, handling) in (None, 400)


@pytest.mark.parametrize("character", list("\\,|$-.:a"))
@pytest.mark.parametrize("name", ["name", "gender", "birthdate", "_id", "_sort", "_include"])
def test_long_values_are_read_or_refused_quickly(name: str, character: str) -> None:
    begun = perf_counter()
    assert refusal("Patient", [(name, character * 190_000)], "strict") in (None, 400)
    assert perf_counter() - begun < 2
