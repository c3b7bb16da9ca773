"""Processes that check bundles beside the gateway: what is costly of ingestion, and pure."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Final, TypeVar

WORTH_A_PROCESS: Final = 16
"""Entries from which on a bundle is worth sending to another process."""

_log = logging.getLogger(__name__)

A = TypeVar("A")
T = TypeVar("T")


class Elsewhere:
    """Does pure work off the event loop: in an executor, or in threads without one."""

    def __init__(self, executor: Executor | None) -> None:
        """Use `executor` for as long as it works."""
        self._executor = executor

    @property
    def is_far(self) -> bool:
        """Whether there is an executor to go to."""
        return self._executor is not None

    async def __call__(self, work: Callable[[A], T], argument: A, *, here: bool) -> T:
        """Do `work`; `here`: in a thread, whatever executor there is."""
        loop = asyncio.get_running_loop()
        if self._executor is not None and not here:
            try:
                return await loop.run_in_executor(self._executor, work, argument)
            except BrokenExecutor:
                _log.warning("the process that checks bundles has ended; threads do its work")
                self._executor = None
        return await asyncio.to_thread(work, argument)


def checking_processes(count: int) -> ProcessPoolExecutor:
    """`count` processes, each started when it is first needed; the caller shuts them down.

    They end when the gateway ends, even if that was killed.
    """
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_begin)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)
