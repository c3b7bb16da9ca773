"""The exchange of one gateway process: its parts put together, and what runs beside requests."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from careledger.exchange.acknowledge import Acknowledgements
from careledger.exchange.answer import Custodian
from careledger.exchange.ask import Requester
from careledger.exchange.asker import Asker
from careledger.exchange.batching import Batcher
from careledger.exchange.bodies import Bodies, InVault
from careledger.exchange.bulk.jobs import Jobs
from careledger.exchange.bulk.kept import Kept
from careledger.exchange.cabinet import SCHEMA, Cabinet
from careledger.exchange.erasing import Erasure
from careledger.exchange.federated import Deadlines, Federation
from careledger.exchange.ingest import Ingestion
from careledger.exchange.journal import FLUSH_READS, FLUSH_S, Journal
from careledger.exchange.limits import UNLIMITED, Limits
from careledger.exchange.log import Log
from careledger.exchange.mailbox import Mailbox
from careledger.exchange.offline import Offline, ReportsFirst
from careledger.exchange.organisation import Organisation
from careledger.exchange.partners import Partners
from careledger.exchange.permits import Permits
from careledger.exchange.reach import Reach
from careledger.exchange.session import Sessions
from careledger.exchange.shelf import Shelf
from careledger.exchange.transport import Transport
from careledger.exchange.upstream.settings import Upstream
from careledger.exchange.upstream.shadow import Shadow
from careledger.exchange.upstream.side import UpstreamSide
from careledger.ledger.errors import LedgerError, Unavailable
from careledger.mechanisms.terms import Action
from careledger.vault.rows import SqliteRows

LOOK_S: Final = 0.1
"""How often the journal is looked at."""

_log = logging.getLogger(__name__)


class Exchange:
    """Owns its files in `folder` and its tasks from `start` until `close`."""

    def __init__(
        self,
        organisation: Organisation,
        folder: Path,
        transport: Transport,
        *,
        executor: Executor | None = None,
        deadlines: Deadlines | None = None,
        upstream: Upstream | None = None,
        shadow: bool = False,
    ) -> None:
        """Put the parts together; `executor` checks bundles, in another process if it is one.

        `deadlines` are those of questions to many organisations at once. `upstream` is the
        organisation's own FHIR server, if bodies stay there; `shadow`: watch what it answers.
        """
        cabinets = [
            Cabinet(
                SqliteRows(folder / f"{name}.sqlite", SCHEMA),
                organisation.keystore,
                organisation.member,
                lazily=name in {"journal", "shadow"},
            )
            for name in (
                "mailbox",
                "journal",
                "acknowledgements",
                "sign-ins",
                "offline",
                "unfinished",
                *(("shadow",) if shadow else ()),
            )
        ]
        self.offline = Offline(organisation, cabinets[4])
        """What was released in emergencies while the ledger could not decide."""
        organisation = replace(organisation, ledger=ReportsFirst(organisation.ledger, self.offline))
        self.organisation, self._cabinets = organisation, cabinets
        self.mailbox = Mailbox(organisation, cabinets[0])
        self.journal = Journal(organisation, cabinets[1])
        self.acknowledgements = Acknowledgements(organisation, cabinets[2])
        self.sign_ins = cabinets[3]
        """For the doors: tokens and what else of sign-ins survives a restart."""
        self._batcher = Batcher(organisation)
        self.upstream: UpstreamSide | None = None
        """The organisation's own FHIR server, if bodies stay there."""
        if upstream is not None:
            self.upstream = UpstreamSide(organisation, folder, upstream, self._wake)
        self._bodies: Bodies = InVault() if self.upstream is None else self.upstream.bodies
        self._loop: asyncio.AbstractEventLoop | None = None
        self.custodian = Custodian(
            organisation, self.mailbox, self.journal, self.offline, self._bodies
        )
        self.requester = Requester(organisation, self.mailbox, self.acknowledgements, transport)
        unfinished = Shelf(cabinets[5])
        sessions = Sessions(unfinished)
        self.partners = Partners(organisation, self.mailbox, self.journal, sessions, self._bodies)
        self._permits = Permits(organisation, self.mailbox)
        self.shadow = Shadow(organisation, self._permits, cabinets[-1]) if shadow else None
        """What the policy would have refused, where it refuses nothing."""
        self.federation = Federation(
            organisation, self.mailbox, self.requester, self.reach, deadlines
        )
        kept, settle = Kept(unfinished), cabinets[1].sync
        self.exports = Jobs(organisation, self.reach, folder / "exports", kept, settle)
        self.log = Log(organisation)
        self.erasure = Erasure(organisation, self.mailbox)
        deposit = None if self.upstream is None else self.upstream.deposit
        self.ingestion = Ingestion(organisation, self._batcher, executor, deposit)
        self._tasks: list[asyncio.Task[None]] = []

    @contextmanager
    def reach(
        self, asker: Asker, limits: Limits = UNLIMITED, action: Action = "read"
    ) -> Iterator[Reach]:
        """What `asker` may see from now until the end of the block, which is when it is noted.

        Release nothing of it inside the block. Any thread may call; it may take long in one of its
        own, but not more than half a minute, which is as long as a permit counts.

        Raises:
            Stale: nothing was decided.
        """
        with self.organisation.now() as now:
            reach = Reach(
                self.organisation,
                self._permits,
                self.journal,
                asker,
                now,
                limits=limits,
                action=action,
                bodies=self._bodies,
            )
            yield reach
            reach.note()

    async def start(self, *, follow: bool = True) -> None:
        """Finish what an earlier run left, and go on beside the requests.

        `follow`: also follow the organisation's own FHIR server, if bodies stay there.
        """
        self.erasure.catch_up()
        self._loop = asyncio.get_running_loop()
        if self.upstream is not None and follow:
            self._tasks.append(asyncio.create_task(self.upstream.follow()))
        self._tasks += [
            asyncio.create_task(self._batcher.run()),
            asyncio.create_task(self._keep_journal()),
            asyncio.create_task(self._repeat(self.offline.report, LOOK_S)),
            asyncio.create_task(self._repeat(self.acknowledgements.send, LOOK_S)),
        ]

    async def close(self) -> None:
        """Stop, and anchor what was read; what cannot be now is at the next start."""
        await self.exports.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.acknowledgements.keep()
        try:
            await self.journal.flush()
        except LedgerError as error:
            _log.warning("reads wait to be anchored: %s", type(error).__name__)
        for cabinet in self._cabinets:
            cabinet.close()
        if self.upstream:
            self.upstream.close()

    def _wake(self) -> None:
        """From any thread: there is something to commit."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._batcher.wake)

    async def _keep_journal(self) -> None:
        """Anchor every two seconds, or as soon as enough has been read."""
        loop = asyncio.get_running_loop()
        last = 0.0  # what an earlier run left is anchored at once
        while True:
            due = self.journal.waiting >= FLUSH_READS or loop.time() - last >= FLUSH_S
            if self.journal.waiting and due:
                await self._try(self.journal.flush)
                last = loop.time()
            await asyncio.sleep(LOOK_S)

    async def _repeat(self, step: Callable[[], Awaitable[object]], every_s: float) -> None:
        while True:
            await self._try(step)
            await asyncio.sleep(every_s)

    async def _try(self, step: Callable[[], Awaitable[object]]) -> None:
        try:
            await step()
        except Unavailable:
            await asyncio.sleep(1)
        except LedgerError as error:
            _log.exception("%s", type(error).__name__)
            await asyncio.sleep(1)
