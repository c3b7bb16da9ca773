"""Which codes a value set holds and what a code subsumes; and when nobody here can say."""

import json
from typing import Any  # JSON documents are built as they come

import pytest

from careledger.fhir.resource import Resource, parse_resource
from careledger.fhir.terminology import Vocabulary, official, with_held

R4 = "http://hl7.org/fhir"
HERE = "urn:here"
Json = dict[str, Any]  # as decoded


def code_system(**members: object) -> Resource:
    """Fever and its kinds; influenza is below both fever and infection."""
    content = {
        "resourceType": "CodeSystem",
        "id": "cs",
        "url": HERE,
        "version": "1",
        "status": "active",
        "content": "complete",
        "concept": [
            {"code": "fever", "concept": [{"code": "high", "concept": [{"code": "very"}]}]},
            {"code": "infection"},
            {
                "code": "flu",
                "property": [
                    {"code": "parent", "valueCode": "fever"},
                    {"code": "parent", "valueCode": "infection"},
                    {"code": "season", "valueString": "winter"},
                ],
            },
        ],
    }
    return parse_resource(json.dumps(content | members).encode())


def value_set(name: str, **members: object) -> Resource:
    content = {"resourceType": "ValueSet", "id": name, "url": f"urn:vs:{name}", "status": "active"}
    return parse_resource(json.dumps(content | members).encode())


def include(**part: object) -> Json:
    return {"compose": {"include": [part]}}


def where(*filters: tuple[str, str, str]) -> Json:
    parts = [dict(zip(("property", "op", "value"), each, strict=True)) for each in filters]
    return include(system=HERE, filter=parts)


def both(system: str, *names: str) -> frozenset[tuple[str, str]]:
    return frozenset((system, name) for name in names)


def codes(vocabulary: Vocabulary, url: str) -> set[str] | None:
    found = vocabulary.expand(url)
    return None if found is None else {code for _, code in found}


def test_r4_s_own_value_sets() -> None:
    gender = official().expand(f"{R4}/ValueSet/administrative-gender")
    system = f"{R4}/administrative-gender"
    assert gender == both(system, "male", "female", "other", "unknown")
    assert official().expand(f"{R4}/ValueSet/administrative-gender|4.0.1") == gender
    assert official().expand(f"{R4}/ValueSet/administrative-gender|3.0.0") is None


def test_most_of_r4_s_value_sets_can_be_listed() -> None:
    listed = [url for url in official().sets if official().expand(url) is not None]
    assert len(listed) == 556
    assert official().expand(f"{R4}/ValueSet/observation-codes") is None  # all of LOINC
    assert official().expand(f"{R4}/ValueSet/ucum-units") is None


def test_r4_s_own_hierarchies() -> None:
    status = f"{R4}/observation-status"
    below = official().below(status, "amended")
    assert below == both(status, "amended", "corrected")
    assert official().above(status, "corrected") == below
    assert official().below(status, "final") == both(status, "final")
    assert official().below("http://snomed.info/sct", "386661006") is None


@pytest.mark.parametrize(
    ("code", "above", "below"),
    [
        ("fever", {"fever"}, {"fever", "high", "very", "flu"}),
        ("very", {"fever", "high", "very"}, {"very"}),
        ("flu", {"fever", "infection", "flu"}, {"flu"}),
        ("unheard-of", {"unheard-of"}, {"unheard-of"}),
    ],
)
def test_what_subsumes_what(code: str, above: set[str], below: set[str]) -> None:
    held = with_held([code_system()])
    assert held.above(HERE, code) == both(HERE, *above)
    assert held.below(HERE, code) == both(HERE, *below)


def test_parts_and_groups_are_not_subsumed() -> None:
    held = with_held([code_system(hierarchyMeaning="part-of")])
    assert held.below(HERE, "fever") is None
    assert held.above(HERE, "fever") is None


def test_concepts_in_a_circle_end() -> None:
    circle = [
        {"code": "a", "property": [{"code": "parent", "valueCode": "b"}]},
        {"code": "b", "property": [{"code": "parent", "valueCode": "a"}]},
    ]
    held = with_held([code_system(concept=circle)])
    assert held.above(HERE, "a") == both(HERE, "a", "b")


ALL_OF_IT = {"fever", "high", "very", "infection", "flu"}


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (include(system=HERE), ALL_OF_IT),
        (include(system=HERE, concept=[{"code": "flu"}]), {"flu"}),
        (include(system="urn:unknown", concept=[{"code": "x"}]), {"x"}),
        (where(("concept", "is-a", "high")), {"high", "very"}),
        (where(("concept", "descendent-of", "fever")), {"high", "very", "flu"}),
        (where(("concept", "is-not-a", "fever")), {"infection"}),
        (where(("concept", "generalizes", "very")), {"fever", "high", "very"}),
        (where(("code", "in", "flu,very")), {"flu", "very"}),
        (where(("code", "not-in", "flu,very")), {"fever", "high", "infection"}),
        (where(("parent", "=", "fever")), {"high", "flu"}),
        (where(("season", "=", "winter")), {"flu"}),
        (where(("concept", "is-a", "fever"), ("season", "in", "spring,winter")), {"flu"}),
        (include(valueSet=["urn:vs:base"]), {"flu", "high"}),
        (include(system=HERE, concept=[{"code": "flu"}], valueSet=["urn:vs:base"]), {"flu"}),
        ({"expansion": {"timestamp": "2020", "contains": [{"system": HERE, "code": "a"}]}}, {"a"}),
        (
            {
                "compose": {
                    "include": [{"system": HERE}],
                    "exclude": [{"system": HERE, "concept": [{"code": "flu"}]}],
                }
            },
            ALL_OF_IT - {"flu"},
        ),
    ],
)
def test_value_sets_that_can_be_listed(definition: Json, expected: set[str]) -> None:
    base = value_set("base", **include(system=HERE, concept=[{"code": "flu"}, {"code": "high"}]))
    held = with_held([code_system(), base, value_set("v", **definition)])
    assert codes(held, "urn:vs:v") == expected
    assert codes(held, "ValueSet/v") == expected


@pytest.mark.parametrize(
    "definition",
    [
        include(system="http://snomed.info/sct"),
        include(
            system="http://snomed.info/sct",
            filter=[{"property": "concept", "op": "is-a", "value": "1"}],
        ),
        include(system=HERE, version="2"),
        include(valueSet=["urn:vs:absent"]),
        include(valueSet=["urn:vs:v"]),
        where(("code", "regex", "(a+)+")),
        where(("colour", "=", "red")),
        {"compose": {"include": [{"system": HERE}], "exclude": [{"system": "urn:unknown"}]}},
        {},
        {
            "expansion": {
                "timestamp": "2020",
                "total": 2,
                "contains": [{"system": HERE, "code": "a"}],
            }
        },
    ],
)
def test_what_cannot_be_listed_to_the_last_code_has_no_answer(definition: Json) -> None:
    held = with_held([code_system(), value_set("v", **definition)])
    assert held.expand("urn:vs:v") is None


def test_a_code_system_of_which_only_a_part_is_here_is_not_held() -> None:
    held = with_held([code_system(content="fragment"), value_set("v", **include(system=HERE))])
    assert held.expand("urn:vs:v") is None
    assert held.below(HERE, "fever") is None
