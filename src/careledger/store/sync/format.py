"""The format `careledger-snapshot/1`: a chain at one height, byte for byte the same everywhere.

A manifest names everything by digest; the chunks behind it hold the newest log entries, then every
row in key order. `spec/snapshot.md` describes it.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal

import msgspec

from careledger.ledger.checkpoint import app_hash
from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.merkle import HASH_BYTES, Frontier
from careledger.ledger.record import Count, Digest, Hash, Record, decode, digest, encode
from careledger.ledger.statement import MAX_WINDOW_S, SKEW_S
from careledger.ledger.tile import HEIGHT, WIDTH, frontier
from careledger.ledger.transition import Header

FORMAT: Final = 1
"""The number by which engines know this format."""

CHUNK_BYTES: Final = 4 << 20
"""A chunk ends before the item that would make it longer; one item alone may be longer."""

MAX_CHUNK_BYTES: Final = 12 << 20
"""Longest chunk: more than the longest row, less than the engine's 16 MB for a message."""

MAX_CHUNKS: Final = 25_000

MIN_HEIGHT: Final = 2
"""Before that, there is no past to spare anybody."""

SEEN_S: Final = MAX_WINDOW_S + SKEW_S
"""A transaction that a block may still take was in no block older than this, in seconds."""

ENTRIES, ROWS = b"\1", b"\2"
"""First byte of a chunk: what it holds."""

_KEY_LENGTH, _ENTRY_LENGTH, _ROW_LENGTH = 1, 2, 4
_LEVELS = 8

Pair = tuple[bytes, bytes]


class Manifest(Record):
    """What a snapshot is of, and the digest of each of its chunks in order."""

    format: Literal["careledger-snapshot/1"] = "careledger-snapshot/1"
    chain: Hash
    header: Header
    edge: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=_LEVELS)]
    """The log's last tile at each level from 0 up, where it is partial; b"" where it is not."""
    begin: Count
    """The first log entry in the chunks: a block entry older than `SEEN_S`, or the very first."""
    before: Annotated[tuple[Hash, ...], msgspec.Meta(max_length=64)]
    """The frontier of the log of `begin` entries, which proves those that follow."""
    rows: Count
    chunks: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=1, max_length=MAX_CHUNKS)]

    @property
    def hash(self) -> Digest:
        """The name of the snapshot: SHA-256 of the manifest."""
        return digest(encode(self))

    def read_edge(self, level: int, number: int) -> bytes:
        """The partial tile at `level`; no other tile is in a snapshot."""
        if level >= len(self.edge) or number != (self.header.size >> (HEIGHT * level)) // WIDTH:
            return b""
        return self.edge[level]


def parse_manifest(data: bytes, chain: Digest) -> Manifest:
    """A manifest that agrees with itself; whether its log root is the chain's is for others to say.

    Raises:
        Malformed: not the encoding of one.
        ProofError: another chain's, or it contradicts itself.
    """
    manifest = decode(data, Manifest)
    header = manifest.header
    if manifest.chain != chain:
        raise ProofError(
            "the snapshot is of another chain", expected=chain.hex(), actual=manifest.chain.hex()
        )
    widths = tuple((header.size >> (HEIGHT * level)) % WIDTH for level in range(len(manifest.edge)))
    if (
        tuple(map(len, manifest.edge)) != tuple(width * HASH_BYTES for width in widths)
        or len(manifest.edge) != len(edge_levels(header.size))
        or not 0 <= manifest.begin < header.first < header.size
        or header.height < MIN_HEIGHT
    ):
        raise ProofError("the manifest contradicts itself")
    Frontier(manifest.begin, tuple(Digest(one) for one in manifest.before))  # as many as it takes
    root = frontier(manifest.read_edge, header.size).root()
    if root != header.log_root:
        raise ProofError("its tiles lead to another log root", expected=header.log_root.hex())
    if app_hash(header.size, root, header.version) != header.app_hash:
        raise ProofError("its header has another app hash", expected=header.app_hash.hex())
    return manifest


def edge_levels(size: int) -> range:
    """The levels at which a log of `size` entries has tiles."""
    return range((size.bit_length() + HEIGHT - 1) // HEIGHT)


def cut(kind: bytes, items: Iterable[bytes]) -> Iterator[bytes]:
    """Chunks of encoded items; the same items give the same chunks.

    Raises:
        ProofError: an item is longer than a chunk may be.
    """
    pieces, size = [kind], len(kind)
    for item in items:
        if size + len(item) > CHUNK_BYTES and size > len(kind):
            yield b"".join(pieces)
            pieces, size = [kind], len(kind)
        pieces.append(item)
        size += len(item)
        if size > MAX_CHUNK_BYTES:
            raise ProofError("a row is longer than a snapshot holds", expected=MAX_CHUNK_BYTES)
    if size > len(kind):
        yield b"".join(pieces)


def encode_entry_items(entries: Iterable[bytes]) -> Iterator[bytes]:
    """Log entries, each behind two bytes of length."""
    return (len(entry).to_bytes(_ENTRY_LENGTH) + entry for entry in entries)


def encode_row_items(pairs: Iterable[Pair]) -> Iterator[bytes]:
    """Rows: a byte of key length, the key, four bytes of row length, the row."""
    return (
        len(key).to_bytes(_KEY_LENGTH) + key + len(row).to_bytes(_ROW_LENGTH) + row
        for key, row in pairs
    )


def decode_entries(chunk: bytes) -> list[bytes]:
    """The log entries of a chunk.

    Raises:
        Malformed: it ends within one.
    """
    entries: list[bytes] = []
    at = len(ENTRIES)
    while at < len(chunk):
        begin = at + _ENTRY_LENGTH
        at = begin + int.from_bytes(chunk[at:begin])
        if at > len(chunk):
            raise Malformed
        entries.append(chunk[begin:at])
    return entries


def decode_rows(chunk: bytes, last: bytes) -> list[Pair]:
    """The rows of a chunk, whose keys follow on `last` in order.

    Raises:
        Malformed: it ends within one, or the keys do not ascend.
    """
    pairs: list[Pair] = []
    at, end = len(ROWS), len(chunk)
    while at < end:
        key_at = at + _KEY_LENGTH
        length_at = key_at + chunk[at]
        row_at = length_at + _ROW_LENGTH
        at = row_at + int.from_bytes(chunk[length_at:row_at])
        key = chunk[key_at:length_at]
        if at > end or key <= last:
            raise Malformed
        pairs.append((key, chunk[row_at:at]))
        last = key
    return pairs
