"""The log's hashes in tiles of 256: any perfect subtree can be computed from one of them.

A tile of level n holds, concatenated, the roots of 256 subtrees of height 8n (C2SP tlog-tiles). The
last tile of a level may be partial: it is written again with each block until it is full.
"""

from collections.abc import Iterator, Sequence

from careledger.ledger import tile as layout
from careledger.ledger.errors import CorruptStore, ProofError
from careledger.ledger.merkle import HASH_BYTES, Frontier, cover
from careledger.ledger.record import Digest
from careledger.ledger.tile import TILE_BYTES, WIDTH, ReadTile, tile_root

Tile = tuple[int, int, bytes]
"""Level, number, bytes."""


def grow(read_tile: ReadTile, size: int, leaves: Sequence[bytes]) -> Iterator[Tile]:
    """The tiles that differ after `leaves` are appended to the log of `size` entries."""
    level, begin, row = 0, size, b"".join(leaves)
    while row:
        number, within = divmod(begin, WIDTH)
        row = _partial(read_tile, level, number, within) + row
        completed: list[bytes] = []
        for at in range(0, len(row), TILE_BYTES):
            tile = row[at : at + TILE_BYTES]
            yield level, number + at // TILE_BYTES, tile
            if len(tile) == TILE_BYTES:
                completed.append(tile_root(tile))
        level, begin, row = level + 1, begin // WIDTH, b"".join(completed)


def _partial(read_tile: ReadTile, level: int, number: int, within: int) -> bytes:
    tile = read_tile(level, number) if within else b""
    if len(tile) != within * HASH_BYTES:
        raise CorruptStore("a tile of the log", (level, number, within), len(tile) // HASH_BYTES)
    return tile


def subtree(read_tile: ReadTile, level: int, index: int) -> Digest:
    """Root of the perfect subtree (level, index); at most 127 hashes.

    Raises:
        CorruptStore: the log has no such subtree.
    """
    try:
        return layout.subtree(read_tile, level, index)
    except ProofError as error:
        raise CorruptStore("a subtree of the log", (level, index), error.actual) from error


def frontier(read_tile: ReadTile, size: int) -> Frontier:
    """The frontier of the log of `size` entries."""
    return Frontier(
        size, tuple(subtree(read_tile, level, index) for level, index in cover(0, size))
    )
