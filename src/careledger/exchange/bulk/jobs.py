"""The exports of one gateway: begun, looked at, cancelled, and gone after their time.

They outlive the process. What was finished can be fetched after a restart; what was being written
is begun again, each patient decided about anew. One that the process did not survive several times
has failed, so that no export keeps a gateway from running.
"""

import asyncio
import logging
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from careledger.exchange.bulk.kept import Kept, Note
from careledger.exchange.bulk.order import Asked, Job, Order, Output, Phase
from careledger.exchange.bulk.spool import Spool
from careledger.exchange.bulk.writing import Reaches, Writer, lines_of, locals_of
from careledger.exchange.organisation import Organisation
from careledger.ledger.errors import LedgerError

KEPT_S: Final = 3_600
"""How long after it is finished the files of an export can be fetched, in seconds."""

RUNS_S: Final = 86_400
"""How long after it was ordered an export may still be being written, in seconds."""

AT_ONCE: Final = 2
"""Exports that are written at the same time; others wait in line."""

MOST_EACH: Final = 4
"""Exports that one client may have at once."""

MOST_TRIES: Final = 3
"""How often an export is begun that the process does not survive."""

_KEY_BYTES: Final = 32

_log = logging.getLogger(__name__)


class TooMany(Exception):
    """One client has as many exports as it may."""


class Jobs:
    """Owns its folder, and its tasks until `close`."""

    def __init__(
        self,
        organisation: Organisation,
        reach: Reaches,
        folder: Path,
        kept: Kept,
        settle: Callable[[], None],
    ) -> None:
        """Write below `folder`, and note in `kept` what there is.

        `settle` makes the journal of what was read durable; no export is finished before.
        """
        self._organisation, self._reach, self._folder = organisation, reach, folder
        self._kept, self._settle = kept, settle
        self._jobs: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._is_closing = False
        self._left = {note.id: note for note in kept.all()}
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in self._left:
                shutil.rmtree(path, ignore_errors=True)

    def resume(self, order_of: Callable[[Asked], Order]) -> None:
        """Go on with what an earlier run left, once: `order_of` makes orders again.

        Raises nothing: what cannot be made again has failed, or is forgotten.
        """
        left, self._left = list(self._left.values()), {}
        for note in left:
            try:
                order = order_of(note.asked)
            except Exception as error:  # noqa: BLE001 - of another release, or another configuration
                _log.warning("an export is not understood any more: %s", type(error).__name__)
                self._drop(note)
            else:
                self._take_up(note, order)

    def begin(self, asked: Asked, order: Order) -> Job:
        """Begin an export; that it was ordered is durable on return.

        Raises:
            TooMany: wait, or end one.
            Unavailable: it cannot be kept.
        """
        self._expire()
        if sum(one.asked.owner == asked.owner for one in self._jobs.values()) >= MOST_EACH:
            raise TooMany
        now, id_ = self._organisation.clock(), secrets.token_urlsafe(24)
        job = self._job(id_, asked, order, secrets.token_bytes(_KEY_BYTES), now, now + RUNS_S)
        self._start(job)
        return job

    def find(self, owner: str, id_: str) -> Job | None:
        """An export of `owner`; those of others are not there."""
        self._expire()
        found = self._jobs.get(id_)
        return found if found is not None and found.asked.owner == owner else None

    def end(self, job: Job) -> None:
        """Cancel it, or drop its files."""
        job.cancelled = True
        self._jobs.pop(job.id, None)
        self._kept.forget(job.id)
        if job.phase is not Phase.RUNNING:
            job.spool.remove()

    def lines(self, job: Job, output: Output) -> Iterator[bytes]:
        """What is in one of its files, consent looked at once more."""
        return lines_of(job, output, self._reach)

    async def close(self) -> None:
        """Stop what is being written: it is begun again at the next start."""
        self._is_closing = True
        for job in self._jobs.values():
            job.cancelled = True
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for job in self._jobs.values():
            if job.phase is Phase.RUNNING:
                job.tries = 0  # it was not the export that ended the process
                self._keep(job, job.phase)

    # --- one after the other -------------------------------------------------------------------

    def _job(
        self, id_: str, asked: Asked, order: Order, key: bytes, started: int, ends: int
    ) -> Job:
        spool = Spool(self._folder / id_, key, self._organisation.vault)
        return Job(
            id=id_, asked=asked, order=order, spool=spool, key=key, started=started, ends=ends
        )

    def _take_up(self, note: Note, order: Order) -> None:
        """As it was; or, if it was being written, from its beginning."""
        job = self._job(note.id, note.asked, order, note.key, note.started, note.ends)
        job.phase, job.written, job.outputs = Phase(note.phase), note.written, note.outputs
        job.tries = note.tries
        self._jobs[job.id] = job
        if job.ends <= self._organisation.clock():
            self.end(job)
            job.spool.remove()
        elif job.phase is Phase.RUNNING and job.tries >= MOST_TRIES:
            self._finish(job, Phase.FAILED)
        elif job.phase is Phase.RUNNING:
            job.written, job.tries = 0, job.tries + 1
            self._start(job)

    def _drop(self, note: Note) -> None:
        self._kept.forget(note.id)
        shutil.rmtree(self._folder / note.id, ignore_errors=True)

    def _start(self, job: Job) -> None:
        """Note it, and write it beside the requests."""
        self._kept.put(_note(job, Phase.RUNNING))
        job.spool.begin()
        self._jobs[job.id] = job
        self._tasks[job.id] = asyncio.create_task(self._write(job))

    async def _write(self, job: Job) -> None:
        try:
            async with self._room:
                phase = await asyncio.to_thread(self._written, job)
            if job.id not in self._jobs:
                job.spool.remove()
            elif not self._is_closing:
                self._finish(job, phase)
        finally:
            self._tasks.pop(job.id, None)

    def _written(self, job: Job) -> Phase:
        """Write it; whether that went well. What is in its files is in the journal for good."""
        try:
            everybody = locals_of(self._organisation.vault.patients())
            Writer(job, self._reach).write(everybody)
            self._settle()
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told it failed
            _log.warning("an export failed: %s", type(error).__name__)
            return Phase.FAILED
        return Phase.DONE

    def _finish(self, job: Job, phase: Phase) -> None:
        job.ends = self._organisation.clock() + KEPT_S
        job.phase = phase if self._keep(job, phase) else Phase.FAILED
        if job.phase is Phase.FAILED:
            job.spool.remove()

    def _keep(self, job: Job, phase: Phase) -> bool:
        """Note how far it is; whether that is durable."""
        try:
            self._kept.put(_note(job, phase))
        except LedgerError as error:
            _log.warning("an export is not kept: %s", type(error).__name__)
            return False
        return True

    def _expire(self) -> None:
        now = self._organisation.clock()
        for job in [one for one in self._jobs.values() if one.ends <= now]:
            self.end(job)


def _note(job: Job, phase: Phase) -> Note:
    return Note(
        id=job.id,
        asked=job.asked,
        key=job.key,
        started=job.started,
        ends=job.ends,
        tries=job.tries,
        phase=phase.value,
        written=job.written,
        outputs=job.outputs,
    )
