"""References and ids change in place; every other byte stays."""

import json
from collections.abc import Callable
from typing import Any  # JSON documents are built as they come

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.errors import NotJson, WrongType
from careledger.fhir.references import references, resolve_references, with_id

URN = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
MAPPING = {URN: "Patient/ana", "Practitioner?identifier=a|b": "Practitioner/cho", "é\n": 'x"\\'}

names = st.sampled_from(["reference", "id", "text", "div", '"reference', "reference\\", "é"])
texts = st.sampled_from(
    [*MAPPING, f'"reference": "{URN}"', f'\\"reference":"{URN}"', "", "reference", '\\"', "}"]
) | st.text(max_size=6)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def changed(value: object, change: Callable[[str], str]) -> object:
    """The document with `change` applied to each string that is a `reference` member."""
    if isinstance(value, list):
        return [changed(one, change) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        name: change(one) if name == "reference" and isinstance(one, str) else changed(one, change)
        for name, one in value.items()
    }


def written(drawn: st.DataObject, value: object) -> bytes:
    """JSON text in one of several layouts; sometimes names have needless escapes."""
    text = json.dumps(
        value,
        ensure_ascii=drawn.draw(st.booleans()),
        indent=drawn.draw(st.sampled_from([None, 0, 3])),
        separators=drawn.draw(st.sampled_from([(",", ":"), (" , ", " :\t")])),
    )
    if drawn.draw(st.booleans()):
        text = text.replace('"reference"', '"\\u0072eference"', 1)
    return text.encode()


@given(documents, st.data())
def test_only_reference_values_change(value: object, drawn: st.DataObject) -> None:
    text = written(drawn, value)
    expected = changed(value, lambda one: MAPPING.get(one, one))
    assert json.loads(resolve_references(text, MAPPING)) == expected
    found: list[str] = []

    def note(one: str) -> str:
        found.append(one)
        return one

    changed(value, note)
    assert references(text) == found


@given(documents, st.data())
def test_bytes_without_a_known_reference_stay_as_they_are(
    value: object, drawn: st.DataObject
) -> None:
    text = written(drawn, value)
    assert resolve_references(text, {}) == text
    # Marking what is replaced shows that everything around it is the same, byte for byte.
    marked = resolve_references(text, dict.fromkeys(references(text), "MARK"))
    cuts = marked.split(b"MARK")
    place = 0
    for cut in cuts:
        place = text.index(cut, place) + len(cut)
    assert text.startswith(cuts[0])
    assert text.endswith(cuts[-1])


@given(st.dictionaries(names, documents, max_size=4), st.data())
def test_only_the_outermost_id_changes(value: dict[str, Any], drawn: st.DataObject) -> None:
    if "id" in value:
        value["id"] = drawn.draw(st.sampled_from(["a", "", '"id":', "é"]))
    if drawn.draw(st.booleans()):
        value = {"resourceType": "Patient", **value}
    text = written(drawn, value)
    new = with_id(text, "n-1.2")
    assert json.loads(new) == {**value, "id": "n-1.2"}
    assert sorted(json.loads(new)) == sorted({*value, "id"})
    assert new.count(b'"id"') - text.count(b'"id"') == (0 if "id" in value else 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"resourceType":"A","id":"old","x":1.00}', b'{"resourceType":"A","id":"ana","x":1.00}'),
        (b'{ "resourceType" : "A" , "x":[]}', b'{ "resourceType" : "A","id":"ana" , "x":[]}'),
        (b'{"x":{"id":"in"},"id" : "old"}', b'{"x":{"id":"in"},"id" : "ana"}'),
        (b'{"x":{"id":"in"}}', b'{"id":"ana","x":{"id":"in"}}'),
        (b"{ }", b'{"id":"ana" }'),
    ],
)  # fmt: skip
def test_an_id_is_put_where_it_was_or_first(before: bytes, after: bytes) -> None:
    assert with_id(before, "ana") == after


def test_text_that_looks_like_a_reference_is_left_alone() -> None:
    text = json.dumps({"div": f'<p>"reference": "{URN}"</p>', "reference": {"reference": URN}})
    changed_text = resolve_references(text.encode(), MAPPING)
    assert changed_text == text.replace(f'"{URN}"}}', '"Patient/ana"}').encode()


def test_an_id_must_be_one_and_so_must_the_object() -> None:
    with pytest.raises(WrongType):
        with_id(b"{}", 'x"y')
    for text in (b"[]", b"", b'{"id":7}'):
        with pytest.raises(NotJson):
            with_id(text, "ana")
