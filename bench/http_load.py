"""A load generator that costs little beside the server on the same cores: HTTP/1.1, kept alive."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

IDLE_S = 2.0
"""After which a connection is not used again: servers hang up on those that wait for long."""


@dataclass(frozen=True)
class Ask:
    """One request; `path` begins with a slash and may have a query."""

    path: str
    method: str = "GET"
    body: bytes = b""


@dataclass(frozen=True)
class Load:
    """What came of it: seconds each request took, in any order, and how long all of them took."""

    seconds: list[float]
    elapsed_s: float
    bytes_received: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.seconds) / self.elapsed_s


class _Connection:
    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        lines = {"Host": f"{self._host}:{self._port}", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._prefix = parts.path.rstrip("/")

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(
            self._host, self._port, limit=1 << 20
        )

    def close(self) -> None:
        self._writer.close()

    async def ask(self, one: Ask) -> tuple[int, bytes]:
        """Status and body."""
        length = f"Content-Length: {len(one.body)}\r\n" if one.body else ""
        head = f"{one.method} {self._prefix}{one.path} HTTP/1.1\r\n{self._head}{length}\r\n"
        self._writer.write(head.encode() + one.body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        lower = answer.lower()
        status = int(answer[9:12])
        if b"\r\ntransfer-encoding: chunked" in lower:
            return status, await self._chunks()
        at = lower.find(b"\r\ncontent-length:")
        size = int(lower[at + 17 : lower.index(b"\r\n", at + 2)]) if at >= 0 else 0
        return status, await self._reader.readexactly(size)

    async def _chunks(self) -> bytes:
        parts = []
        while size := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return b"".join(parts)


async def ask(url: str, one: Ask, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """One request on a connection of its own: status and body."""
    connection = _Connection(url, headers)
    await connection.open()
    try:
        return await connection.ask(one)
    finally:
        connection.close()


async def load(
    url: str,
    asks: Sequence[Ask],
    headers: Mapping[str, str],
    *,
    connections: int,
    good: frozenset[int] = frozenset((200, 201)),
    until: float | None = None,
) -> Load:
    """Make all requests, over so many connections; each must be answered with a `good` status.

    What is not answered `until` then, in the loop's time, is given up and not among the seconds.
    """
    waiting, times, received = iter(asks), list[float](), 0

    async def work() -> None:
        nonlocal received
        connection = _Connection(url, headers)
        await connection.open()
        try:
            async with asyncio.timeout_at(until):
                for one in waiting:
                    started = time.perf_counter()
                    status, body = await connection.ask(one)
                    times.append(time.perf_counter() - started)
                    assert status in good, (one.method, one.path[:80], status, body[:300])
                    received += len(body)
        except TimeoutError:
            pass
        finally:
            connection.close()

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    return Load(times, time.perf_counter() - started, received)


async def paced(
    urls: Sequence[str],
    asks: Sequence[Ask],
    headers: Mapping[str, str],
    rate: float,
    *,
    good: frozenset[int] = frozenset((200, 201)),
) -> Load:
    """Make all requests, `rate` of them a second, evenly, at each address in turn.

    Nobody waits for an answer before the next one asks. What a request took counts from when it
    was due.
    """
    free: list[list[tuple[_Connection, float]]] = [[] for _ in urls]
    times, received = list[float](), 0
    begun = time.perf_counter()

    async def one(number: int, due: float) -> None:
        nonlocal received
        place = number % len(urls)
        connection, since = free[place].pop() if free[place] else (None, 0.0)
        if connection is None or time.perf_counter() - since > IDLE_S:
            if connection is not None:
                connection.close()
            connection = _Connection(urls[place], headers)
            await connection.open()
        status, body = await connection.ask(asks[number])
        times.append(time.perf_counter() - due)
        assert status in good, (asks[number].path[:80], status, body[:300])
        received += len(body)
        free[place].append((connection, time.perf_counter()))

    tasks = []
    for number in range(len(asks)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(number, due)))
    await asyncio.gather(*tasks)
    for idle in free:
        for connection, _ in idle:
            connection.close()
    return Load(times, time.perf_counter() - begun, received)
