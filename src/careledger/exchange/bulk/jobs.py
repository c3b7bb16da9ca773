"""The exports of one gateway: begun, looked at, cancelled, and gone after their time.

They live in memory, and their files are sealed under keys in memory: after a restart clients order
anew (Bulk Data Access 2.0 lets a server forget an export; they get 404).
"""

import asyncio
import logging
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from careledger.exchange.bulk.order import Job, Order, Output, Phase
from careledger.exchange.bulk.spool import Spool
from careledger.exchange.bulk.writing import Reaches, Writer, lines_of, locals_of
from careledger.exchange.organisation import Organisation

KEPT_S: Final = 3_600
"""How long the files of an export can be fetched, in seconds."""

AT_ONCE: Final = 2
"""Exports that are written at the same time; others wait in line."""

MOST_EACH: Final = 4
"""Exports that one client may have at once."""

_log = logging.getLogger(__name__)


class TooMany(Exception):
    """One client has as many exports as it may."""


class Jobs:
    """Owns its folder, and its tasks until `close`."""

    def __init__(self, organisation: Organisation, reach: Reaches, folder: Path) -> None:
        """Write below `folder`; whatever an earlier process left there is unreadable, and goes."""
        shutil.rmtree(folder, ignore_errors=True)
        self._organisation, self._reach, self._folder = organisation, reach, folder
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    def begin(self, owner: str, order: Order) -> Job:
        """Begin an export for `owner`.

        Raises:
            TooMany: wait, or end one.
        """
        self._expire()
        if sum(one.owner == owner for one in self._jobs.values()) >= MOST_EACH:
            raise TooMany
        now, id_ = self._organisation.clock(), secrets.token_urlsafe(24)
        spool = Spool(self._folder / id_)
        job = Job(id=id_, owner=owner, order=order, spool=spool, started=now, ends=now + KEPT_S)
        self._jobs[id_] = job
        self._tasks[id_] = asyncio.create_task(self._write(job))
        return job

    def find(self, owner: str, id_: str) -> Job | None:
        """An export of `owner`; those of others are not there."""
        self._expire()
        found = self._jobs.get(id_)
        return found if found is not None and found.owner == owner else None

    def end(self, job: Job) -> None:
        """Cancel it, or drop its files."""
        job.cancelled = True
        if job.phase is not Phase.RUNNING:
            job.spool.remove()
        self._jobs.pop(job.id, None)

    def lines(self, job: Job, output: Output) -> Iterator[bytes]:
        """What is in one of its files, consent looked at once more."""
        return lines_of(job, output.name, self._reach)

    async def close(self) -> None:
        """End everything."""
        for job in list(self._jobs.values()):
            self.end(job)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _write(self, job: Job) -> None:
        async with self._room:
            try:
                everybody = locals_of(self._organisation.vault.patients())
                await asyncio.to_thread(Writer(job, self._reach).write, everybody)
            except Exception as error:  # noqa: BLE001 - whatever it is, the client is told it failed
                _log.warning("an export failed: %s", type(error).__name__)
                job.phase = Phase.FAILED
            else:
                job.phase = Phase.DONE
            finally:
                self._tasks.pop(job.id, None)
                if job.phase is not Phase.DONE or job.cancelled:
                    job.spool.remove()

    def _expire(self) -> None:
        now = self._organisation.clock()
        for job in [one for one in self._jobs.values() if one.ends <= now]:
            self.end(job)
