"""Chunks: the same items give the same chunks, and each gives back what went in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import Malformed, ProofError
from careledger.store.sync import format as snapshot_format
from careledger.store.sync.format import (
    ENTRIES,
    ROWS,
    cut,
    decode_entries,
    decode_rows,
    encode_entry_items,
    encode_row_items,
)

PAIRS = st.dictionaries(
    st.binary(min_size=1, max_size=255), st.binary(max_size=300), min_size=1, max_size=40
).map(lambda rows: sorted(rows.items()))


@given(PAIRS, st.integers(1, 2_000))
def test_rows_come_back(pairs: list[tuple[bytes, bytes]], bound: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot_format, "CHUNK_BYTES", bound)
        chunks = list(cut(ROWS, encode_row_items(pairs)))
        assert chunks == list(cut(ROWS, encode_row_items(pairs)))
    found: list[tuple[bytes, bytes]] = []
    for chunk in chunks:
        found += decode_rows(chunk, found[-1][0] if found else b"")
        assert len(chunk) <= bound or len(decode_rows(chunk, b"")) == 1
    assert found == pairs


@given(st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=40))
def test_entries_come_back(entries: list[bytes]) -> None:
    (chunk,) = cut(ENTRIES, encode_entry_items(entries))
    assert decode_entries(chunk) == entries
    with pytest.raises(Malformed):
        decode_entries(chunk[:-1])


def test_nothing_is_no_chunk() -> None:
    assert list(cut(ROWS, ())) == []


def test_a_row_that_no_chunk_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_format, "MAX_CHUNK_BYTES", 100)
    with pytest.raises(ProofError, match="longer"):
        list(cut(ROWS, [bytes(101)]))


@given(PAIRS)
def test_keys_ascend(pairs: list[tuple[bytes, bytes]]) -> None:
    (chunk,) = cut(ROWS, encode_row_items([*pairs, pairs[-1]]))
    with pytest.raises(Malformed):
        decode_rows(chunk, b"")
    (chunk,) = cut(ROWS, encode_row_items(pairs))
    with pytest.raises(Malformed):
        decode_rows(chunk, pairs[0][0])
    with pytest.raises(Malformed):
        decode_rows(chunk[:-1] if pairs[-1][1] else chunk + b"\1", b"")
