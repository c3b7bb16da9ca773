"""JSON Patch: RFC 6902's own examples, digits that stay, and bounds on what a patch may cost."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.errors import BadPatch, FhirError, NotJson, PatchFailed, TooDeep
from careledger.fhir.patch.json_patch import json_patched

DOSE = b'{"resourceType":"Observation","valueQuantity":{"value":1.00,"unit":"a"},"id":"o1"}'


def patched(document: bytes, *operations: dict[str, Any]) -> bytes:
    return json_patched(document, json.dumps(operations).encode())


def test_the_examples_of_rfc_6902(shared_data: Path) -> None:
    cases = json.loads((shared_data / "conformance/patch-r4/json-patch-tests.json").read_bytes())
    assert len(cases) == 16
    for case in cases:
        document, patch = (json.dumps(case[name]).encode() for name in ("doc", "patch"))
        if "error" in case:
            with pytest.raises(PatchFailed):
                json_patched(document, patch)
        else:
            assert json.loads(json_patched(document, patch)) == case["expected"], case["comment"]


def test_rfc_6902_a_13_a_member_twice() -> None:
    twice = b'[{"op":"add","path":"/baz","value":"qux","op":"remove"}]'
    with pytest.raises(NotJson):
        json_patched(b'{"foo":"bar"}', twice)


def test_numbers_keep_their_digits() -> None:
    change = {"op": "replace", "path": "/valueQuantity/unit", "value": "b"}
    assert b'"value":1.00,"unit":"b"' in patched(DOSE, change)
    assert b":2.50}" in json_patched(b"{}", b'[{"op":"add","path":"/a","value":2.50}]')
    assert b"1E+2" in patched(b'{"a":1E+2,"b":1}', {"op": "remove", "path": "/b"})


def test_numbers_are_equal_by_what_they_amount_to() -> None:
    test = {"op": "test", "path": "/valueQuantity/value", "value": 1}
    assert patched(DOSE, test) == DOSE
    with pytest.raises(PatchFailed):
        patched(DOSE, test | {"value": True})


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "id", "value": 1}, BadPatch),
        ({"op": "add", "path": "/~2", "value": 1}, BadPatch),
        ({"op": "add", "path": "/a"}, BadPatch),
        ({"op": "frobnicate", "path": "/a"}, BadPatch),
        ({"op": "remove"}, BadPatch),
        ({"op": "remove", "path": ""}, PatchFailed),
        ({"op": "remove", "path": "/list/01"}, PatchFailed),
        ({"op": "remove", "path": "/list/-"}, PatchFailed),
        ({"op": "remove", "path": "/list/2"}, PatchFailed),
        ({"op": "add", "path": "/list/3", "value": 1}, PatchFailed),
        ({"op": "replace", "path": "/absent", "value": 1}, PatchFailed),
        ({"op": "move", "from": "/object", "path": "/object/inner"}, PatchFailed),
        ({"op": "add", "path": "/list/0/deeper", "value": 1}, PatchFailed),
    ],
)
def test_what_cannot_be_done_is_refused(
    operation: dict[str, Any], expected: type[FhirError]
) -> None:
    document = b'{"list":[1,2],"object":{"a":{}}}'
    with pytest.raises(expected) as refused:
        patched(document, operation)
    assert refused.value.location.startswith("[0]")


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(FhirError):
        patched(b"{}", {"op": "add", "path": "/a", "value": "\ud800"})


def test_a_patch_cannot_fill_the_memory() -> None:
    growing = [{"op": "copy", "from": "", "path": f"/a{number}"} for number in range(60)]
    with pytest.raises(PatchFailed):
        patched(b'{"resourceType":"Basic"}', *growing)
    with pytest.raises(BadPatch):
        patched(b"{}", *[{"op": "test", "path": "", "value": {}}] * 1_001)
    with pytest.raises(TooDeep):
        json_patched(b"{}", b"[" * 5_000)


NAMES = st.sampled_from(["a", "b/c", "d~e", "0"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


def pointers(value: Any, here: str = "") -> list[str]:
    """Every place in a value but its root."""
    pairs: list[tuple[Any, Any]] = list(value.items()) if isinstance(value, dict) else []
    pairs += enumerate(value) if isinstance(value, list) else ()
    found = list[str]()
    for name, inner in pairs:
        place = f"{here}/{str(name).replace('~', '~0').replace('/', '~1')}"
        found += [place, *pointers(inner, place)]
    return found


@given(st.dictionaries(NAMES, VALUES, min_size=1), VALUES, st.randoms(use_true_random=False))
def test_a_patch_and_its_inverse_change_nothing(
    document: dict[str, Any], value: Any, chance: Any
) -> None:
    before = json.dumps(document).encode()
    place = chance.choice(pointers(document))
    taken = json.loads(patched(before, {"op": "copy", "from": place, "path": "/taken"}))["taken"]
    replaced = patched(before, {"op": "replace", "path": place, "value": value})
    back = patched(replaced, {"op": "replace", "path": place, "value": taken})
    assert json.loads(back) == document
    removed = patched(before, {"op": "remove", "path": place})
    assert json.loads(patched(removed, {"op": "add", "path": place, "value": taken})) == document
