"""What goes with the matches: included once, from what may be seen, up to a bound."""

import pytest

from careledger.fhir.search.query import Pair
from tests.fhir.search.test_engine import ANA, SMALL, WEIGHT, ask, names, world_of


@pytest.mark.parametrize(
    ("params", "included"),
    [
        ([("_include", "Observation:subject")], ["Patient/ana"]),
        ([("_include", "Observation:subject:Group")], []),
        ([("_include", "Observation:performer")], []),
        ([("_include", "*")], ["Patient/ana"]),
        ([("_include", "Encounter:subject")], []),
        ([("_include", "Observation:*")], ["Patient/ana"]),
        ([("_include", "Observation:subject"), ("_include", "Patient:organization")],
         ["Patient/ana"]),
        ([("_include", "Observation:subject"), ("_include:iterate", "Patient:organization")],
         ["Patient/ana", "Organization/north"]),
        ([("_include", "Observation:subject"), ("_include:iterate", "Patient:organization"),
          ("_include:iterate", "Organization:partof")],
         ["Patient/ana", "Organization/north", "Organization/south"]),
        ([("_revinclude", "Provenance:target")], ["Provenance/s1"]),
        ([("_revinclude", "Provenance:target:Patient")], []),
        ([("_revinclude", "*")], ["Provenance/s1"]),
        ([("_revinclude", "Provenance:target"), ("_include:iterate", "Provenance:agent")],
         ["Provenance/s1", "Organization/north"]),
    ],
)  # fmt: skip
def test_what_goes_with_it(params: list[Pair], included: list[str]) -> None:
    page = ask(SMALL, "Observation", ("_id", "w1"), *params)
    assert names(page.matches) == ["Observation/w1"]
    assert names(page.included) == sorted(included), "in the order of their names"
    assert page.total == 1
    assert not page.issues


def test_includes_end_at_a_bound_and_say_so() -> None:
    """And on the way they never come twice, nor as what was matched."""
    many = [WEIGHT | {"id": f"w{number}"} for number in range(1_100)]
    page = ask(world_of([ANA, *many]), "Patient", ("_revinclude", "Observation:patient"))
    assert len(set(names(page.included))) == len(page.included) == 1_000
    assert [issue.code for issue in page.issues] == ["too-costly"]
