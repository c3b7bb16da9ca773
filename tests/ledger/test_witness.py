"""What engines catch validators at reaches every application that asks, the log and a receipt."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.entry import (
    MAX_ENTRY_BYTES,
    MAX_EVIDENCE,
    BlockEntry,
    Evidence,
    decode_entry,
    events_digest,
)
from careledger.ledger.errors import Unavailable
from careledger.ledger.merkle import Frontier, leaf_hash
from careledger.ledger.record import Digest, decode, digest, encode
from careledger.ledger.state import View
from careledger.ledger.transition import Applied, Block, Closed, Receipt, apply_block, close_block
from tests.ledger.world import (
    ANA,
    CHAIN,
    NOTES,
    NOW,
    RIVERSIDE,
    TOY,
    NoteSet,
    SetNote,
    first_state,
    parent,
    verified,
)

HELLO = SetNote(at="door", text="hello")


def caught(number: int = 0) -> Evidence:
    return Evidence(
        kind="duplicate-vote", address=number.to_bytes(20), height=number, time=NOW + number
    )


def note(evidence: Evidence, time: int, view: View) -> Iterator[NoteSet]:
    """Note who was caught, once; trip over height 13."""
    if evidence.height == 13:
        raise ZeroDivisionError
    at = evidence.address.hex()
    if view.get(NOTES, RIVERSIDE, at) is None:
        yield NoteSet(owner=RIVERSIDE, at=at, text=str(time))


NOTING = {"toy": replace(TOY, witness=note)}


def closed(*evidence: Evidence, transactions: int = 0) -> tuple[Applied, Closed]:
    block = Block(
        height=1,
        time=NOW + 5,
        transactions=tuple(verified(ANA, HELLO, nonce=n) for n in range(transactions)),
        evidence=evidence,
    )
    applied = apply_block(View(first_state()), parent(), block, CHAIN, NOTING)
    frontier = Frontier().extend([leaf_hash(b"genesis")])
    return applied, close_block(applied, block, parent(), Digest(bytes(32)), frontier)


def test_a_block_of_evidence_alone_has_a_block_entry_and_a_receipt_there() -> None:
    applied, block = closed(caught())
    [entry] = map(decode_entry, block.entries)
    assert isinstance(entry, BlockEntry)
    assert [decode(one, Evidence) for one in entry.evidence] == [caught()]
    assert entry.witnessed == events_digest(applied.witnessed)
    assert block.witnessed == Receipt(id=digest(block.entries[0]), events=applied.witnessed)
    [event] = applied.witnessed
    assert decode(event.event, NoteSet).text == str(NOW + 5)
    assert View(None, applied.changes).get(NOTES, RIVERSIDE, "00" * 20) is not None


def test_without_evidence_entries_are_as_they_always_were() -> None:
    _, block = closed(transactions=1)
    assert block.witnessed is None
    entry = decode_entry(block.entries[-1])
    assert b"witnessed" not in block.entries[-1]
    assert isinstance(entry, BlockEntry)
    assert entry.evidence == ()


def test_evidence_comes_before_the_transactions_of_its_block() -> None:
    block = Block(height=1, time=NOW, transactions=(verified(ANA, HELLO),), evidence=(caught(),))

    def refuse(evidence: Evidence, time: int, view: View) -> Iterator[NoteSet]:
        yield NoteSet(owner=ANA, at="door", text="first")

    noting = {"toy": replace(TOY, witness=refuse)}
    applied = apply_block(View(first_state()), parent(), block, CHAIN, noting)
    row = View(None, applied.changes).get(NOTES, ANA, "door")
    assert row is not None
    assert row.text == "hello"


def test_applications_without_a_witness_do_not_mind() -> None:
    block = Block(height=1, time=NOW, transactions=(), evidence=(caught(),))
    applied = apply_block(View(first_state()), parent(), block, CHAIN, {"toy": TOY})
    assert (applied.witnessed, dict(applied.changes), applied.alarms) == ((), {}, ())


def test_a_rule_that_trips_over_evidence_is_an_alarm_and_changes_nothing() -> None:
    applied, _ = closed(caught(13), caught(1))
    assert applied.alarms == ("1/evidence: ZeroDivisionError",)
    assert len(applied.witnessed) == 1


def test_a_store_that_does_not_answer_halts() -> None:
    def fail(evidence: Evidence, time: int, view: View) -> Iterator[NoteSet]:
        raise Unavailable

    block = Block(height=1, time=NOW, transactions=(), evidence=(caught(),))
    with pytest.raises(Unavailable):
        apply_block(View(), parent(), block, CHAIN, {"toy": replace(TOY, witness=fail)})


@given(st.lists(st.integers(0, 400), max_size=600), st.integers(0, 2))
def test_however_much_comes_the_entry_holds_each_piece_once(
    numbers: list[int], transactions: int
) -> None:
    applied, block = closed(*map(caught, numbers), transactions=transactions)
    kept = list(dict.fromkeys(numbers))[:MAX_EVIDENCE]
    assert len(block.entries) == (transactions + 1 if numbers or transactions else 0)
    if not numbers:
        return
    entry = decode_entry(block.entries[-1])
    assert isinstance(entry, BlockEntry)
    assert entry.evidence == tuple(encode(caught(number)) for number in kept)
    assert len(block.entries[-1]) <= MAX_ENTRY_BYTES
    assert len(applied.witnessed) == len(set(kept) - {13})


def test_the_most_evidence_that_is_kept_fits_an_entry() -> None:
    most = tuple(
        Evidence(
            kind="light-client-attack",
            address=number.to_bytes(20),
            height=2**53 - 1,
            time=2**53 - 1,
        )
        for number in range(MAX_EVIDENCE + 10)
    )
    _, block = closed(*most)
    assert len(block.entries[-1]) <= MAX_ENTRY_BYTES
