"""A chain computed again from its genesis file and transactions, with rows on a temporary disk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import lmdb

from careledger.ledger.entry import Evidence
from careledger.ledger.genesis import (
    Installed,
    active_applications,
    genesis_block,
    genesis_changes,
    load_genesis,
)
from careledger.ledger.merkle import Frontier
from careledger.ledger.record import Instant
from careledger.ledger.state import Changes, View
from careledger.ledger.state_root import Delta, Tree
from careledger.ledger.transaction import VerifiedTransaction
from careledger.ledger.transition import Block, Closed, Header, Receipt, apply_block, close_block
from careledger.store import tiles

_HEIGHT_BYTES = 8
_COMMIT_EVERY_ROWS = 20_000
_MAP_BYTES = 1 << 40


@dataclass(frozen=True, kw_only=True)
class Computed:
    """What a block must have left behind."""

    closed: Closed
    receipts: Sequence[Receipt]
    tiles: Sequence[tiles.Tile]


class Replay:
    """The chain so far. Owns its folder, which may be lost: nothing here is durable."""

    header: Header

    def __init__(self, folder: Path, genesis_file: bytes, installed: Installed) -> None:
        """Begin before the first block of `genesis_file`.

        Raises:
            BadGenesis: not one that `installed` can run.
        """
        self.chain, self._genesis = load_genesis(genesis_file)
        self._installed = installed
        self._environment = lmdb.open(
            str(folder), map_size=_MAP_BYTES, sync=False, metasync=False, lock=False
        )
        self._transaction = self._environment.begin(write=True)
        self._unwritten = 0
        self._frontier = Frontier()
        self._edge: dict[tuple[int, int], bytes] = {}
        self.tree = Tree()
        self.buckets: dict[int, bytes] = {}
        self.bucket_heights: dict[int, int] = {}
        """The block that last changed each bucket."""

    def first(self) -> Computed:
        """The genesis block."""
        applications = active_applications(self._genesis, self._installed, 0)
        changes = genesis_changes(self._genesis, applications)
        delta = self._delta(changes)
        closed = genesis_block(self.chain, self._genesis, delta.root)
        return self._accept(closed, (), changes, delta)

    def next(
        self,
        time: Instant,
        transactions: tuple[VerifiedTransaction, ...],
        evidence: tuple[Evidence, ...] = (),
    ) -> Computed:
        """The next block, given when it was and what it held.

        Raises:
            InvalidBlock: it does not follow.
        """
        block = Block(
            height=self.header.height + 1, time=time, transactions=transactions, evidence=evidence
        )
        applications = active_applications(self._genesis, self._installed, block.height, View(self))
        applied = apply_block(View(self), self.header, block, self.chain, applications)
        delta = self._delta(applied.changes)
        closed = close_block(applied, block, self.header, delta.root, self._frontier)
        return self._accept(closed, applied.receipts, applied.changes, delta)

    def get(self, key: bytes, /) -> bytes | None:
        """The row at a state key, if there is one."""
        row = self._transaction.get(key)
        return None if row is None else row[_HEIGHT_BYTES:]

    def scan(self, prefix: bytes, /) -> Iterator[tuple[bytes, bytes]]:
        """Rows whose state key begins with `prefix`, in key order."""
        for key, row, _ in self.rows(prefix):
            yield key, row

    def rows(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes, int]]:
        """Like `scan`, with the height of the block that last changed each row."""
        with self._transaction.cursor() as cursor:
            found = cursor.set_range(prefix)
            while found and (key := cursor.key()).startswith(prefix):
                value = cursor.value()
                yield key, value[_HEIGHT_BYTES:], int.from_bytes(value[:_HEIGHT_BYTES])
                found = cursor.next()

    def edge(self) -> Mapping[tuple[int, int], bytes]:
        """The last tile of each level: (level, number) -> its bytes."""
        return self._edge

    def close(self) -> None:
        """Let the folder go."""
        self._transaction.abort()
        self._environment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _delta(self, changes: Changes) -> Delta:
        return self.tree.delta(changes, lambda number: self.buckets.get(number, b""))

    def _accept(
        self, closed: Closed, receipts: Sequence[Receipt], changes: Changes, delta: Delta
    ) -> Computed:
        height = closed.header.height
        self.tree.accept(delta)
        self.buckets.update(delta.buckets)
        self.bucket_heights.update(dict.fromkeys(delta.buckets, height))
        self._write(changes, height.to_bytes(_HEIGHT_BYTES))
        grown = list(
            tiles.grow(
                lambda level, number: self._edge.get((level, number), b""),
                closed.header.first,
                closed.leaves,
            )
        )
        for level, number, tile in grown:
            self._edge.pop((level, number - 1), None)
            self._edge[level, number] = tile
        self._frontier, self.header = closed.frontier, closed.header
        return Computed(closed=closed, receipts=receipts, tiles=grown)

    def _write(self, changes: Changes, height: bytes) -> None:
        for key, row in changes.items():
            if row is None:
                self._transaction.delete(key)
            else:
                self._transaction.put(key, height + row)
        self._unwritten += len(changes)
        if self._unwritten >= _COMMIT_EVERY_ROWS:
            self._transaction.commit()
            self._transaction = self._environment.begin(write=True)
            self._unwritten = 0
