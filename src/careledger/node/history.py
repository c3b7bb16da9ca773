"""What a node does about history besides making it: keep snapshots, fetch the past it lacks."""

import asyncio
import logging
from pathlib import Path

from careledger.ledger.record import Instant
from careledger.node.backfill import Backfill
from careledger.node.config import NodeConfig
from careledger.node.snapshots import SNAPSHOT_FOLDER, Snapshotting
from careledger.store.store import Store
from careledger.store.sync.kept import Kept

_log = logging.getLogger(__name__)


class History:
    """One node's; its threads end with `close`."""

    def __init__(self, home: Path, config: NodeConfig, store: Store) -> None:
        """Snapshots lie in `home`; the past comes from the nodes named as cosigners."""
        self.kept = Kept(home / SNAPSHOT_FOLDER)
        self._store, self._urls = store, config.cosigners
        self._snapshotting: Snapshotting | None = None
        if config.snapshot_every:
            self._snapshotting = Snapshotting(
                store,
                home / config.ledger,
                self.kept,
                every=config.snapshot_every,
                most=config.snapshots_kept,
            )
        self._backfill: Backfill | None = None
        self._filling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch for blocks of which a snapshot is due; fetch what is missing."""
        if self._snapshotting:
            self._snapshotting.start()
        self.fill()

    def fill(self) -> None:
        """Begin to fetch the past in the background, if some of it is missing."""
        with self._store.snapshot() as committed:
            if committed.gap is None:
                return
        if not self._urls:
            _log.warning("some of the past is missing: name other nodes as `cosigners`")
            return
        self._backfill = Backfill(self._store, self._urls)
        self._filling = asyncio.create_task(self._fill(self._backfill))

    async def close(self) -> None:
        """Stop both; what was stored stays."""
        if self._backfill and self._filling:
            self._backfill.stop()
            await self._filling
        if self._snapshotting:
            await asyncio.to_thread(self._snapshotting.close)

    def taken(self) -> Instant | None:
        """When the newest snapshot was taken; None if there is none."""
        return self.kept.newest_taken()

    async def _fill(self, backfill: Backfill) -> None:
        try:
            done = await asyncio.to_thread(backfill.run)
        except Exception:
            _log.exception("the past is fetched no more")
            raise
        if done:
            _log.info("nothing of the past is missing any more")
