import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import Malformed
from careledger.verify.scanned import (
    PREFIX,
    decode_base45,
    encode_base45,
    format_scanned,
    parse_scanned,
)

PUBLISHED = [
    (b"AB", "BB8"),
    (b"Hello!!", "%69 VD92EX0"),
    (b"base-45", "UJCLQE7W581"),
    (b"ietf!", "QED8WEX0"),
]
"""RFC 9285 4.3 and 4.4."""


@pytest.mark.parametrize(("data", "text"), PUBLISHED)
def test_published_examples(data: bytes, text: str) -> None:
    assert encode_base45(data) == text
    assert decode_base45(text) == data


@given(st.binary(max_size=200))
def test_what_was_formatted_parses(data: bytes) -> None:
    assert parse_scanned(format_scanned(data)) == data
    assert parse_scanned(format_scanned(data) + "\r\n") == data


@given(st.text(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:a\u00e9", max_size=40))
def test_any_text_is_base45_in_one_way_or_not_at_all(text: str) -> None:
    try:
        data = decode_base45(text)
    except Malformed:
        return
    assert encode_base45(data) == text


@pytest.mark.parametrize(
    "text", ["", "CARELEDGER2:", PREFIX + "A", PREFIX + "::::", PREFIX + "BB8"]
)
def test_what_is_no_evidence(text: str) -> None:
    with pytest.raises(Malformed):
        parse_scanned(text)


def test_a_text_that_unpacks_without_end() -> None:
    with pytest.raises(Malformed):
        parse_scanned(format_scanned(bytes(2 << 20)))


def test_a_text_with_something_behind_it() -> None:
    import zlib

    with pytest.raises(Malformed):
        parse_scanned(PREFIX + encode_base45(zlib.compress(b"x") + b"y"))
