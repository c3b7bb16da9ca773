"""What is committed, as of one moment: one read transaction, and every question it can answer."""

from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

import lmdb

from careledger.ledger.errors import CorruptStore, Unavailable
from careledger.ledger.merkle import HASH_BYTES
from careledger.ledger.record import Digest, decode_trusted
from careledger.ledger.state_root import GROUP, StateProof, bucket_of, prove
from careledger.ledger.tile import HEIGHT, TILE_BYTES, WIDTH
from careledger.ledger.transition import Header, Receipt
from careledger.store import tiles
from careledger.store.gap import Gap
from careledger.store.layout import (
    GAP_KEY,
    GENESIS_KEY,
    GROUPS_KEY,
    Databases,
    bucket_key,
    number_key,
    open_header,
    tile_key,
)


class Snapshot:
    """Committed state as of one block: the `state.Reader` for a `View`, and the log with it.

    Later blocks do not show here. Keep it under a second: pages that it can see are not reused.
    """

    def __init__(self, transaction: "lmdb.Transaction[bytes]", databases: Databases) -> None:
        """Read through `transaction`."""
        self._transaction = transaction
        self._databases = databases

    @cached_property
    def gap(self) -> Gap | None:
        """What of the past is not here yet, if the store began from a snapshot."""
        found = self._get("meta", GAP_KEY)
        return None if found is None else decode_trusted(found, Gap)

    # --- state -----------------------------------------------------------------------------

    def get(self, key: bytes, /) -> bytes | None:
        """The row at the state key `key`, if there is one."""
        return self._get("rows", key)

    def scan(self, prefix: bytes, /) -> Iterator[tuple[bytes, bytes]]:
        """Rows whose state key begins with `prefix`, in key order."""
        try:
            with self._transaction.cursor(self._databases["rows"]) as cursor:
                found = cursor.set_range(prefix)
                while found and (key := cursor.key()).startswith(prefix):
                    yield key, cursor.value()
                    found = cursor.next()
        except lmdb.Error as error:
            raise Unavailable(f"the state does not answer: {error}") from error

    def bucket(self, number: int) -> bytes:
        """The leaves of a bucket of the state tree."""
        return self._get("buckets", bucket_key(number)) or b""

    def buckets(self) -> Iterator[tuple[int, bytes]]:
        """Every bucket that is not empty, with its number."""
        with self._transaction.cursor(self._databases["buckets"]) as cursor:
            for key, bucket in cursor:
                yield int.from_bytes(key), bucket

    def groups(self) -> bytes:
        """The roots of the 256 groups of buckets, concatenated."""
        return self._meta(GROUPS_KEY)

    def prove_row(self, key: bytes) -> StateProof:
        """The proof that the row at `key` is what it is, or that there is none; a millisecond."""
        first = bucket_of(key) // GROUP * GROUP
        group = [self.bucket(number) for number in range(first, first + GROUP)]
        return prove(key, group, self.groups())

    # --- blocks ----------------------------------------------------------------------------

    def genesis(self) -> bytes:
        """The genesis file."""
        return self._meta(GENESIS_KEY)

    def latest(self) -> Header:
        """The header of the newest block.

        Raises:
            Unavailable: the store was made, but its first block is not there yet.
        """
        with self._transaction.cursor(self._databases["headers"]) as cursor:
            if not cursor.last():
                raise Unavailable("no block yet")
            return open_header(cursor.value())

    def header(self, height: int) -> Header | None:
        """The header of the block at `height`, if there is one.

        Raises:
            HistoryAbsent: it is not here yet.
        """
        header = self._get("headers", number_key(height))
        if header is None and self.gap:
            self.gap.check_height(height)
        return None if header is None else open_header(header)

    def height_of(self, index: int) -> int:
        """The height of the block that holds the log entry `index`.

        Raises:
            HistoryAbsent: that is not here yet.
        """
        if self.gap:
            self.gap.check_receipts(index, index + 1)
        size = lambda height: self._header(height).size  # noqa: E731 - a key of one use
        heights = range(self.latest().height + 1)
        if self.gap:  # no header between them is here
            gap = self.gap
            before, after = heights[: gap.next_height], heights[gap.height :]
            heights = before if index < gap.next else after
        return heights[0] + bisect_left(heights, index + 1, key=size)

    # --- transactions ----------------------------------------------------------------------

    def has(self, id_: bytes) -> bool:
        """Whether the transaction has been ordered, refused or not.

        While some of the past is missing, that of one which has expired is not known; no block may
        take such a one anyway.
        """
        return self._get("ids", id_) is not None

    def index_of(self, id_: bytes) -> int | None:
        """The log position of a transaction, if it has been ordered.

        With a `gap`, none is found for one that expired before the snapshot and is not here yet.
        """
        index = self._get("ids", id_)
        return None if index is None else int.from_bytes(index)

    def receipt(self, id_: bytes) -> Receipt | None:
        """What became of a transaction, if it has been ordered.

        Raises:
            HistoryAbsent: it has, but that is not here yet.
        """
        index = self.index_of(id_)
        return None if index is None else self.receipt_at(index)

    def receipt_at(self, index: int) -> Receipt | None:
        """The receipt at a log position: of a transaction, or of a block that brought evidence.

        `None` for other entries.

        Raises:
            HistoryAbsent: it is not here yet.
        """
        receipt = self._get("receipts", number_key(index))
        if receipt is None and self.gap:
            self.gap.check_receipts(index, index + 1)
        return None if receipt is None else decode_trusted(receipt, Receipt)

    def receipts(self, begin: int) -> Iterator[tuple[int, Receipt]]:
        """Receipts from the log position `begin` on, with their positions.

        Raises:
            HistoryAbsent: when it comes to one that is not here yet.
        """
        if self.gap and begin < self.gap.size:
            for index, receipt in self._from("receipts", begin):
                if index >= self.gap.next:
                    break
                yield index, decode_trusted(receipt, Receipt)
            self.gap.raise_absent()
        for index, receipt in self._from("receipts", begin):
            yield index, decode_trusted(receipt, Receipt)

    def transaction(self, id_: bytes) -> bytes | None:
        """A transaction as it was signed, if it has been ordered."""
        index = self.index_of(id_)
        return None if index is None else self.transaction_at(index)

    def transaction_at(self, index: int) -> bytes | None:
        """The transaction at a log position; `None` for other entries.

        Raises:
            HistoryAbsent: it is not here yet.
        """
        raw = self._get("transactions", number_key(index))
        if raw is None and self.gap:
            self.gap.check_receipts(index, index + 1)
        return raw

    # --- log -------------------------------------------------------------------------------

    def entry(self, index: int) -> bytes | None:
        """The log entry at `index`, if there is one.

        Raises:
            HistoryAbsent: it is not here yet.
        """
        entry = self._get("entries", number_key(index))
        if entry is None and self.gap:
            self.gap.check_entries(index, index + 1)
        return entry

    def entries(self, begin: int, end: int) -> list[bytes]:
        """The log entries [begin, end), fewer where the log ends before.

        Raises:
            HistoryAbsent: one of them is not here yet.
        """
        if self.gap:
            self.gap.check_entries(begin, end)
        found: list[bytes] = []
        for index, entry in self._from("entries", begin):
            if index >= end:
                break
            found.append(entry)
        return found

    def entries_back(self) -> Iterator[tuple[int, bytes]]:
        """The log entries that are here, the newest first, with their positions."""
        with self._transaction.cursor(self._databases["entries"]) as cursor:
            found = cursor.last()
            while found:
                yield int.from_bytes(cursor.key()), cursor.value()
                found = cursor.prev()

    def subtree(self, level: int, index: int) -> Digest:
        """Root of a perfect subtree of the log: what `merkle` builds proofs from.

        Raises:
            HistoryAbsent: the tile that it follows from is not here yet.
        """
        return tiles.subtree(self._tile_or_absent, level, index)

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile of the log; b"" if there is none, fewer than 256 at the edge."""
        return self._get("tiles", tile_key(level, number)) or b""

    def root_at(self, size: int) -> Digest | None:
        """The log's root when it had `size` entries; None if it is not that long.

        Raises:
            HistoryAbsent: the tiles that it follows from are not here yet.
        """
        if size > self.latest().size:
            return None
        return tiles.frontier(self._tile_or_absent, size).root()

    def _tile_or_absent(self, level: int, number: int) -> bytes:
        """A tile whose hashes are needed; any that began before the snapshot may be missing."""
        tile = self.tile(level, number)
        if self.gap and len(tile) < TILE_BYTES:
            whole = min((self.latest().size >> (HEIGHT * level)) - number * WIDTH, WIDTH)
            if len(tile) < whole * HASH_BYTES:
                self.gap.raise_absent()
        return tile

    # --- as it lies there ------------------------------------------------------------------

    def raw(self, database: str, key: bytes) -> bytes | None:
        """What is stored under `key` in a named database."""
        return self._get(database, key)

    def pairs(self, database: str) -> Iterator[tuple[bytes, bytes]]:
        """Everything in a named database, in the order it is found there."""
        with self._transaction.cursor(self._databases[database]) as cursor:
            yield from cursor

    def _get(self, database: str, key: bytes) -> bytes | None:
        try:
            return self._transaction.get(key, db=self._databases[database])
        except lmdb.Error as error:  # a rule that met it must not take it for a refusal
            raise Unavailable(f"the store does not answer: {error}") from error

    def _meta(self, key: bytes) -> bytes:
        value = self._get("meta", key)
        if value is None:
            raise CorruptStore("meta", key)
        return value

    def _header(self, height: int) -> Header:
        header = self.header(height)
        if header is None:
            raise CorruptStore("no header", height)
        return header

    def _from(self, database: str, begin: int) -> Iterator[tuple[int, bytes]]:
        with self._transaction.cursor(self._databases[database]) as cursor:
            found = cursor.set_range(number_key(begin))
            while found:
                yield int.from_bytes(cursor.key()), cursor.value()
                found = cursor.next()
