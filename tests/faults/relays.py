"""Links between nodes that a test may cut, heal and slow down: each is a TCP relay on loopback.

A node reaches another one by the port of their link. So a partition needs no privileges, and a wide
area is simulated where the kernel has no delay of its own to offer.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from itertools import product
from types import TracebackType
from typing import Self

CHUNK = 65_536
QUEUED = 64
"""Chunks on the way in one direction: more wait at the sender, as they would on a real line."""

Link = tuple[int, int]
"""From which node to which."""


@dataclass
class _Line:
    """One link: where it listens, where it leads, how slow it is, who talks over it."""

    port: int
    target: int
    delay_s: float = 0.0
    is_cut: bool = False
    talking: set[asyncio.Task[None]] = field(default_factory=set)


class Relays:
    """Runs every link in a thread of its own, from `__enter__` to `__exit__`."""

    def __init__(self, ports: dict[Link, int], targets: dict[int, int]) -> None:
        """`ports` is where each link listens, `targets` the real port of each node."""
        self._lines = {
            link: _Line(port=port, target=targets[link[1]]) for link, port in ports.items()
        }
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relays")
        self._servers: list[asyncio.Server] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, *groups: Iterable[int]) -> None:
        """Let only nodes of one group reach each other; nodes in no group reach nobody."""
        of = {node: number for number, group in enumerate(groups) for node in group}
        for (one, other), line in self._lines.items():
            line.is_cut = one not in of or of[one] != of.get(other)
        self._call(self._hang_up())

    def part(self, some: Iterable[int], others: Iterable[int]) -> None:
        """Let none of `some` and `others` reach each other; what else is cut stays so."""
        apart = {frozenset(pair) for pair in product(some, others)}
        for link, line in self._lines.items():
            line.is_cut = line.is_cut or frozenset(link) in apart
        self._call(self._hang_up())

    def heal(self) -> None:
        """Let everybody reach everybody."""
        for line in self._lines.values():
            line.is_cut = False

    def slow(self, delay_s: Callable[[Link], float]) -> None:
        """What each link's chunks are late by, one way; new connections keep it."""
        for link, line in self._lines.items():
            line.delay_s = delay_s(link)

    def _call(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    async def _open(self) -> None:
        for line in self._lines.values():
            server = await asyncio.start_server(
                lambda reader, writer, line=line: self._serve(line, reader, writer),  # type: ignore[misc]
                "127.0.0.1",
                line.port,
            )
            self._servers.append(server)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for line in self._lines.values():
            line.is_cut = True
        await self._hang_up()
        left = asyncio.all_tasks() - {asyncio.current_task()}  # chunks that are still on their way
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _hang_up(self) -> None:
        """End what is said over links that are cut."""
        ending = [task for line in self._lines.values() if line.is_cut for task in line.talking]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _serve(
        self, line: _Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        line.talking.add(task)
        try:
            if not line.is_cut:
                await self._talk(line, reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # whoever talked has gone, or the link was cut
        finally:
            line.talking.discard(task)
            writer.transport.abort()

    async def _talk(
        self, line: _Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", line.target)
        try:
            # Whichever direction ends first ends both.
            await asyncio.wait(
                {
                    asyncio.create_task(_pass_on(reader, far_writer, line)),
                    asyncio.create_task(_pass_on(far_reader, writer, line)),
                },
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            far_writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: _Line) -> None:
    """Every chunk, in order, as late as the link is slow."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUED)

    async def deliver() -> None:
        while True:
            due, chunk = await queue.get()
            if not chunk:
                return
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            writer.write(chunk)
            await writer.drain()

    delivering = asyncio.create_task(deliver())
    try:
        with contextlib.suppress(OSError):
            while not delivering.done():
                chunk = await reader.read(CHUNK)
                await queue.put((loop.time() + line.delay_s, chunk))
                if not chunk:
                    break
            await delivering
    finally:
        delivering.cancel()
