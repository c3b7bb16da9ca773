"""Canonical JSON, of `meta` only the labels: whatever says the same has the same bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.canonical import canonical
from careledger.fhir.errors import FhirError, NotJson, TooDeep

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    # JSON has no other floats; a surrogate alone is no text in UTF-8
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from(("a", "b", "é", "€", "\U0001f600", "id")), values)


@given(objects, st.randoms(), st.sampled_from((None, 1, 4)))
def test_order_white_space_and_escapes_do_not_matter(
    resource: dict[str, Any], chance: Any, indent: int | None
) -> None:
    names = list(resource)
    chance.shuffle(names)
    again = {name: resource[name] for name in names}
    plain = json.dumps(resource, ensure_ascii=True).encode()
    other = json.dumps(again, ensure_ascii=False, indent=indent).encode()
    assert canonical(plain) == canonical(other)


@given(objects)
def test_canonical_bytes_are_their_own_canonical_form(resource: dict[str, Any]) -> None:
    once = canonical(json.dumps(resource).encode())
    assert canonical(once) == once
    assert json.loads(once, parse_int=float) == resource


def test_meta_is_left_out_at_the_top_alone() -> None:
    data = b'{"resourceType":"X","meta":{"versionId":"1"},"contained":[{"meta":{"a":1}}]}'
    assert canonical(data) == b'{"contained":[{"meta":{"a":1}}],"resourceType":"X"}'


def test_labels_are_kept_by_system_and_code_in_one_order() -> None:
    one = {"system": "urn:b", "code": "R", "display": "restricted"}
    other = {"system": "urn:a", "code": "V", "version": "2"}
    bare = {"code": "PSY"}
    expected = (
        b'{"id":"x","meta":{"security":[{"code":"PSY"},{"code":"V","system":"urn:a"},'
        b'{"code":"R","system":"urn:b"}]}}'
    )
    for labels in (
        [one, other, bare],
        [bare, other, one, one],
        [other, bare, one, {"display": "?"}],
    ):
        meta = {"versionId": "7", "tag": [{"code": "t"}], "security": labels}
        assert canonical(json.dumps({"meta": meta, "id": "x"}).encode()) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize("meta", ["[]", "1", '{"security":{}}', '{"security":[1,{"code":2}]}'])
def test_what_is_no_label_is_left_out(meta: str) -> None:
    assert canonical(f'{{"id":"x","meta":{meta}}}'.encode()) == b'{"id":"x"}'


@pytest.mark.parametrize(
    ("written", "same"), [("1.00", "1"), ("1e2", "100"), ("-0", "0"), ("0.10", "1.0E-1")]
)
def test_number_formats_do_not_matter(written: str, same: str) -> None:
    assert canonical(f'{{"v":{written}}}'.encode()) == canonical(f'{{"v":{same}}}'.encode())


def test_what_differs_differs() -> None:
    assert canonical(b'{"v":1.01}') != canonical(b'{"v":1}')
    assert canonical(b'{"v":[1,2]}') != canonical(b'{"v":[2,1]}')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"1",
        b"{",
        b'{"v":NaN}',
        b'{"v":1e999}',
        b'{"v":1,"v":2}',
        b'{"v":"\xff"}',
        b'{"v":"\\ud800"}',
    ],
)
def test_what_has_no_canonical_form_is_refused(data: bytes) -> None:
    with pytest.raises(NotJson):
        canonical(data)


def test_deep_nesting_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(TooDeep):
        canonical(b'{"v":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


@given(st.binary())
def test_arbitrary_bytes_are_refused_by_our_own_error(data: bytes) -> None:
    try:
        canonical(data)
    except FhirError:
        return
    assert isinstance(json.loads(data), dict)
