"""The log as server-sent events (WHATWG HTML 9.2): one event for each entry, as it is committed.

The id of an event is the log position to continue from, so ids rise one by one: a follower that
reconnects with `Last-Event-ID` misses nothing and gets nothing twice, and can see that it is so.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from careledger.gateway.node_proofs import events_json
from careledger.gateway.node_services import NodeServices
from careledger.gateway.problem import problem
from careledger.ledger.entry import BlockEntry, GenesisEntry, LogEntry
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import decode_trusted
from careledger.store.snapshot import Snapshot

MEDIA_TYPE: Final = "text/event-stream"

HEARTBEAT_S: Final = 10.0
"""A quiet stream says so often that it is alive: proxies keep it, and the dead are noticed."""

STALLED_S: Final = 30.0
"""Whoever takes nothing for so long is let go; it may come back with its `Last-Event-ID`."""

PAGE_ENTRIES: Final = 100
PAGE_BYTES: Final = 256_000
"""So much is read for a follower at a time; a slow one holds little more than that."""

_RETRY = b"retry: 1000\n\n"
_BEAT = b":\n\n"
_PAUSE_S = 0.002
"""Between the turns of those that catch up: the node's own work goes first."""
_FAREWELL_S = 1.0


class EventStream(Response):
    """One follower's stream, from a log position on, until it goes or the node stops."""

    def __init__(self, services: NodeServices, after: int) -> None:
        """Begin at the log position `after`, which the log has reached."""
        super().__init__(media_type=MEDIA_TYPE, headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._services, self._next = services, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; with 503 if there is no place left."""
        followers = self._services.followers
        if not followers.has_room:
            detail = f"at most {followers.most} follow this node at a time; try later or another"
            await problem(503, "Unavailable", detail)(scope, receive, send)
            return
        with followers.one_more():
            await self._answer(receive, send)

    async def _answer(self, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        tasks = [
            asyncio.create_task(self._follow(send)),
            asyncio.create_task(_until_gone(receive)),
            asyncio.create_task(self._services.followers.closed.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                await send({"type": "http.response.body", "body": b""})

    async def _follow(self, send: Send) -> None:
        """Send what there is and what comes, until the store or the follower does not answer."""
        loop = asyncio.get_running_loop()
        page, spoke = _RETRY, loop.time()
        with contextlib.suppress(Unavailable, TimeoutError):
            while True:
                if not page and loop.time() >= spoke + HEARTBEAT_S:
                    page = _BEAT
                if page:
                    async with asyncio.timeout(STALLED_S):
                        await send({"type": "http.response.body", "body": page, "more_body": True})
                    spoke = loop.time()
                page = await self._read()
                if not page:
                    # Nothing is awaited between that look and this, or a block were slept through.
                    await self._services.wait_for_block(spoke + HEARTBEAT_S - loop.time())

    async def _read(self) -> bytes:
        """The next page; nothing if the follower has everything."""
        async with self._services.followers.turn:
            with self._services.reader.snapshot() as committed:
                found, following = _page(committed, self._next)
            if following - self._next >= PAGE_ENTRIES or len(found) >= PAGE_BYTES:
                await asyncio.sleep(_PAUSE_S)
        self._next = following
        return found


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _page(committed: Snapshot, begin: int) -> tuple[bytes, int]:
    """Events from the log position `begin` on, and the position that follows them.

    Raises:
        HistoryAbsent: the next one is not here yet; what is here before it was told.
    """
    page = bytearray()
    index, end = begin, begin + PAGE_ENTRIES
    if committed.gap is not None:
        committed.gap.check_receipts(begin, begin + 1)
        if begin < committed.gap.next:
            end = min(end, committed.gap.next)
    for entry in committed.entries(begin, end):
        # LogEntry is a union, which mypy does not take for a type[T].
        kind, said = _told(committed, index, decode_trusted(entry, LogEntry))  # type: ignore[arg-type]
        index += 1
        page += b"id: %d\nevent: %s\ndata: %s\n\n" % (index, kind, msgspec.json.encode(said))
        if len(page) >= PAGE_BYTES:
            break
    return bytes(page), index


def _told(
    committed: Snapshot, index: int, entry: LogEntry
) -> tuple[bytes, Mapping[str, Any]]:  # Any: JSON
    """What an entry says: its kind, and the same words as in the paged feed."""
    receipt = committed.receipt_at(index)
    happened = {} if receipt is None else {"events": events_json(receipt)}
    match entry:
        case GenesisEntry():
            return b"genesis", {"index": index, "chain": entry.chain.hex()}
        case BlockEntry():
            ended = {
                "index": index,
                "height": entry.height,
                "time": entry.time,
                "state_root": entry.state_root.hex(),
                "version": entry.version,
                "evidence": len(entry.evidence),
            }
            return b"block", ended | happened
        case _:
            done = {"index": index, "transaction": entry.id.hex(), "code": entry.code}
            return b"transaction", done | happened
