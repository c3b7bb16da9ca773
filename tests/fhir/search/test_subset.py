"""Parts of resources: kept as written, with a tag that says they are not everything."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.resource import parse_resource
from careledger.fhir.search.query import Summary
from careledger.fhir.search.subset import SUBSETTED, subset

WEIGHT = (
    b'{ "resourceType":"Observation", "id":"w1",'
    b'"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"/>"},'
    b'"status":"final","_status":{"id":"s"},"code":{"text":"weight"},'
    b'"valueQuantity":{"value":70.00, "unit":"kg"},"note":[{"text":"n"}],'
    b'"component":[{"code":{"text":"c"},"interpretation":[{"text":"H"}],'
    b'"valueQuantity":{"value":1.50e1}}]}'
)
META = b'"meta":{"tag":[' + SUBSETTED + b"]}"
HEAD = b'{"resourceType":"Observation","id":"w1",' + META


@pytest.mark.parametrize(
    ("elements", "summary", "rest"),
    [
        (
            (),
            "true",
            (
                b',"status":"final","code":{"text":"weight"},'
                b'"valueQuantity":{"value":70.00, "unit":"kg"},'
                b'"component":[{"code":{"text":"c"},"valueQuantity":{"value":1.50e1}}],'
                b'"_status":{"id":"s"}}'
            ),
        ),
        (
            (),
            "text",
            (
                b',"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\"/>"},'
                b'"status":"final","code":{"text":"weight"},"_status":{"id":"s"}}'
            ),
        ),
        (
            ("value", "note"),
            "false",
            (
                b',"status":"final","code":{"text":"weight"},'
                b'"valueQuantity":{"value":70.00, "unit":"kg"},"note":[{"text":"n"}],'
                b'"_status":{"id":"s"}}'
            ),
        ),
    ],
)
def test_every_digit_is_kept(elements: tuple[str, ...], summary: Summary, rest: bytes) -> None:
    found = subset(WEIGHT, elements=elements, summary=summary)
    assert json.loads(found) == json.loads(HEAD + rest)
    assert b"70.00, " in found or summary == "text"
    assert found.startswith(HEAD)


def test_data_is_all_but_the_narrative() -> None:
    found = json.loads(subset(WEIGHT, summary="data"))
    whole = json.loads(WEIGHT)
    assert set(whole) - set(found) == {"text"}


def test_nothing_asked_nothing_changed() -> None:
    assert subset(WEIGHT) is WEIGHT
    assert subset(WEIGHT, summary="false") is WEIGHT
    assert subset(WEIGHT, summary="count") is WEIGHT


def test_the_tag_joins_others_and_comes_once() -> None:
    data = (
        b'{"resourceType":"Patient","meta":{"versionId":"3","tag":[{"code":"x"}]},"gender":"male"}'
    )
    once = subset(data, elements=("gender",))
    meta = json.loads(once)["meta"]
    assert meta == {"versionId": "3", "tag": [{"code": "x"}, json.loads(SUBSETTED)]}
    assert subset(once, elements=("gender",)) == once


def test_an_element_that_is_left_empty_goes() -> None:
    data = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"component":[{"code":{"text":"c"}}]}'
    )
    assert json.loads(subset(data, summary="true"))["component"] == [{"code": {"text": "c"}}]


NAMES = ("name", "gender", "birthDate", "deceased", "multipleBirth", "contact", "link", "nothing")


@given(
    st.lists(st.sampled_from(NAMES), max_size=4).map(tuple),
    st.sampled_from(["true", "text", "data", "false"]),
)
def test_a_subset_is_a_resource(elements: tuple[str, ...], summary: Summary) -> None:
    data = json.dumps(
        {
            "resourceType": "Patient",
            "id": "ana",
            "name": [{"family": "A"}],
            "gender": "female",
            "birthDate": "2000",
            "_birthDate": {"extension": [{"url": "urn:x", "valueString": "y"}]},
            "deceasedBoolean": False,
            "multipleBirthInteger": 2,
            "contact": [{"gender": "male"}],
            "link": [{"other": {"reference": "Patient/b"}, "type": "seealso"}],
        }
    ).encode()
    found = parse_resource(subset(data, elements=elements, summary=summary))
    whole, part = json.loads(data), json.loads(found.raw)
    part.pop("meta", None)
    assert part.items() <= whole.items()
    assert {"resourceType", "id", "link", "deceasedBoolean"} <= set(part)
