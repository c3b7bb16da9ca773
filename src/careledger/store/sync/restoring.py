"""Beginning a store from a snapshot: staged beside the ledger, checked whole, swapped in at once.

Nothing of a snapshot is believed but what leads to the app hash of its header; whether that header
is the chain's is for whoever calls to know, before or after. A crash leaves the staged folder,
which the next attempt begins anew, and the ledger as it was.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import lmdb

from careledger.ledger.entry import BlockEntry, LogEntry, TransactionEntry
from careledger.ledger.errors import CorruptStore, Malformed, ProofError
from careledger.ledger.genesis import genesis_block, genesis_changes, load_genesis
from careledger.ledger.merkle import Frontier, leaf_hash
from careledger.ledger.record import Digest, digest, encode
from careledger.ledger.state_root import Tree
from careledger.ledger.tile import HEIGHT, WIDTH
from careledger.ledger.transition import Applications
from careledger.store.environment import lock_folder, open_for_writing
from careledger.store.failure import failure
from careledger.store.gap import Gap
from careledger.store.layout import (
    GAP_KEY,
    GENESIS_KEY,
    GROUPS_KEY,
    MAP_BYTES,
    Commit,
    create_databases,
    number_key,
    open_databases,
    seal_header,
    tile_key,
)
from careledger.store.sync.buckets import buckets_of
from careledger.store.sync.format import (
    ENTRIES,
    MAX_CHUNK_BYTES,
    ROWS,
    SEEN_S,
    Manifest,
    decode_entries,
    decode_rows,
)
from careledger.store.sync.placing import STEPS, Steps, swap_in
from careledger.verify.order import LogOrder


class Restoration:
    """One snapshot on its way into a store. Owns its staged folder, and LMDB there, until `close`.

    Chunks are added in order; `finish` compares everything; `put_in_place` makes it the ledger.
    """

    def __init__(
        self,
        ledger: Path,
        manifest: Manifest,
        genesis_file: bytes,
        applications: Applications,
        *,
        commit: Commit = lmdb.Transaction.commit,
        map_size: int = MAP_BYTES,
    ) -> None:
        """Stage beside `ledger`, which need not be there; what was staged before is dropped.

        `manifest` has been parsed for the chain of `genesis_file`.

        Raises:
            Unavailable: somebody else stages there, or the disk does not answer.
        """
        self.manifest, self.added = manifest, 0
        self.folder = ledger.with_name(ledger.name + ".joining")
        self._ledger, self._commit = ledger, commit
        self._genesis_file, self._applications = genesis_file, applications
        self._last_key = b""
        self._rows = 0
        self._is_finished = self._is_placed = False
        before = tuple(Digest(one) for one in manifest.before)
        self._frontier = Frontier(manifest.begin, before)
        self._order = LogOrder(manifest.chain.hex(), manifest.begin)
        self._blocks: list[tuple[int, BlockEntry]] = []
        """Position of the last block entries: of the block before, and of the snapshot's."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = lock_folder(self.folder)
        try:
            for path in self.folder.iterdir():
                if path.name != "writer.lock":
                    path.unlink()
            self._environment = open_for_writing(self.folder, map_size)
            create_databases(self._environment, commit)
            self._databases = open_databases(self._environment)
        except (lmdb.Error, OSError) as error:
            self._lock.close()
            raise failure(error, self.folder) from error

    def is_next(self, chunk: bytes) -> bool:
        """Whether this is the next chunk that the manifest names."""
        left = self.added < len(self.manifest.chunks)
        return (
            left
            and len(chunk) <= MAX_CHUNK_BYTES
            and digest(chunk) == self.manifest.chunks[self.added]
        )

    def add(self, chunk: bytes) -> None:
        """The next chunk.

        Raises:
            ProofError: it is not the one that the manifest names, or does not hold what it should.
            Unavailable: the disk does not answer.
        """
        if not self.is_next(chunk):
            raise ProofError("not the chunk that the manifest names", actual=self.added)
        try:
            if chunk[:1] == ENTRIES:
                self._add_entries(decode_entries(chunk))
            elif chunk[:1] == ROWS:
                self._add_rows(chunk)
            else:
                raise ProofError("a chunk of another kind")
        except Malformed as error:
            raise ProofError("a chunk is not in the one form") from error
        except (lmdb.Error, OSError) as error:
            raise failure(error, self.folder) from error
        self.added += 1

    def finish(self) -> None:
        """Compare everything with the header, then store what else the ledger needs.

        Raises:
            ProofError: the snapshot does not lead to the roots in its header.
            Unavailable: the disk does not answer.
        """
        if self.added != len(self.manifest.chunks):
            raise ProofError("chunks are missing", expected=len(self.manifest.chunks))
        self._check_log()
        try:
            groups = self._write_buckets()
            with self._environment.begin(write=True) as transaction:
                self._write_rest(transaction, groups)
                self._commit(transaction)
            self._environment.close()
        except (lmdb.Error, OSError) as error:
            raise failure(error, self.folder) from error
        self._is_finished = True

    def put_in_place(self, steps: Steps = STEPS, *, is_replaceable: bool = False) -> BinaryIO:
        """Make what was staged the ledger; the lock of its folder, for who writes it from now on.

        Whoever calls holds the lock of the ledger that is there, if there is one.

        Raises:
            CorruptStore: it is not finished, or the ledger that is there holds blocks.
            Unavailable: the disk does not answer.
        """
        if not self._is_finished:
            raise CorruptStore("a snapshot that is not checked does not become the ledger")
        swap_in(self.folder, self._ledger, steps, is_replaceable=is_replaceable)
        self._is_placed = True
        return self._lock

    def close(self) -> None:
        """Let the staged folder go; it is removed unless it has become the ledger."""
        self._environment.close()
        if not self._is_placed:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- chunks ------------------------------------------------------------------------------

    def _add_entries(self, entries: list[bytes]) -> None:
        if self._last_key:
            raise ProofError("log entries stand before the rows")
        first = self._order.index
        ids: list[tuple[bytes, bytes]] = []
        for index, data in enumerate(entries, first):
            entry = self._order.take(data)
            if isinstance(entry, TransactionEntry):
                ids.append((entry.id, number_key(index)))
            elif isinstance(entry, BlockEntry):
                self._blocks = [*self._blocks[-1:], (index, entry)]
            self._check_begin(index, entry)
        self._frontier = self._frontier.extend(map(leaf_hash, entries))
        numbered = [(number_key(index), data) for index, data in enumerate(entries, first)]
        self._put("entries", numbered, append=True)
        self._put("ids", sorted(ids), append=False)

    def _check_begin(self, index: int, entry: LogEntry) -> None:
        """The first entry is so old a block's that no later transaction can be missing."""
        manifest = self.manifest
        if index != manifest.begin or index == 0:
            return
        oldest = manifest.header.time - SEEN_S
        if not isinstance(entry, BlockEntry) or entry.time >= oldest:
            raise ProofError("it leaves out log entries of the last hour", expected=oldest)

    def _add_rows(self, chunk: bytes) -> None:
        pairs = decode_rows(chunk, self._last_key)
        if not pairs:
            raise ProofError("an empty chunk")
        self._put("rows", pairs, append=True)
        self._last_key = pairs[-1][0]
        self._rows += len(pairs)

    def _put(self, database: str, pairs: list[tuple[bytes, bytes]], *, append: bool) -> None:
        transaction = self._environment.begin(write=True)
        try:
            with transaction.cursor(self._databases[database]) as cursor:
                _, added = cursor.putmulti(pairs, append=append, overwrite=False)
            self._commit(transaction)
        except BaseException:
            transaction.abort()
            raise
        if added != len(pairs):
            raise ProofError(f"the same key twice in {database}")

    # --- the whole ---------------------------------------------------------------------------

    def _check_log(self) -> None:
        """The entries are the log's last, and end with the block that the header is of."""
        header = self.manifest.header
        if not self._order.is_whole or self._order.index != header.size:
            raise ProofError("not the log entries up to the header's block")
        if self._frontier.root() != header.log_root:
            raise ProofError("the log entries are others", expected=header.log_root.hex())
        index, ending = self._blocks[-1]
        first = self._blocks[0][0] + 1 if len(self._blocks) > 1 else max(self.manifest.begin, 1)
        found = (first, index + 1, ending.height, ending.time, ending.version, ending.state_root)
        expected = (header.first, header.size, header.height, header.time, header.version)
        if found != (*expected, header.state_root):
            raise ProofError("the header is not that of the last block entry", expected=expected)
        if self._rows != self.manifest.rows:
            raise ProofError("another number of rows", expected=self.manifest.rows)

    def _write_buckets(self) -> bytes:
        """Compute the state root; the groups of the tree.

        Raises:
            ProofError: it is not the header's.
        """
        tree = Tree(self._buckets())
        expected = self.manifest.header.state_root
        if tree.root != expected:
            raise ProofError("the rows lead to another state root", expected=expected.hex())
        return tree.groups()

    def _buckets(self) -> Iterator[tuple[int, bytes]]:
        """Every bucket, in order, stored on the way."""
        for buckets in buckets_of(self._environment, self._databases["rows"], self._rows):
            self._put("buckets", buckets, append=True)
            for number, bucket in buckets:
                yield int.from_bytes(number), bucket

    def _write_rest(self, transaction: "lmdb.Transaction[bytes]", groups: bytes) -> None:
        """The genesis block, the header, the log's edge, and what is missing."""
        manifest, header = self.manifest, self.manifest.header
        chain, genesis = load_genesis(self._genesis_file)
        changes = genesis_changes(genesis, self._applications)
        root = Tree().delta(changes, lambda _: b"").root
        first = genesis_block(chain, genesis, root)
        gap = Gap(
            height=header.height,
            size=header.size,
            kept=manifest.begin,
            before=manifest.before,
            next_height=1,
            next=1,
        )

        def put(database: str, key: bytes, value: bytes) -> None:
            transaction.put(key, value, db=self._databases[database])

        for one in (first.header, header):
            put("headers", number_key(one.height), seal_header(one))
        put("entries", number_key(0), first.entries[0])
        put("tiles", tile_key(0, 0), first.leaves[0])
        for level, tile in enumerate(manifest.edge):
            if tile:
                number = (header.size >> (HEIGHT * level)) // WIDTH
                put("tiles", tile_key(level, number), tile)
        put("meta", GENESIS_KEY, self._genesis_file)
        put("meta", GROUPS_KEY, groups)
        put("meta", GAP_KEY, encode(gap))
