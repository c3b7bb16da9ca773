"""Whether a store is what its transactions made of its genesis: everything, byte for byte."""

import gc
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import lmdb

from careledger.ledger.errors import LedgerError
from careledger.ledger.genesis import BadGenesis, Installed
from careledger.node.comparison import Comparison, Finding, Progress
from careledger.node.evidence import start_workers
from careledger.node.partial import check_without_past
from careledger.store.environment import lock_folder
from careledger.store.gap import Gap
from careledger.store.layout import data_file
from careledger.store.reader import StoreReader
from careledger.store.snapshot import Snapshot
from careledger.store.structure import find_damage

SILENCE_S = 300
"""A check that says nothing for so long, in seconds, goes in circles: that is damage, too."""

GRACE_S = 5
"""For a child to end its workers once it is done, in seconds."""

_WORKERS_FROM_BYTES = 1 << 24
"""Smaller stores are checked before workers would have started."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a check found."""

    blocks: int = 0
    """How many blocks hold; the first that does not is the next one."""
    transactions: int = 0
    rows: int = 0
    missing: Gap | None = None
    """The past that is not here yet: only what is was checked, and against nothing older."""
    findings: tuple[Finding, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def first(self) -> Finding | None:
        """The finding at the lowest height; one without a height only if there is no other."""
        return min(
            self.findings, key=lambda one: (one.height is None, one.height or 0), default=None
        )


def check(
    folder: Path, installed: Installed, progress: Progress = lambda _done, _of: None
) -> Report:
    """Compute the chain in `folder` again and compare; the node must not be running.

    LMDB reads in a child process, so that damage which crashes it is found, not suffered; another
    checks the file's structure without LMDB. Call it where no other threads run.

    Raises:
        Unavailable: no chain there, or another process writes it.
        BadGenesis: `installed` cannot run that chain.
    """
    if not data_file(folder).exists():
        StoreReader(folder)  # says so
    with (
        lock_folder(folder),
        tempfile.TemporaryDirectory() as place,
        _child(_check_content, folder, Path(place), installed) as content,
        _child(_check_structure, folder) as structure,
    ):
        found = _hear(content, progress, SILENCE_S)
        damage = _hear(structure, progress, None)
        if found.missing:
            with _child(_check_filling_structure, folder) as again:
                damage = _hear(again, progress, None)
        return replace(found, findings=found.findings + damage.findings)


@dataclass(frozen=True)
class _Child:
    process: BaseProcess
    said: Connection


@contextmanager
def _child(target: Callable[..., None], *arguments: object) -> Iterator[_Child]:
    """A process that says how far it is, then what it found; gone when the context ends."""
    context = get_context("fork")
    said, sender = context.Pipe(duplex=False)
    process = context.Process(target=_lead, args=(target, sender, *arguments))
    process.start()
    sender.close()
    try:
        yield _Child(process, said)
    finally:
        process.kill()
        if process.pid is not None:
            with suppress(ProcessLookupError):  # its workers outlive it, if it crashed
                os.killpg(process.pid, signal.SIGKILL)
        process.join()
        said.close()


def _lead(target: Callable[..., None], *arguments: object) -> None:
    """In the child: lead a group of processes, so that all of it can be ended at once."""
    os.setpgid(0, 0)
    gc.disable()  # nothing here makes cycles, and the process does not last
    target(*arguments)


def _hear(child: _Child, progress: Progress, patience_s: float | None) -> Report:
    """What the child found; that it fell silent, or died of what it read, is a finding, too."""
    blocks, of, what = 0, 1, "reading does not end"
    while wait([child.said], timeout=patience_s):
        try:
            said = child.said.recv()
        except EOFError:
            child.process.join()
            what = f"reading ended the process that read, with status {child.process.exitcode}"
            break
        if isinstance(said, Report):
            child.process.join(GRACE_S)
            return said
        if isinstance(said, BadGenesis):
            raise said
        blocks, of = said
        progress(blocks, of)
    height = blocks if blocks < of else None
    return Report(blocks=blocks, findings=(Finding(height=height, what=what),))


def _check_structure(sender: Connection, folder: Path) -> None:
    _send_damage(sender, find_damage(folder))


def _check_filling_structure(sender: Connection, folder: Path) -> None:
    _send_damage(sender, find_damage(folder, filling=True))


def _send_damage(sender: Connection, damage: list[str]) -> None:
    sender.send(Report(findings=tuple(Finding(height=None, what=what) for what in damage)))


def _check_content(sender: Connection, folder: Path, place: Path, installed: Installed) -> None:
    """In the child: everything that needs LMDB, which damage may crash."""
    big = data_file(folder).stat().st_size >= _WORKERS_FROM_BYTES
    # As many as there are cores: this process waits for them more than they for it.
    with start_workers(os.cpu_count() or 1) if big else nullcontext() as pool:
        try:
            with StoreReader(folder) as reader, reader.snapshot() as committed:
                if committed.gap:
                    sender.send(_check_what_is_here(committed, committed.gap))
                    return
                comparison = Comparison(committed, folder, lambda done, of: sender.send((done, of)))
                sender.send(_compare(comparison, place, installed, pool))
        except BadGenesis as error:
            sender.send(error)
        except (LedgerError, lmdb.Error) as error:
            finding = Finding(height=None, what=f"cannot be opened: {error}")
            sender.send(Report(findings=(finding,)))


def _check_what_is_here(committed: Snapshot, gap: Gap) -> Report:
    """Without its past, a store is held against its own newest header."""
    try:
        rows, findings = check_without_past(committed, gap)
    except Exception as error:  # noqa: BLE001 - whatever damage leads to is a finding
        rows, findings = 0, [Finding(height=None, what=f"cannot be read: {type(error).__name__}")]
    blocks = gap.next_height + committed.latest().height + 1 - gap.height
    return Report(blocks=blocks, rows=rows, missing=gap, findings=tuple(findings))


def _compare(
    comparison: Comparison, place: Path, installed: Installed, pool: ProcessPoolExecutor | None
) -> Report:
    try:
        comparison.run(place, installed, pool)
    except BadGenesis:
        raise
    except Exception as error:  # noqa: BLE001 - whatever damage leads to is a finding
        what = f"cannot be read: {type(error).__name__}"
        comparison.findings.append(Finding(height=comparison.height + 1, what=what))
    return Report(
        blocks=comparison.height + 1,
        transactions=comparison.transactions,
        rows=comparison.rows,
        findings=tuple(comparison.findings),
    )
