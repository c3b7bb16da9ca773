"""The node's snapshots: taken in a thread of their own, at heights that are the same everywhere.

A snapshot is of the first block with a block entry at or after each multiple of an interval: the
log says everything about such a block, its height and time as well. Its read transaction is opened
before the next block can be stored.
"""

import logging
import shutil
import threading
from contextlib import ExitStack
from pathlib import Path

from careledger.ledger.entry import BlockEntry, decode_entry
from careledger.ledger.errors import LedgerError
from careledger.ledger.transition import Header
from careledger.store.layout import data_file
from careledger.store.snapshot import Snapshot
from careledger.store.store import Store
from careledger.store.sync.format import MIN_HEIGHT
from careledger.store.sync.kept import Kept
from careledger.store.sync.taking import GivenUp, put_in_place, take

SNAPSHOT_FOLDER = "snapshots"

GROWTH_BYTES, GROWTH_SHARE = 256 << 20, 0.5
"""How much the ledger's file may grow while a snapshot is read: the larger of the two."""

_log = logging.getLogger(__name__)


class Snapshotting:
    """Takes snapshots of one store. Owns at most one thread until `close`."""

    def __init__(self, store: Store, ledger: Path, kept: Kept, *, every: int, most: int) -> None:
        """Keep the newest `most` among `kept`, one about `every` so many heights."""
        self.kept = kept
        self._store, self._file = store, data_file(ledger)
        self._every, self._most = every, most
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watch the store from now on."""
        for staged in self.kept.folder.glob("*.part"):  # a crash left it
            shutil.rmtree(staged, ignore_errors=True)
        self._store.watcher = self._after

    def close(self) -> None:
        """Stop; a snapshot that is being taken is given up."""
        self._store.watcher = None
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def _after(self, _parent: Header, header: Header) -> None:
        """In the writer's thread: begin, if a snapshot of this block is due."""
        if header.size == header.first:
            return
        with ExitStack() as opened:
            committed = opened.enter_context(self._store.snapshot())
            if not is_due(committed, header, self._every):
                return
            if self._thread and self._thread.is_alive():
                _log.warning("no snapshot of block %d: the last is not done", header.height)
                return
            held = opened.pop_all()
        self._thread = threading.Thread(
            target=self._take, args=(held, committed), name="snapshot", daemon=True
        )
        self._thread.start()

    def _take(self, held: ExitStack, committed: Snapshot) -> None:
        folder, begun = self.kept.folder, self._file.stat().st_size

        def check() -> None:
            grown = self._file.stat().st_size - begun
            if self._stopped.is_set():
                raise GivenUp("the node is stopping")
            if grown > max(GROWTH_BYTES, begun * GROWTH_SHARE):
                raise GivenUp(f"the ledger has grown by {grown >> 20} MB meanwhile")

        try:
            with held:
                manifest, staged = take(committed, folder, check)
            put_in_place(staged, self._most)
        except (LedgerError, OSError) as error:
            _log.warning("no snapshot was taken: %s", error)
            for staged in folder.glob("*.part"):
                shutil.rmtree(staged, ignore_errors=True)
        else:
            _log.info("snapshot of block %d: %d rows", manifest.header.height, manifest.rows)


def is_due(committed: Snapshot, header: Header, every: int) -> bool:
    """Whether no other block entry lies between this block's and the last multiple of `every`."""
    if header.height < MIN_HEIGHT:
        return False
    before = committed.entry(header.first - 1)
    entry = None if before is None else decode_entry(before)
    last = entry.height if isinstance(entry, BlockEntry) else 0
    return header.height // every > last // every
