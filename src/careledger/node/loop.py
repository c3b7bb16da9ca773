"""The event loop of a process that answers HTTP: uvloop's where there is one, else asyncio's own.

uvicorn chooses it only where it starts the loop itself, which our processes do, since they open
their stores and tasks in it first.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:  # Any: what it yields and is sent is the loop's matter
    """Run `main` to its end, like `asyncio.run`."""
    with asyncio.Runner(loop_factory=_factory()) as runner:
        return runner.run(main)


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - not made for every system: see pyproject.toml
    except ImportError:
        return None
    return uvloop.new_event_loop
