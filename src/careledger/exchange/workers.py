"""Processes that check bundles beside the gateway: what is costly of ingestion, and pure."""

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait


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
