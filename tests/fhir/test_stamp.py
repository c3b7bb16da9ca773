"""A version's number and time come into a resource, and nothing else changes."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.stamp import stamped

STORED = "2026-11-22T23:00:00Z"

TEXTS = st.text(max_size=8) | st.sampled_from(
    ("meta", "versionId", '"meta"', "\\", "}{", "lastUpdated")
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | TEXTS | st.sampled_from(("1.00", "1e5", "-0.0"))
)
NAMES = TEXTS | st.just("meta")
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
METAS = st.dictionaries(
    TEXTS | st.sampled_from(("versionId", "lastUpdated", "tag")), TREES, max_size=4
)
RESOURCES = (
    st.dictionaries(NAMES, TREES, max_size=5)
    .flatmap(lambda rest: st.none() | METAS.map(lambda meta: rest | {"meta": meta}) | st.just(rest))
    .filter(lambda one: one is not None and isinstance(one.get("meta", {}), dict))
)

USUAL = st.tuples(METAS, RESOURCES).map(
    lambda pair: {"resourceType": "Basic", "id": "a", "meta": pair[0]} | pair[1]
)
"""As nearly every resource begins."""


def read(data: bytes) -> Any:
    """JSON with its numbers as written."""
    return json.loads(data, parse_float=Decimal, parse_int=lambda text: ("int", text))


def expected(data: bytes, version: int) -> Any:
    content = read(data)
    meta = dict(content.get("meta", {})) | {"versionId": str(version), "lastUpdated": STORED}
    return content | {"meta": meta}


@given(
    resource=RESOURCES | USUAL,
    version=st.integers(1, 10**9),
    ascii_only=st.booleans(),
    indent=st.sampled_from((None, 2)),
)
def test_only_version_and_time_change(
    resource: dict[str, Any], version: int, *, ascii_only: bool, indent: int | None
) -> None:
    data = json.dumps(resource, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "replace")
    assert read(stamped(data, version, STORED)) == expected(data, version)


@pytest.mark.parametrize(
    "text",
    [
        '{"resourceType":"Observation","valueQuantity":{"value":1.00}}',
        '{"resourceType":"Patient","meta":{}}',
        '{"meta" : { "versionId" : "9" , "tag":[{"code":"meta"}] } ,"id":"1"}',
        '{"\\u006deta":{"version\\u0049d":"9","lastUpdated":"x"},"id":"1"}',
        '{"contained":[{"meta":{"versionId":"7"}}],"id":"1"}',
        '{"contained":[{"meta":{"versionId":"7"}}],"meta":{"source":"a,}\\""}}',
        " \n{ }",
        '{"meta":{"versionId":"1"},"meta":{"versionId":"2"}}',
        '{"a":-1.50e+3,"b":[1,2.0],"meta":{"versionId":"1","lastUpdated":"y","z":1.0}}',
    ],
)
def test_odd_places(text: str) -> None:
    data = text.encode()
    assert read(stamped(data, 3, STORED)) == expected(data, 3)


def test_every_other_byte_stays() -> None:
    data = b'{ "resourceType":"Patient",\n "meta":{"versionId":"1", "x":1.00},\t"id":"a"}'
    assert stamped(data, 12, STORED) == (
        b'{ "resourceType":"Patient",\n "meta":{"lastUpdated":"2026-11-22T23:00:00Z",'
        b'"versionId":"12", "x":1.00},\t"id":"a"}'
    )
