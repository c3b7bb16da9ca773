"""Taking a snapshot: from one read transaction to files beside the ledger, all of them or none.

A reader keeps LMDB from using pages again that later blocks let go, so the ledger grows while it is
held: whoever takes a snapshot says how much, and it is given up beyond that.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from careledger.ledger.entry import BlockEntry, decode_entry
from careledger.ledger.errors import CorruptStore, LedgerError
from careledger.ledger.merkle import Frontier, leaf_hash
from careledger.ledger.record import Digest, digest, encode
from careledger.ledger.tile import HEIGHT, WIDTH
from careledger.store import tiles
from careledger.store.environment import sync_folder
from careledger.store.snapshot import Snapshot
from careledger.store.sync.format import (
    ENTRIES,
    MIN_HEIGHT,
    ROWS,
    SEEN_S,
    Manifest,
    cut,
    edge_levels,
    encode_entry_items,
    encode_row_items,
)
from careledger.store.sync.kept import MANIFEST_FILE, Kept, chunk_name, folder_name

_BLOCK_ENTRY = b"block"
_READ = 4_096


class GivenUp(LedgerError):
    """The ledger was written too much meanwhile; the next snapshot is another chance."""


def take(
    committed: Snapshot, folder: Path, check: Callable[[], None] = lambda: None
) -> tuple[Manifest, Path]:
    """Write what `committed` is to a new folder below `folder`; not durable and not in place yet.

    `check` is called after each chunk and may end it. Cost: a million rows of 100 bytes take some
    two seconds, and 4 MB of memory.

    Raises:
        CorruptStore: the newest block is empty, so the log does not vouch for its height; or it is
            the first.
        GivenUp: `check` says so.
    """
    header = committed.latest()
    if header.size == header.first or header.height < MIN_HEIGHT:
        raise CorruptStore("of an empty block, or the first, there is no snapshot", header.height)
    staged = folder / (folder_name(header.height) + ".part")
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True, mode=0o700)
    begin = find_begin(committed)
    chunks: list[Digest] = []
    rows = _Counted(committed.pairs("rows"))
    for chunk in _chunks(committed, begin, rows):
        (staged / chunk_name(len(chunks))).write_bytes(chunk)
        chunks.append(digest(chunk))
        check()
    manifest = Manifest(
        chain=digest(committed.genesis()),
        header=header,
        edge=tuple(_edge(committed, header.size)),
        begin=begin,
        before=frontier_at(committed, begin).hashes,
        rows=rows.count,
        chunks=tuple(chunks),
    )
    (staged / MANIFEST_FILE).write_bytes(encode(manifest))
    return manifest, staged


def put_in_place(staged: Path, kept: int) -> Path:
    """Make a staged snapshot durable, then visible; only the newest `kept` stay."""
    for path in sorted(staged.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(staged)
    place = staged.with_suffix("")
    shutil.rmtree(place, ignore_errors=True)
    staged.rename(place)
    sync_folder(place.parent)
    Kept(place.parent).keep(kept)
    return place


def find_begin(committed: Snapshot) -> int:
    """Where the entries begin that tell which transactions were seen: at a block older than that.

    The newest block entry that is more than `SEEN_S` older than the newest block; else the first
    entry of the log.
    """
    oldest = committed.latest().time - SEEN_S
    for index, data in committed.entries_back():
        if _BLOCK_ENTRY in data:  # most entries are of transactions, and need no decoding
            entry = decode_entry(data)
            if isinstance(entry, BlockEntry) and entry.time < oldest:
                return index
    return 0


def frontier_at(committed: Snapshot, size: int) -> Frontier:
    """The frontier of the log's first `size` entries; also where older tiles are missing."""
    if committed.gap is None or size < committed.gap.next:
        return tiles.frontier(committed.tile, size)
    frontier = Frontier(committed.gap.kept, tuple(Digest(one) for one in committed.gap.before))
    if size > frontier.size:
        frontier = frontier.extend(map(leaf_hash, committed.entries(frontier.size, size)))
    return frontier


def _chunks(committed: Snapshot, begin: int, rows: "_Counted") -> Iterator[bytes]:
    size = committed.latest().size
    entries = (
        entry
        for first in range(begin, size, _READ)
        for entry in committed.entries(first, min(first + _READ, size))
    )
    yield from cut(ENTRIES, encode_entry_items(entries))
    yield from cut(ROWS, encode_row_items(rows))


def _edge(committed: Snapshot, size: int) -> Iterator[bytes]:
    for level in edge_levels(size):
        number, within = divmod(size >> (HEIGHT * level), WIDTH)
        yield committed.tile(level, number) if within else b""


class _Counted:
    """Pairs, counted as they go by."""

    def __init__(self, pairs: Iterator[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs
        self.count = 0

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        for pair in self._pairs:
            self.count += 1
            yield pair
