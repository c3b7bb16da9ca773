"""Log slices: every entry of a stretch of the log, so that a deleted or altered row is noticed.

A slice is a text file, `careledger-log/1`: a header line, then one line for each entry, each one
JSON object without spaces. Anyone may read it, and anyone who deletes a line is caught.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from careledger.ledger.entry import (
    BlockEntry,
    EventRecord,
    GenesisEntry,
    LogEntry,
    TransactionEntry,
    decode_entry,
    events_digest,
)
from careledger.ledger.errors import LedgerError, Malformed, ProofError
from careledger.ledger.merkle import leaf_hash
from careledger.ledger.record import Count, Digest, Hash, Record
from careledger.ledger.span import Span, root_of_span
from careledger.verify.checkpoint import check_checkpoint, read_checkpoint
from careledger.verify.event import describe, speaks_of
from careledger.verify.step import Step, Steps, plural
from careledger.verify.trust import Believed, ChainHex

MAX_LINE_BYTES = 4 << 20

T = TypeVar("T", bound=Record)


class SliceHeader(Record):
    """Which stretch of which log, and everything of the tree that the stretch leaves out."""

    format: Literal["careledger-log/1"] = "careledger-log/1"
    chain: ChainHex
    span: Span
    checkpoint: str


class SliceRow(Record):
    """One entry. `leaf` repeats its hash, so that an altered row can be named.

    `events` are those of a transaction, or of a block with evidence; null where there can be none,
    or where whoever made the slice left them out.
    """

    index: Count
    leaf: Hash
    entry: bytes
    events: tuple[EventRecord, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What all rows together came to."""

    leaves: list[Digest]
    unopened: int
    about: list[str]


def slice_lines(
    chain: Digest,
    checkpoint: str,
    span: Span,
    rows: Iterable[tuple[bytes, tuple[EventRecord, ...] | None]],
) -> Iterator[bytes]:
    """The lines of a slice, each with its newline; `rows` are entries [begin, end) and events."""
    yield _line(SliceHeader(chain=chain.hex(), span=span, checkpoint=checkpoint))
    for index, (entry, events) in enumerate(rows, span.begin):
        yield _line(SliceRow(index=index, leaf=leaf_hash(entry), entry=entry, events=events))


def check_slice(
    lines: Iterator[bytes], trusts: Sequence[Believed], about: str | None = None
) -> Steps[None]:
    """Check that the slice is complete and unaltered; list what it says of the account `about`.

    Raises:
        Malformed, ProofError: it is not; the message names the first row that is wrong.
    """
    header = _parse(next(lines, b""), SliceHeader)
    span = header.span
    signed = read_checkpoint(header.checkpoint, bytes.fromhex(header.chain))
    checkpoint = signed.checkpoint
    if span.size != checkpoint.size:
        raise ProofError(
            "the slice is of another size than its checkpoint",
            expected=checkpoint.size,
            actual=span.size,
        )
    seen = _read_rows(lines, header, about)
    yield Step(
        sentence=f"Rows {span.begin:,} to {span.end - 1:,} are all there, in order, and none "
        "contradicts itself."
    )
    computed = root_of_span(seen.leaves, span)
    if computed != checkpoint.root:
        raise ProofError(
            "the rows do not add up to the log that was signed: at least one is not the original",
            expected=checkpoint.root.hex(),
            actual=computed.hex(),
        )
    yield Step(sentence="They add up, with the rest of the tree, to the checkpoint's root.")
    if about is not None:
        yield from _about(seen, about)
    yield from check_checkpoint(signed, trusts)


def _about(seen: _Seen, about: str) -> Steps[None]:
    for sentence in seen.about:
        yield Step(sentence=sentence)
    yield Step(
        sentence=f"{plural(len(seen.about), 'row')} of this slice "
        f"{'speaks' if len(seen.about) == 1 else 'speak'} of {about}."
    )
    if seen.unopened:
        yield Step(
            decided=False,
            sentence=f"{plural(seen.unopened, 'row')} came without events: whether they speak of "
            f"{about} cannot be said.",
        )


def _read_rows(lines: Iterator[bytes], header: SliceHeader, about: str | None) -> _Seen:
    span = header.span
    leaves: list[Digest] = []
    mentions: list[str] = []
    unopened = 0
    for index in range(span.begin, span.end):
        try:
            row = _parse(next(lines, b""), SliceRow)
            events = _check_row(row, index, header.chain)
        except LedgerError as error:
            reason = getattr(error, "reason", "") or "the row is missing or damaged"
            raise ProofError(f"row {index:,}: {reason}") from error
        leaves.append(leaf_hash(row.entry))
        unopened += events is None
        if about is not None and any(speaks_of(event, about) for event in events or ()):
            mentions.append(f"Row {index:,}: {describe(events or ())}.")
    if next(lines, b""):
        raise ProofError("there are more rows than the slice speaks of", expected=span.end)
    return _Seen(leaves=leaves, unopened=unopened, about=mentions)


def _check_row(row: SliceRow, index: int, chain: str) -> tuple[EventRecord, ...] | None:
    """The events of a row that stands in its place and does not contradict itself."""
    if row.index != index:
        raise ProofError("another row stands in its place", expected=index, actual=row.index)
    if leaf_hash(row.entry) != row.leaf:
        raise ProofError("the entry was altered", expected=row.leaf.hex())
    entry = decode_entry(row.entry)
    if isinstance(entry, GenesisEntry) and (entry.chain.hex() != chain or index):
        raise ProofError("another chain's beginning", expected=chain, actual=entry.chain.hex())
    happened = _digest_of_events(entry)
    if happened is None:
        if row.events is not None:
            raise ProofError("only transactions and blocks with evidence have events")
        return ()
    if row.events is not None and events_digest(row.events) != happened:
        raise ProofError("the events are not those of the entry", expected=happened.hex())
    # A refused transaction has none: its digest is that of no events, told or not.
    return () if happened == events_digest(()) else row.events


def _digest_of_events(entry: LogEntry) -> bytes | None:
    """What the events of an entry add up to; `None` if it can have none."""
    if isinstance(entry, TransactionEntry):
        return entry.events
    if isinstance(entry, BlockEntry) and entry.witnessed is not msgspec.UNSET:
        return entry.witnessed
    return None


def _line(record: Record) -> bytes:
    return msgspec.json.encode(record) + b"\n"


def _parse(line: bytes, type_: type[T]) -> T:
    """The record of one line in its one spelling."""
    if len(line) > MAX_LINE_BYTES:
        raise Malformed
    try:
        record = msgspec.json.decode(line, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed from error
    if _line(record) != line:
        raise Malformed
    return record
