"""Log entries: one encoding each, and none too large for a tile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from careledger.ledger.entry import (
    MAX_ENTRY_BYTES,
    BlockEntry,
    EventRecord,
    GenesisEntry,
    LogEntry,
    TransactionEntry,
    decode_entry,
    encode_entry,
    events_digest,
)
from careledger.ledger.errors import InvalidBlock, Malformed
from careledger.ledger.record import digest, encode

HASHES = st.binary(min_size=32, max_size=32)
NUMBERS = st.integers(0, 2**53 - 1)
ENTRIES = st.one_of(
    st.builds(GenesisEntry, chain=HASHES),
    st.builds(TransactionEntry, id=HASHES, exp=NUMBERS, code=NUMBERS, events=HASHES),
    st.builds(
        BlockEntry,
        height=NUMBERS,
        time=NUMBERS,
        state_root=HASHES,
        version=NUMBERS,
        evidence=st.lists(st.binary(max_size=50), max_size=3).map(tuple),
        witnessed=st.just(UNSET) | HASHES,
    ),
)


@given(ENTRIES)
def test_an_entry_decodes_to_itself(entry: LogEntry) -> None:
    assert decode_entry(encode_entry(entry)) == entry


@given(ENTRIES, st.data())
def test_other_bytes_are_another_entry_or_none(entry: LogEntry, data: st.DataObject) -> None:
    altered = bytearray(encode_entry(entry))
    bit = data.draw(st.integers(0, len(altered) * 8 - 1))
    altered[bit // 8] ^= 1 << bit % 8
    try:
        other = decode_entry(bytes(altered))
    except Malformed:
        return
    assert other != entry
    assert encode_entry(other) == altered


def test_an_entry_that_a_tile_cannot_hold_is_refused() -> None:
    def block(size: int) -> BlockEntry:
        return BlockEntry(
            height=1, time=1, state_root=bytes(32), version=1, evidence=(bytes(size),)
        )

    room = MAX_ENTRY_BYTES - len(encode_entry(block(1_000))) + 1_000
    assert len(encode_entry(block(room))) == MAX_ENTRY_BYTES
    with pytest.raises(InvalidBlock):
        encode_entry(block(room + 1))


def test_the_events_digest_is_that_of_pairs_in_order() -> None:
    first = EventRecord(application="consent", event=b"one")
    second = EventRecord(application="records", event=b"two")
    assert events_digest([first, second]) == digest(
        encode([["consent", b"one"], ["records", b"two"]])
    )
    assert events_digest([first, second]) != events_digest([second, first])
    assert events_digest([]) == digest(b"\x80")


def test_what_is_no_entry_is_malformed() -> None:
    values: list[object] = [
        {"type": "other"},
        {"type": "genesis"},
        {"type": "genesis", "chain": bytes(31)},
        {"type": "genesis", "chain": bytes(32), "more": 1},
        {"type": "transaction", "id": bytes(32), "exp": True, "code": 0, "events": bytes(32)},
        [],
    ]
    for value in values:
        with pytest.raises(Malformed):
            decode_entry(encode(value))
