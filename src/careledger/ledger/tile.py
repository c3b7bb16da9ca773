"""Tiles: a log cut into files of 256 hashes or entries that anyone may copy (C2SP tlog-tiles).

A tile of level n holds, concatenated, the roots of 256 subtrees of height 8n; a bundle holds the
256 entries beneath a tile of level 0. What is full never changes, and neither does a partial one of
the same width, so every path has one content for ever.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.merkle import HASH_BYTES, Frontier, cover, leaf_hash, node_hash
from careledger.ledger.record import Digest

HEIGHT = 8
WIDTH = 1 << HEIGHT
TILE_BYTES = WIDTH * HASH_BYTES

ENTRIES = -1
"""The level at which entry bundles are, below the hashes of their leaves."""

ReadTile = Callable[[int, int], bytes]
"""(level, number) -> the tile's hashes, b"" if there is none."""

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<higher>(?:x[0-9]{3}/)*)(?P<lowest>[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)
_MAX_LEVEL = 63
_MAX_PATH = 64
_LENGTH_BYTES = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tile or bundle is: its level, its number there, and how many it holds."""

    level: int
    number: int
    width: int = WIDTH

    @property
    def is_full(self) -> bool:
        return self.width == WIDTH

    @property
    def full(self) -> "Place":
        """The same place once it is full."""
        return Place(self.level, self.number)

    @property
    def needs(self) -> int:
        """The least size of a log that has this."""
        return (self.number * WIDTH + self.width) << (HEIGHT * max(self.level, 0))

    def path(self) -> str:
        """Its path below the log's prefix, which is also its name as a file."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        number, parts = self.number, [f"{self.number % 1000:03}"]
        while number >= 1000:  # noqa: PLR2004 - three digits to a folder
            number //= 1000
            parts.append(f"x{number % 1000:03}")
        partial = "" if self.is_full else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(reversed(parts))}{partial}"


def parse_place(path: str) -> Place:
    """Inverse of `Place.path`.

    Raises:
        Malformed: it would not have written this.
    """
    match = _PATH.fullmatch(path) if len(path) <= _MAX_PATH else None
    if match is None:
        raise Malformed
    level = ENTRIES if match["level"] == "entries" else int(match["level"])
    number = int(match["higher"].replace("x", "").replace("/", "") + match["lowest"])
    place = Place(level, number, int(match["width"] or WIDTH))
    if level > _MAX_LEVEL or place.path() != path:
        raise Malformed
    return place


def place_at(level: int, number: int, size: int) -> Place | None:
    """The tile or bundle as it is in a log of `size` entries; None if it has none there."""
    width = min((size >> (HEIGHT * max(level, 0))) - number * WIDTH, WIDTH)
    return Place(level, number, width) if width > 0 else None


def levels(size: int) -> range:
    """The levels of a log of `size` entries, from its bundles up."""
    return range(ENTRIES, (max(size.bit_length(), 1) + HEIGHT - 1) // HEIGHT)


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Entries one after the other, each behind two bytes of length."""
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES) + entry for entry in entries)


def decode_bundle(data: bytes) -> list[bytes]:
    """Inverse of `encode_bundle`.

    Raises:
        Malformed: it ends within an entry, or holds more than a bundle may.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin])
        if at > len(data) or begin > len(data) or len(entries) == WIDTH:
            raise Malformed
        entries.append(data[begin:at])
    return entries


def tile_root(hashes: bytes) -> Digest:
    """Root of the perfect tree over concatenated hashes."""
    row = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
    return Digest(row[0])


def subtree(read_tile: ReadTile, level: int, index: int) -> Digest:
    """Root of the perfect subtree (level, index); at most 127 hashes.

    Raises:
        ProofError: the tiles have no such subtree.
    """
    tile_level, height = divmod(level, HEIGHT)
    number, within = divmod(index << height, WIDTH)
    end = (within + (1 << height)) * HASH_BYTES
    tile = read_tile(tile_level, number)
    if len(tile) < end:
        raise ProofError("a tile is too short", expected=end, actual=len(tile))
    return tile_root(tile[within * HASH_BYTES : end])


def frontier(read_tile: ReadTile, size: int) -> Frontier:
    """The frontier of the log of `size` entries.

    Raises:
        ProofError: the tiles have not so many.
    """
    return Frontier(
        size, tuple(subtree(read_tile, level, index) for level, index in cover(0, size))
    )


class ProvedTiles:
    """The tiles of one checkpoint, each compared with the hash above it before it is given out.

    The partial tiles at the right edge add up to the root; every full tile is a hash in the one
    above. At most one full tile of each level is kept in memory.
    """

    def __init__(self, fetch: Callable[[Place], bytes], size: int, root: bytes) -> None:
        """Take tiles of a log of `size` entries under `root` from `fetch`.

        Raises:
            ProofError: what it fetches at the edge does not lead to this root.
        """
        self.size = size
        self._fetch = fetch
        self._edge: dict[int, bytes] = {}
        self._kept: dict[int, tuple[int, bytes]] = {}
        level = 0
        while count := size >> (HEIGHT * level):
            if count % WIDTH:
                self._edge[level] = self._whole(Place(level, count // WIDTH, count % WIDTH))
            level += 1
        computed = frontier(lambda level, _: self._edge[level], size).root()
        if computed != root:
            raise ProofError(
                "the tiles do not lead to the checkpoint's root",
                expected=root.hex(),
                actual=computed.hex(),
            )

    def read(self, level: int, number: int) -> bytes:
        """The hashes of a tile.

        Raises:
            ProofError: it is not the one of this log.
        """
        place = place_at(level, number, self.size)
        if place is None:
            return b""
        if not place.is_full:
            return self._edge[level]
        if self._kept.get(level, (None, b""))[0] != number:
            above = self.read(level + 1, number // WIDTH)
            begin = number % WIDTH * HASH_BYTES
            tile = self._whole(place)
            if tile_root(tile) != above[begin : begin + HASH_BYTES]:
                raise ProofError(f"{place.path()} is not the tile that the checkpoint vouches for")
            self._kept[level] = number, tile
        return self._kept[level][1]

    def root_at(self, size: int) -> Digest:
        """Root of the first `size` entries, at most as many as there are.

        Raises:
            ProofError: a tile is not the one of this log.
        """
        return frontier(self.read, size).root()

    def check_bundle(self, place: Place, entries: Sequence[bytes]) -> None:
        """Check that these are the entries at `place`, all of them.

        Raises:
            ProofError: one is missing, added or altered; the message says which is the first.
        """
        tile, first = self.read(0, place.number), place.number * WIDTH
        for within, entry in enumerate(entries[: place.width]):
            begin = within * HASH_BYTES
            if leaf_hash(entry) != tile[begin : begin + HASH_BYTES]:
                raise ProofError(f"entry {first + within:,} is not the one that was logged")
        if len(entries) != place.width:
            raise ProofError(
                f"{place.path()} does not hold every entry",
                expected=place.width,
                actual=len(entries),
            )

    def _whole(self, place: Place) -> bytes:
        tile = self._fetch(place)
        if len(tile) != place.width * HASH_BYTES:
            raise ProofError(
                f"{place.path()} has not its size",
                expected=place.width * HASH_BYTES,
                actual=len(tile),
            )
        return tile
