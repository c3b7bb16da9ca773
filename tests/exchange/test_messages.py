"""What travels has one encoding, pinned by vectors, and nothing else is taken for it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from careledger.ledger.errors import Malformed
from careledger.ledger.record import decode, digest
from careledger.mechanisms.messages import (
    Ask,
    Query,
    Refused,
    asked,
    decode_answer,
    join_parts,
    manifest,
    split_parts,
)
from tests.exchange.vectors import PACKAGE, QUERY, SALT, vectors

VECTORS = Path(__file__).parent.parent / "vectors" / "exchange.json"


def test_the_published_vectors_hold() -> None:
    assert vectors() == json.loads(VECTORS.read_text())


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_parts_come_apart_as_they_were_joined(parts: list[bytes]) -> None:
    assert split_parts(join_parts(parts)) == parts


@given(st.binary(max_size=60))
def test_no_other_bytes_come_apart(data: bytes) -> None:
    try:
        parts = split_parts(data)
    except Malformed:
        return
    assert join_parts(parts) == data


@given(st.binary(max_size=200))
def test_no_other_bytes_are_an_answer_or_an_ask(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_answer(data)
    with pytest.raises(Malformed):
        decode(data, Ask)


def test_an_answer_is_told_apart_by_its_tag() -> None:
    said = decode_answer(bytes.fromhex(vectors()["refused"]))
    assert said == Refused(dimensions=("purpose",), number=2)


def test_the_query_commitment_binds_everything_that_is_asked() -> None:
    one = asked(SALT, QUERY, None)
    others = [
        asked(digest(b"other"), QUERY, None),
        asked(SALT, QUERY, SALT),
        asked(SALT, Query(), None),
        asked(SALT, replace(QUERY, id="o1"), None),
        asked(SALT, replace(QUERY, parameters=()), None),
    ]
    assert len({one, *others}) == 6


def test_the_manifest_binds_request_content_and_order() -> None:
    first, second = digest(b"1"), digest(b"2")
    one = manifest(SALT, first, [first, second])
    others = [
        manifest(SALT, second, [first, second]),
        manifest(SALT, first, [second, first]),
        manifest(SALT, first, [first]),
        manifest(first, first, [first, second]),
    ]
    assert len({one, *others}) == 5


def test_terms_come_with_their_salt_or_not_at_all() -> None:
    assert replace(PACKAGE, terms=None, salt=None).commitment() is None
    for half in (replace(PACKAGE, terms=None), replace(PACKAGE, salt=None)):
        with pytest.raises(Malformed):
            half.commitment()
