"""Mirrors: a folder of a log's tiles and entries, so that a deleted or altered row is noticed.

The folder is laid out as C2SP tlog-tiles serves a log: `checkpoint`, `tile/0/000`,
`tile/entries/000` and so on. `careledger audit` keeps one, `careledger node tiles` writes one, and
copying the files makes another.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from careledger.ledger.checkpoint import Checkpoint, parse_checkpoint
from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.note import MAX_NOTE_BYTES
from careledger.ledger.tile import ENTRIES, WIDTH, Place, ProvedTiles, decode_bundle, place_at
from careledger.verify.checkpoint import check_checkpoint
from careledger.verify.order import LogOrder
from careledger.verify.step import Step, Steps, plural
from careledger.verify.trust import Believed

CHECKPOINT_FILE, EVIDENCE_FOLDER = "checkpoint", "evidence"

_ORIGIN = re.compile(r"careledger/([0-9a-f]{64})")
_TOLD = 5


def check_mirror(folder: Path, trusts: Sequence[Believed], about: str | None = None) -> Steps[None]:
    """Check that the mirror holds every entry of its checkpoint, unaltered and in order.

    Raises:
        Malformed, ProofError: it does not; the message names the first entry that is wrong.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        raise ProofError("the folder holds no checkpoint, so it is no mirror of a log")
    signed = parse_checkpoint(path.read_bytes()[: MAX_NOTE_BYTES + 1].decode(errors="replace"))
    checkpoint = signed.checkpoint
    yield Step(
        sentence=f"It is a mirror of {checkpoint.origin}, of "
        f"{plural(checkpoint.size, 'log entry', 'log entries')}."
    )
    counted = check_entries(folder, checkpoint)
    yield Step(
        sentence=f"{plural(counted, 'entry', 'entries')} from the first to the last: all are "
        "there, in order, and add up to the checkpoint's root."
    )
    yield from _evidence(folder)
    if about is not None:
        yield Step(
            decided=False,
            sentence="Tiles hold what happened as digests: whether they speak of "
            f"{about} cannot be said. `careledger save-log` keeps the events as well.",
        )
    yield from check_checkpoint(signed, trusts)


def check_entries(folder: Path, checkpoint: Checkpoint) -> int:
    """Check every tile and entry; how many entries there are. One bundle at a time in memory.

    Raises:
        ProofError: an entry or a hash is missing, altered, added or out of order.
    """
    match = _ORIGIN.fullmatch(checkpoint.origin)
    if match is None:
        raise Malformed
    fetch = lambda place: read_place(folder, place)  # noqa: E731 - a reader of one folder
    tiles = ProvedTiles(fetch, checkpoint.size, checkpoint.root)
    order = LogOrder(match[1])
    for place in _bundles(checkpoint.size):
        entries = read_bundle(folder, place)
        tiles.check_bundle(place, entries)
        for entry in entries:
            order.take(entry)
    if not order.is_whole:
        raise ProofError("the log breaks off within a block")
    return order.index


def read_place(folder: Path, place: Place) -> bytes:
    """The file of a tile or bundle.

    Raises:
        ProofError: it is not there.
    """
    try:
        return (folder / place.path()).read_bytes()
    except FileNotFoundError as error:
        raise ProofError(f"{place.path()} is missing") from error


def read_bundle(folder: Path, place: Place) -> list[bytes]:
    """The entries at `place`.

    Raises:
        ProofError: the file is missing or damaged.
    """
    try:
        return decode_bundle(read_place(folder, place))
    except Malformed as error:
        raise ProofError(f"{place.path()} is damaged") from error


def _bundles(size: int) -> Iterator[Place]:
    for number in range((size + WIDTH - 1) // WIDTH):
        place = place_at(ENTRIES, number, size)
        if place is not None:
            yield place


def _evidence(folder: Path) -> Steps[None]:
    """Say so if whoever kept the mirror met another history."""
    kept = sorted(path.name for path in (folder / EVIDENCE_FOLDER).glob("*.json"))
    if kept:
        more = f" and {len(kept) - _TOLD:,} more" if len(kept) > _TOLD else ""
        yield Step(
            sentence="Whoever kept it met another history as well; the evidence is in "
            f"{', '.join(kept[:_TOLD])}{more}."
        )
