import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.cose import (
    decode_headers,
    decode_sign1,
    encode_headers,
    encode_sign1,
    sig_structure,
)
from careledger.ledger.errors import BadSignature, Malformed
from careledger.ledger.signature import COSE_NUMBERS, PublicKey, verify

labels = st.integers(-(2**31), 2**31) | st.text(max_size=8)
values = st.integers(-100, 100) | st.binary(max_size=8) | st.text(max_size=8)
headers = st.dictionaries(labels, values, min_size=1, max_size=8)


@given(headers, st.none() | st.binary(max_size=50), st.binary(min_size=64, max_size=64))
def test_what_is_encoded_decodes_to_itself(
    protected: dict[int | str, object], payload: bytes | None, signature: bytes
) -> None:
    data = encode_sign1(encode_headers(protected), payload, signature)
    message = decode_sign1(data)
    assert (message.headers, message.payload, message.signature) == (protected, payload, signature)


def test_header_keys_are_in_bytewise_order_across_types() -> None:
    # RFC 8949 4.2.1: 10, 100, -1, "z", "aa" - not by length first, as 4.2.3 would have it
    encoded = encode_headers({"aa": 0, "z": 0, -1: 0, 100: 0, 10: 0})
    assert encoded.hex() == "a50a00186400200061" + "7a00" + "6261" + "6100"


def test_true_is_not_one_and_order_counts() -> None:
    for data in ("a1f527", "a20327" + "0127", "a2012701" + "27", "a1fb3ff0000000000000" + "27"):
        with pytest.raises(Malformed):
            decode_headers(bytes.fromhex(data))


@pytest.mark.parametrize(
    "data",
    [
        "a10f" + "a1f500",  # true posing as 1 in a nested map
        "a10f" + "81a1f500",  # and in a map within a list
        "a101" + "f97e00",
        "a101" + "f7",
        "a101" + "e0",
    ],
)
def test_only_plain_values_stand_in_headers_at_any_depth(data: str) -> None:
    with pytest.raises(Malformed):
        decode_headers(bytes.fromhex(data))


def test_shared_references_neither_unfold_nor_turn_in_circles() -> None:
    itself = bytes.fromhex("a10f" + "d81c81" + "d81d00")
    unfolded = "d81c8100"  # each level refers fifteen times to the one below: 16**12 values
    for level in range(12, 0, -1):
        unfolded = "d81c90" + unfolded + f"d81d{level:02x}" * 15
    for data in (itself, bytes.fromhex("a10f" + unfolded)):
        with pytest.raises(Malformed):
            decode_headers(data)


@given(
    headers,
    st.none() | st.binary(max_size=300),
    st.integers(0, 70),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=2),
    st.integers(0, 3),
)
def test_the_short_way_to_read_a_message_reads_as_the_long_one(
    protected: dict[int | str, object],
    payload: bytes | None,
    size: int,
    spoilt: list[tuple[int, int]],
    cut: int,
) -> None:
    data = bytearray(encode_sign1(encode_headers(protected), payload, bytes(size)))
    for at, byte in spoilt:
        data[at % len(data)] = byte
    del data[len(data) - cut :]

    def read() -> object:
        try:
            return decode_sign1(bytes(data))
        except Malformed:
            return Malformed

    short = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("careledger.ledger.cose._split", lambda _: None)
        assert read() == short


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 65_535, 65_536])
def test_a_length_has_one_encoding(size: int) -> None:
    data = encode_sign1(encode_headers({1: -8}), bytes(size), bytes(64))
    assert decode_sign1(data).payload == bytes(size)
    head = encode_sign1(encode_headers({1: -8}), None, bytes(64)).index(b"\xf6")
    longer = {1: b"\x58", 2: b"\x59\x00", 3: b"\x5a\x00\x00"}
    width = 1 if size < 24 else 2 if size < 256 else 3
    if size < 65_536:
        value = size.to_bytes(1 if size < 256 else 2)
        wide = data[:head] + longer[width] + value + data[head + width :]
        with pytest.raises(Malformed):
            decode_sign1(wide)


def test_a_filled_unprotected_header_needs_permission() -> None:
    data = encode_sign1(encode_headers({1: -8}), b"x", bytes(64), {4: b"k"})
    assert decode_sign1(data, unprotected=True).unprotected == {4: b"k"}
    with pytest.raises(Malformed):
        decode_sign1(data)


@given(st.binary(max_size=200))
def test_garbage_is_malformed(garbage: bytes) -> None:
    for data in (garbage, b"\xd2\x84" + garbage):
        try:
            assert decode_sign1(data).signature is not None
        except Malformed:
            continue


def published(shared_data: Path, pattern: str) -> list[dict[str, Any]]:
    found = sorted((shared_data / "crypto" / "cose").glob(pattern))
    assert found, f"no vectors match {pattern}"
    return [json.loads(path.read_text()) for path in found]


def test_published_sig_structures_are_ours(shared_data: Path) -> None:
    for case in published(shared_data, "eddsa-examples/eddsa-sig-0*.json"):
        message = decode_sign1(bytes.fromhex(case["output"]["cbor"]), unprotected=True)
        expected = case["intermediates"]["ToBeSign_hex"]
        assert sig_structure(message.protected, message.payload or b"").hex().upper() == expected


def test_published_passes_that_we_are_stricter_about(shared_data: Path) -> None:
    """An empty protected header, external data, no tag: allowed by RFC 9052, of no use here."""
    for case in published(shared_data, "sign1-tests/sign-pass-0*.json"):
        assert not accepted(case)


def test_published_failures_fail(shared_data: Path) -> None:
    for case in published(shared_data, "sign1-tests/sign-fail-*.json"):
        assert not accepted(case)


def accepted(case: dict[str, Any]) -> bool:
    key = case["input"]["sign0"]["key"]
    public = PublicKey(algorithm="ES256", public=_compressed(key["x"], key["y"]))
    try:
        message = decode_sign1(bytes.fromhex(case["output"]["cbor"]), unprotected=True)
        verify(public, sig_structure(message.protected, message.payload or b""), message.signature)
    except (Malformed, BadSignature):
        return False
    return message.headers[1] == COSE_NUMBERS["ES256"]


def _compressed(x: str, y: str) -> bytes:
    import base64

    def raw(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "==")

    return bytes([2 + raw(y)[-1] % 2]) + raw(x)
