"""Batching: what the vault holds becomes batches of commitments on the ledger, soon and only once.

What comes first is committed at once; while more keeps coming, a batch is of what came meanwhile.
Start-up takes the normal path: whatever is in no batch is batched. Before that it looks whether the
last run's batch reached the ledger and only the vault does not know.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from careledger.apps.records.commands import CommitRecords, RecordsCommitted
from careledger.apps.records.queries import batch as batch_row
from careledger.apps.records.queries import stream
from careledger.exchange.organisation import Organisation, events_of
from careledger.ledger.commitment import Batch
from careledger.ledger.errors import LedgerError, Unavailable
from careledger.ledger.record import Digest, TransactionId
from careledger.ledger.state import View
from careledger.store.snapshot import Snapshot
from careledger.vault.commitments import CommittedBatch

MAX_BATCH: Final = 8_192
RETRY_S: Final = 1.0

REST_S: Final = 0.2
"""From a batch to the next one, unless somebody waits for it or it is full by then."""

_SEARCHED: Final = 200_000
"""So many log entries back the last run's batch is looked for."""

_log = logging.getLogger(__name__)


class Batcher:
    """Commits one organisation's records. One task runs it."""

    def __init__(self, organisation: Organisation) -> None:
        """Commit what the organisation's vault has pending."""
        self._organisation = organisation
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._hurried = asyncio.Event()

    def wake(self) -> None:
        """Say that the vault has something new."""
        self._idle.clear()
        self._arrived.set()

    async def settled(self) -> None:
        """Wait until everything that is in the vault by now is in a batch on the ledger."""
        if not self._idle.is_set():
            self._hurried.set()
        await self._idle.wait()

    async def run(self) -> None:
        """Commit whatever is pending, for ever."""
        await self._retrying(self.repair)
        self.wake()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await self._retrying(self._drain)
            if not self._arrived.is_set():
                self._idle.set()
                self._hurried.clear()

    async def _drain(self) -> None:
        while size := await self.commit():
            if size < MAX_BATCH:
                await self._rest()

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_S):
                await self._hurried.wait()

    async def _retrying(self, step: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await step()
            except Unavailable:
                await asyncio.sleep(RETRY_S)
            except LedgerError as error:
                _log.exception("records could not be committed: %s", type(error).__name__)
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def commit(self) -> int:
        """Commit the oldest pending commitments as one batch; how many those were.

        Raises:
            Unavailable: nothing is known to have happened; do it again.
        """
        vault = self._organisation.vault
        commitments, tree = await asyncio.to_thread(self._pending)
        if not commitments:
            return 0
        command = CommitRecords(root=tree.root, size=tree.size)
        ordered = await self._organisation.submit("records", command)
        (committed,) = events_of(ordered.receipt, RecordsCommitted)
        batch = CommittedBatch(
            number=committed.batch,
            root=tree.root,
            size=tree.size,
            transaction=TransactionId(ordered.receipt.id),
        )
        await asyncio.to_thread(vault.batch_committed, batch, commitments)
        return tree.size

    def _pending(self) -> tuple[list[Digest], Batch]:
        commitments = [one.commitment for one in self._organisation.vault.unbatched(MAX_BATCH)]
        return commitments, Batch.of(commitments)

    async def repair(self) -> bool:
        """Tell the vault of a batch that reached the ledger just before a crash, if one did."""
        organisation = self._organisation
        pending = [one.commitment for one in organisation.vault.unbatched(MAX_BATCH)]
        if not pending:
            return False
        with organisation.committed.snapshot() as committed:
            found = _unknown_batch(committed, organisation, pending)
        if found is None:
            return False
        organisation.vault.batch_committed(found, pending[: found.size])
        return True


def _unknown_batch(
    committed: Snapshot, organisation: Organisation, pending: list[Digest]
) -> CommittedBatch | None:
    """The custodian's last batch, if it is of what the vault takes to be pending."""
    view, mine = View(committed), organisation.member
    number = stream(view, mine, "records").batches
    row = batch_row(view, mine, number)
    if row is None or row.size > len(pending) or Batch.of(pending[: row.size]).root != row.root:
        return None
    begin = max(0, committed.latest().size - _SEARCHED)
    for _, receipt in committed.receipts(begin):
        for event in events_of(receipt, RecordsCommitted):
            if (event.custodian, event.batch) == (mine, number):
                return CommittedBatch(
                    number=number,
                    root=Digest(row.root),
                    size=row.size,
                    transaction=TransactionId(receipt.id),
                )
    return None
