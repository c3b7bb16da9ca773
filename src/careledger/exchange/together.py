"""Writing together what questions that are asked at the same time leave to be written.

A transaction costs about as much for one thing as for ten. Whoever asks waits until theirs is
written; those who are answered in one turn of the loop wait for the same transaction.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import get_ident
from typing import Generic, TypeVar

E = TypeVar("E")
T = TypeVar("T")


@dataclass(slots=True)
class _Turn(Generic[E]):
    """What is written at the end of one turn of the loop."""

    things: list[E] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None


class Together(Generic[E]):
    """Gathers things in the thread of one loop, for `write`, which is durable when it returns."""

    def __init__(self, write: Callable[[Sequence[E]], None]) -> None:
        """Hand to `write` what was gathered, all of it or none."""
        self._write = write
        self._asking: tuple[int, list[E]] | None = None
        self._turn: _Turn[E] | None = None

    def takes(self, things: Sequence[E]) -> bool:
        """Whether these will be written with others: only for whoever calls from inside `ask`."""
        asking = self._asking
        if asking is None or asking[0] != get_ident():
            return False
        asking[1].extend(things)
        return True

    async def ask(self, question: Callable[[], T]) -> T:
        """Its answer, once what it left is written. It is asked here, in the loop's thread.

        Raises:
            Exception: whatever `question` raises, then too what it left is written; or `write`.
        """
        left = list[E]()
        outer, self._asking = self._asking, (get_ident(), left)
        try:
            answer = question()
        except BaseException:
            if left:
                self._write(left)
            raise
        finally:
            self._asking = outer
        if left:
            await self._written(left)
        return answer

    async def _written(self, things: Sequence[E]) -> None:
        turn = self._turn
        if turn is None:
            turn = self._turn = _Turn()
            asyncio.get_running_loop().call_soon(self._finish, turn)
        turn.things.extend(things)
        await turn.done.wait()
        if turn.error is not None:
            raise turn.error

    def _finish(self, turn: _Turn[E]) -> None:
        self._turn = None
        try:
            self._write(turn.things)
        except Exception as error:  # noqa: BLE001 - it is raised where each of them waits
            turn.error = error
        finally:
            turn.done.set()
