from collections.abc import Callable
from typing import Annotated, Any

import cbor2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import Malformed
from careledger.ledger.record import (
    MAX_BYTES,
    MAX_DEPTH,
    Instant,
    Record,
    decode,
    decode_trusted,
    encode,
    load_cbor,
)


class Inner(Record):
    at: Instant
    label: str


class Sample(Record, tag="sample"):
    name: str
    inner: tuple[Inner, ...] = ()
    digest: bytes = b""
    maybe: int | None = None


class Wide(Record):
    number: int


samples = st.builds(
    Sample,
    name=st.text(max_size=40),
    inner=st.lists(
        st.builds(Inner, at=st.integers(0, 2**53 - 1), label=st.text(max_size=30)), max_size=4
    ).map(tuple),
    digest=st.binary(max_size=300),
    maybe=st.none() | st.integers(-(2**63), 2**63 - 1),
)


@given(samples)
def test_what_is_encoded_decodes_to_itself(sample: Sample) -> None:
    assert decode(encode(sample), Sample) == sample
    assert decode_trusted(encode(sample), Sample) == sample


@given(samples)
def test_map_keys_are_in_bytewise_order(sample: Sample) -> None:
    keys = [cbor2.dumps(key) for key in cbor2.loads(encode(sample))]
    assert keys == sorted(keys)


@given(samples, st.data())
def test_every_other_encoding_is_malformed(sample: Sample, data: st.DataObject) -> None:
    plain = encode(sample)
    raw = bytearray(plain)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = decode(bytes(raw), Sample)
    except Malformed:
        return
    assert encode(other) == bytes(raw) != plain


NOT_CANONICAL = {
    "duplicate key": bytes.fromhex("a2666e756d62657201666e756d62657201"),
    "indefinite map": bytes.fromhex("bf666e756d62657201ff"),
    "long integer": bytes.fromhex("a1666e756d6265721801"),
    "long length": bytes.fromhex("a178066e756d62657201"),
    "float": bytes.fromhex("a1666e756d626572f93c00"),
    "true for one": bytes.fromhex("a1666e756d626572f5"),
    "tagged": bytes.fromhex("a1666e756d626572c101"),
    "beyond 64 bits": bytes.fromhex("a1666e756d626572c249010000000000000000"),
    "trailing byte": bytes.fromhex("a1666e756d6265720100"),
    "unknown field": bytes.fromhex("a2616101666e756d62657201"),
    "missing field": bytes.fromhex("a0"),
    "not a map": bytes.fromhex("01"),
    "empty": b"",
    "cut": bytes.fromhex("a1666e756d626572"),
    "undefined": bytes.fromhex("a1666e756d626572f7"),
    "too deep": b"\x81" * (MAX_DEPTH + 1) + b"\x01",
    "too deep by far": b"\x81" * 100_000 + b"\x01",
    "not utf-8": bytes.fromhex("a162fffe01"),
}


@pytest.mark.parametrize("data", NOT_CANONICAL.values(), ids=NOT_CANONICAL.keys())
def test_one_encoding_only(data: bytes) -> None:
    assert decode(bytes.fromhex("a1666e756d62657201"), Wide) == Wide(number=1)
    with pytest.raises(Malformed):
        decode(data, Wide)


def test_oversize_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode(encode(b"x" * MAX_BYTES), bytes)


def test_no_tag_is_ever_a_value() -> None:
    contents = (
        "00",
        "6161",
        "81" + "00",
        "8201" + "01",
        "a10102",
        "6a" + b"2013-03-21".hex(),
        "4161",
    )
    for tag in (*range(600), 1004, 43_000, 55_799, 65_535):
        head = (b"\xd9" + tag.to_bytes(2)).hex()
        for content in contents:
            with pytest.raises(Malformed):
                load_cbor(bytes.fromhex("a10f" + head + content))


@given(st.binary(max_size=300))
def test_garbage_raises_one_error_type(garbage: bytes) -> None:
    for type_ in (Sample, Wide, tuple[Sample, ...]):
        try:
            assert encode(decode(garbage, type_)) == garbage
        except Malformed:
            continue


def test_records_are_frozen_and_closed() -> None:
    sample = Sample(name="Ana")
    with pytest.raises(AttributeError):
        sample.name = "Ben"  # type: ignore[misc] # that is the point
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"type": "sample", "name": "x", "more": 1}, Sample)


def test_bounds_are_part_of_the_type() -> None:
    small = Annotated[int, msgspec.Meta(ge=0, lt=10)]
    with pytest.raises(Malformed):
        decode(encode(10), small)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=30), inner)
    ),
    max_leaves=20,
)


@given(plain | samples | st.lists(samples).map(tuple))
def test_the_encoding_is_the_canonical_one(value: object) -> None:
    as_plain = msgspec.to_builtins(value, builtin_types=(bytes,))
    assert encode(value) == cbor2.dumps(as_plain, canonical=True)


class Other(Record, tag="other"):
    name: str


class Third(Record, tag="third"):
    name: int = 0


plain = st.dictionaries(
    st.sampled_from(("type", "name", "maybe", "extra")),
    st.sampled_from(("sample", "other", "third", "fourth", "x", 3, b"x", None, True, ["other"])),
) | st.sampled_from(("other", 3, None, ["sample"]))


@given(plain)
def test_of_a_union_the_named_record_is_read_as_the_union_would_be(value: object) -> None:
    union: Any = Sample | Other | Third
    data = cbor2.dumps(value)

    def read(how: Callable[[], object]) -> object:
        try:
            return how()
        except msgspec.ValidationError:
            return msgspec.ValidationError

    found = read(lambda: decode_trusted(data, union))
    assert found == read(lambda: msgspec.convert(value, union, builtin_types=(bytes,)))
    if isinstance(found, Record):
        assert decode(encode(found), union) == found


@pytest.mark.parametrize(
    ("union", "value"), [(Sample | None, Sample(name="x")), (Sample | None, None), (int | str, "x")]
)
def test_a_union_of_anything_else_is_read_all_the_same(union: Any, value: object) -> None:
    assert decode(encode(value), union) == value
