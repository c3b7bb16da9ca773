"""Log slices: a third party sees that nothing was deleted, added, moved or altered."""

import json
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import LedgerError, ProofError
from careledger.ledger.record import Digest
from careledger.ledger.span import span_proof
from careledger.verify.slice import check_slice, slice_lines
from careledger.verify.step import Step
from tests.example_log import ANA, CHAIN
from tests.verify.network import LOG, trust


def slice_of(begin: int = 0, end: int = LOG.size, *, opened: bool = True) -> list[bytes]:
    rows = [(LOG.entries[at], LOG.events.get(at) if opened else None) for at in range(begin, end)]
    span = span_proof(begin, end, LOG.size, LOG.subtree)
    return list(slice_lines(Digest(CHAIN), LOG.checkpoint().format(), span, rows))


def check(lines: list[bytes], about: str | None = None) -> list[Step]:
    return list(check_slice(iter(lines), [trust()], about))


@given(st.integers(0, LOG.size), st.integers(0, LOG.size))
def test_every_stretch_of_the_log_verifies(first: int, second: int) -> None:
    steps = check(slice_of(min(first, second), max(first, second)))
    assert all(step.decided for step in steps)


def test_it_says_what_speaks_of_an_account() -> None:
    steps = check(slice_of(), about=ANA)
    sentences = [step.sentence for step in steps]
    assert "Row 2: consent granted (grantee plains)." in sentences
    assert f"2 rows of this slice speak of {ANA}." in sentences
    assert all(step.decided for step in steps)


def test_rows_without_events_leave_open_whom_they_speak_of() -> None:
    steps = check(slice_of(opened=False), about=ANA)
    (undecided,) = [step for step in steps if not step.decided]
    assert "3 rows came without events" in undecided.sentence  # the refused one has none to tell
    assert all(step.decided for step in check(slice_of(opened=False)))


def renumbered(lines: list[bytes]) -> list[bytes]:
    """What somebody does who deletes a row and hides the gap."""
    header, *rows = map(json.loads, lines)
    header["span"]["end"] = header["span"]["begin"] + len(rows)
    for index, row in enumerate(rows, header["span"]["begin"]):
        row["index"] = index
    return [json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in (header, *rows)]


TAMPERINGS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "deleted": (lambda lines: lines[:3] + lines[4:], "row 2: another row stands in its place"),
    "last deleted": (lambda lines: lines[:-1], "row 6: the row is missing or damaged"),
    "swapped": (
        lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]],
        "row 2: another row stands in its place",
    ),
    "added": (lambda lines: [*lines, lines[-1]], "more rows than the slice speaks of"),
    "damaged": (
        lambda lines: [*lines[:3], lines[3].replace(b'"entry"', b'"Entry"'), *lines[4:]],
        "row 2: the row is missing or damaged",
    ),
    "without spaces": (
        lambda lines: [*lines[:3], lines[3].replace(b",", b", ", 1), *lines[4:]],
        "row 2: the row is missing or damaged",
    ),
    "events left out of a block": (
        lambda lines: [*lines[:5], lines[5].replace(b'"events":null', b'"events":[]'), *lines[6:]],
        "row 4: only transactions and blocks with evidence have events",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_named_by_its_row(name: str) -> None:
    tamper, sentence = TAMPERINGS[name]
    with pytest.raises(ProofError, match=sentence):
        check(tamper(slice_of()))


@given(st.integers(1, LOG.size))
def test_a_deleted_row_cannot_be_hidden(line: int) -> None:
    lines = slice_of()
    del lines[line]
    with pytest.raises(LedgerError):
        check(renumbered(lines))


@given(st.data())
def test_no_flipped_bit_goes_unnoticed(data: st.DataObject) -> None:
    text = b"".join(slice_of(1, 6))
    begin = text.index(b"\n") + 1  # the header also holds signatures that may be ignored
    bit = data.draw(st.integers(8 * begin, 8 * len(text) - 1))
    altered = bytearray(text)
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(LedgerError):
        check(bytes(altered).splitlines(keepends=True))


def test_events_of_another_transaction_are_noticed() -> None:
    lines = slice_of()
    first, second = json.loads(lines[2]), json.loads(lines[3])
    first["events"] = second["events"]
    lines[2] = json.dumps(first, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(ProofError, match="row 1: the events are not those of the entry"):
        check(lines)


def test_an_empty_file_and_an_endless_line_are_refused() -> None:
    def endless() -> Iterator[bytes]:
        yield b"{" * (5 << 20)

    with pytest.raises(LedgerError):
        check([])
    with pytest.raises(LedgerError):
        list(check_slice(endless(), [trust()]))
