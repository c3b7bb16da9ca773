"""The node's own hold on its store: the one writer, and one durable step for each block."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import lmdb

from careledger.ledger.errors import CorruptStore, InvalidBlock, Unavailable
from careledger.ledger.genesis import genesis_block, genesis_changes, load_genesis
from careledger.ledger.merkle import Frontier
from careledger.ledger.record import Digest
from careledger.ledger.state import Changes
from careledger.ledger.state_root import Delta, Tree
from careledger.ledger.transition import Applications, Closed, Header, Receipt
from careledger.store import tiles
from careledger.store.disk import Disk
from careledger.store.environment import lock_folder, make_name_durable, open_for_writing
from careledger.store.failure import failure
from careledger.store.gap import Gap
from careledger.store.layout import GENESIS_KEY, MAP_BYTES, Commit, create_databases
from careledger.store.snapshot import Snapshot
from careledger.store.sync.filling import PastWrites, write_past
from careledger.store.sync.placing import STEPS, Steps
from careledger.store.sync.restoring import Restoration
from careledger.store.usage import Usage
from careledger.store.writing import write_block

_CHECK_READERS_EVERY = 64
"""Blocks between two looks for readers that died and hold pages."""


class Store:
    """A chain on disk. Owns the folder until `close`: one process, opened after any fork.

    `append` keeps its promise through power loss: once it returns, the block is there for good,
    whole; before that, a crash leaves either all of the block or none of it.
    """

    _latest: Header | None
    _frontier: Frontier
    _tree: Tree

    watcher: Callable[[Header, Header], None] | None = None
    """Told of each block when it is durable and before the next can be: its parent's header, its
    own. A snapshot that it opens is of exactly that block."""

    def __init__(
        self,
        folder: Path,
        *,
        map_size: int = MAP_BYTES,
        commit: Commit = lmdb.Transaction.commit,
    ) -> None:
        """Open the chain in `folder`; `commit` is the durable step, so that tests can fail it.

        Raises:
            CorruptStore: what is there contradicts itself.
            Unavailable: no chain there, another process writes it, or the disk does not answer.
        """
        self._writing = threading.Lock()
        with ExitStack() as opened:
            self._disk = Disk(folder, map_size, commit)
            opened.callback(self._disk.close)
            self._recover()
            opened.pop_all()

    @classmethod
    def create(
        cls,
        folder: Path,
        genesis_file: bytes,
        applications: Applications,
        *,
        map_size: int = MAP_BYTES,
        commit: Commit = lmdb.Transaction.commit,
    ) -> "Store":
        """Begin the chain of `genesis_file`; run again, it finishes what was begun.

        Raises:
            BadGenesis: not a genesis file that `applications` can run.
            CorruptStore: the folder holds another chain.
        """
        chain, genesis = load_genesis(genesis_file)
        changes = genesis_changes(genesis, applications)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with lock_folder(folder), open_for_writing(folder, map_size) as environment:
                create_databases(environment, commit)
            make_name_durable(folder)
        except (lmdb.Error, OSError) as error:
            raise failure(error, folder) from error
        store = cls(folder, map_size=map_size, commit=commit)
        try:
            if store._latest is None:
                delta = store.delta(changes)
                block = genesis_block(chain, genesis, delta.root)
                store._append(block, (), (), changes, delta, genesis_file)
            store._check_chain(genesis_file)
        except BaseException:
            store.close()
            raise
        return store

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._disk.folder

    @property
    def latest(self) -> Header:
        """The header of the newest block."""
        if self._latest is None:
            raise Unavailable(f"no block in {self.folder} yet")
        return self._latest

    @property
    def frontier(self) -> Frontier:
        """The log's frontier: `close_block` extends it."""
        return self._frontier

    @property
    def state_root(self) -> Digest:
        """The root of the committed state."""
        return self._tree.root

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """What is committed now; use it and let it go. From any thread of this process.

        Raises:
            Unavailable: the disk does not answer.
        """
        return self._disk.snapshot()

    def usage(self) -> Usage:
        """What it takes of its disk, and who reads it.

        Raises:
            Unavailable: the disk does not answer.
        """
        return self._disk.usage()

    def delta(self, changes: Changes, *, after: Delta | None = None) -> Delta:
        """What `changes`, made to the committed state, do to its root; stores nothing.

        With `after`, they are made to the state that `after` leads to, which is about to be stored.
        """
        with self.snapshot() as committed:
            return self._tree.delta(changes, committed.bucket, after=after)

    def append(
        self,
        closed: Closed,
        transactions: Sequence[bytes],
        receipts: Sequence[Receipt],
        changes: Changes,
        delta: Delta,
    ) -> None:
        """Store a block, in one durable step; `delta` is that of `changes`.

        When the step fails, the store looks what became of it: it raises if the block is not
        there, and then everything is as before and may be tried again.

        Raises:
            InvalidBlock: it does not follow the newest block.
            StorageFull: there is no room for it.
            Unavailable: the disk did not answer.
        """
        latest, header = self.latest, closed.header
        found = (header.height, header.first, header.state_root, delta.parent)
        expected = (latest.height + 1, latest.size, delta.root, self._tree.root)
        if found != expected:
            raise InvalidBlock("does not follow", expected, found)
        self._append(closed, transactions, receipts, changes, delta, None)
        if self.watcher:
            self.watcher(latest, header)
        if header.height % _CHECK_READERS_EVERY == 0:
            self._disk.forget_dead_readers()

    def fill(self, past: Sequence[PastWrites], after: Gap | None) -> None:
        """Store blocks of the past that were missing, in one durable step; `after` is what then is.

        They have been checked against the log root of the snapshot with which the store began.

        Raises:
            InvalidBlock: they do not begin where the missing past begins.
            Unavailable: the disk did not answer; whatever became of it, what is missing says.
        """
        with self._writing:
            with self.snapshot() as committed:
                gap = committed.gap
            if gap is None or not past or past[0].header.height != gap.next_height:
                raise InvalidBlock("not the past that is missing", gap)
            try:
                databases = self._disk.databases
                self._disk.durably(lambda step: write_past(step, databases, past, after))
            except (lmdb.Error, OSError) as error:
                raise failure(error, self.folder) from error

    def adopt(self, restoration: Restoration, steps: Steps = STEPS) -> None:
        """Go on as the chain that `restoration` has staged and checked, in one durable step.

        When it fails, the store is what it was.

        Raises:
            CorruptStore: there are blocks here already, or the snapshot is not checked.
            Unavailable: the disk did not answer.
        """
        with self._writing:
            if self.latest.height:
                raise CorruptStore(f"{self.folder} holds blocks already", self.latest.height)
            self._disk.change(restoration.put_in_place(steps, is_replaceable=True))
            self._recover()

    def close(self) -> None:
        """Let the folder go."""
        self._disk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_chain(self, genesis_file: bytes) -> None:
        with self.snapshot() as committed:
            if committed.genesis() != genesis_file:
                raise CorruptStore(f"{self.folder} holds another chain")

    def _append(
        self,
        closed: Closed,
        transactions: Sequence[bytes],
        receipts: Sequence[Receipt],
        changes: Changes,
        delta: Delta,
        genesis_file: bytes | None,
    ) -> None:
        groups, databases = self._tree.groups(delta), self._disk.databases

        def write(step: "lmdb.Transaction[bytes]") -> None:
            write_block(
                step,
                databases,
                closed,
                transactions,
                receipts,
                changes,
                delta.buckets,
                groups,
            )
            if genesis_file is not None:
                step.put(GENESIS_KEY, genesis_file, db=databases["meta"])

        with self._writing:
            try:
                self._disk.durably(write)
            except (lmdb.Error, OSError) as error:
                if not self._is_there(closed.header):
                    raise failure(error, self.folder) from error
            else:
                self._tree.accept(delta)
                self._frontier, self._latest = closed.frontier, closed.header

    def _is_there(self, header: Header) -> bool:
        """After a failed step: recover from the disk, and say whether the block is on it."""
        self._disk.settle()
        self._recover()
        if self._latest == header:
            self._disk.sync()
        return self._latest == header

    def _recover(self) -> None:
        """Read back what memory holds: the newest header, the log's frontier, the state's tree.

        Raises:
            CorruptStore: they contradict each other.
        """
        self._latest = None
        self._frontier, self._tree = Frontier(), Tree()
        with self.snapshot() as committed:
            if committed.header(0) is None:
                return
            latest = committed.latest()
            frontier = tiles.frontier(committed.tile, latest.size)
            tree = Tree(committed.buckets())
            groups = committed.groups()
        found = (frontier.root(), tree.root, tree.groups())
        if found != (latest.log_root, latest.state_root, groups):
            raise CorruptStore("log or state differ from the header of block", latest.height)
        self._latest, self._frontier, self._tree = latest, frontier, tree
