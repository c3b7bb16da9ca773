"""The event stream, over a real socket: nothing lost, nothing twice, nothing held without bound."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
import uvicorn

from careledger.consensus.chain import Chain
from careledger.consensus.solo import SoloEngine
from careledger.gateway import node_stream
from careledger.gateway.node_api import node_app
from careledger.gateway.node_followers import Followers
from careledger.store.gap import HistoryAbsent
from careledger.store.store import Store
from tests.consensus.world import engine, sign
from tests.faults.node_process import NodeProcess, found_trial, free_port
from tests.gateway.test_node_api import note, services
from tests.ledger.world import ANA, NOW, SetNote, Unwelcome
from tests.store import test_gap

without_past = test_gap.new

SSE = {"accept": "text/event-stream"}


@dataclass(frozen=True)
class Told:
    """One server-sent event."""

    id: int
    event: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Here:
    """A node that answers on a port, and a client."""

    solo: SoloEngine
    chain: Chain
    followers: Followers
    http: httpx2.AsyncClient

    async def write(self, *numbers: int) -> None:
        await asyncio.gather(*(self.solo.submit(note(self.chain, one)) for one in numbers))

    @property
    def size(self) -> int:
        return self.chain.store.latest.size


Story = Callable[[Here], Awaitable[None]]


def run(folder: Path, story: Story, most: int = 4) -> None:
    async def play() -> None:
        async with engine(folder / "chain") as (solo, chain):
            kept = Followers(most)
            app = node_app(replace(services(solo, chain), followers=kept), solo)
            port = free_port()
            config = uvicorn.Config(app, port=port, log_level="error", lifespan="off")
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            url = f"http://127.0.0.1:{port}"
            try:
                async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                    await story(Here(solo, chain, kept, client))
            finally:
                kept.close()
                server.should_exit = True
                await serving

    asyncio.run(asyncio.wait_for(play(), 60))


async def told(answer: httpx2.Response) -> AsyncIterator[Told]:
    """Parse as a browser does (WHATWG HTML 9.2.6), comments and `retry` left out."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if not line:
            if "data" in fields:
                yield Told(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}
            continue
        name, _, value = line.partition(":")
        if name and name != "retry":
            assert name not in fields
            fields[name] = value.removeprefix(" ")


async def follow(here: Here, begin: int, count: int, seconds: float = 30) -> list[Told]:
    """Events from a position on; after so many, or so long, the connection is dropped."""
    headers = SSE | {"last-event-id": str(begin)}
    found: list[Told] = []
    with contextlib.suppress(TimeoutError):
        async with (
            asyncio.timeout(seconds),
            here.http.stream("GET", "/v1/events", headers=headers) as answer,
        ):
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for one in told(answer):
                found.append(one)
                if len(found) == count:
                    break
    return found


def test_each_entry_is_told_once_in_order_with_what_happened(tmp_path: Path) -> None:
    async def story(here: Here) -> None:
        ordered = await here.solo.submit(note(here.chain, 1))
        refused = sign(here.chain.id, ANA, SetNote(at="x", text="unwelcome"), 2)
        await here.solo.submit(refused)
        found = await follow(here, 0, 5)
        assert [one.id for one in found] == [1, 2, 3, 4, 5]
        kinds = ["genesis", "transaction", "block", "transaction", "block"]
        assert [one.event for one in found] == kinds
        assert found[0].data == {"index": 0, "chain": here.chain.id.hex()}
        paged = (await here.http.get("/v1/events")).json()["events"]
        assert [found[1].data, found[3].data] == paged
        assert found[1].data["transaction"] == ordered.receipt.id.hex()
        assert found[3].data["code"] == Unwelcome.code
        with here.chain.store.snapshot() as committed:
            first = committed.header(1)
        assert first is not None
        assert found[2].data == {
            "index": 2,
            "height": 1,
            "time": NOW,
            "state_root": first.state_root.hex(),
            "version": found[2].data["version"],
            "evidence": 0,
        }

    run(tmp_path, story)


def test_whoever_comes_back_misses_nothing_and_gets_nothing_twice(
    tmp_path: Path, chance: Random
) -> None:
    """Written meanwhile, and dropped again and again at random."""

    async def story(here: Here) -> None:
        async def write() -> None:
            for number in range(0, 150, 5):
                await here.write(*range(number, number + 5))

        writing = asyncio.create_task(write())
        found: list[Told] = []
        while not writing.done() or len(found) < here.size:
            found += await follow(here, len(found), chance.randint(1, 40), chance.random() / 4)
        assert [one.id for one in found] == list(range(1, here.size + 1))
        happened = [one.data for one in found if one.event == "transaction"]
        paged = (await here.http.get("/v1/events", params={"limit": 1000})).json()["events"]
        assert happened == paged
        assert len(happened) == 150

    run(tmp_path, story)


def test_a_quiet_stream_beats_and_what_comes_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_stream, "HEARTBEAT_S", 0.05)

    async def story(here: Here) -> None:
        async with here.http.stream(
            "GET", "/v1/events", params={"after": here.size}, headers=SSE
        ) as answer:
            lines = answer.aiter_lines()
            seen = [await anext(lines) for _ in range(6)]
            assert seen == ["retry: 1000", "", ":", "", ":", ""]
            await here.write(1)
            while (line := await anext(lines)) in {":", ""}:
                pass
            assert line == "id: 2"

    run(tmp_path, story)


def test_one_too_many_is_told_so_and_gets_the_place_of_one_who_left(tmp_path: Path) -> None:
    async def story(here: Here) -> None:
        async with (
            here.http.stream("GET", "/v1/events", headers=SSE) as first,
            here.http.stream("GET", "/v1/events", headers=SSE) as second,
        ):
            assert (first.status_code, second.status_code) == (200, 200)
            third = await here.http.get("/v1/events", headers=SSE)
            assert (third.status_code, third.headers["retry-after"]) == (503, "1")
            assert third.json()["detail"].startswith("at most 2 follow this node at a time")
            assert (await here.http.get("/v1/events")).status_code == 200
        while here.followers.count:  # noqa: ASYNC110 - it notices that they went in its own time
            await asyncio.sleep(0.01)
        assert len(await follow(here, 0, 1)) == 1

    run(tmp_path, story, most=2)


@pytest.mark.parametrize(
    ("headers", "parameters", "status"),
    [
        ({"last-event-id": "9"}, {}, 404),
        ({}, {"after": "9"}, 404),
        ({"last-event-id": "-1"}, {}, 400),
        ({"last-event-id": "one"}, {"after": "0"}, 400),
        ({"last-event-id": "9" * 30}, {}, 400),
    ],
)
def test_a_position_that_is_none_is_refused(
    tmp_path: Path, headers: dict[str, str], parameters: dict[str, str], status: int
) -> None:
    async def story(here: Here) -> None:
        answer = await here.http.get("/v1/events", params=parameters, headers=SSE | headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert here.followers.count == 0

    run(tmp_path, story)


def test_whoever_takes_nothing_is_let_go_and_little_was_read_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is far longer than what the sockets hold; of the rest nothing is read."""
    monkeypatch.setattr(node_stream, "STALLED_S", 1.0)
    pages: list[int] = []
    read = node_stream._page

    def counted(*arguments: Any) -> tuple[bytes, int]:
        page, following = read(*arguments)
        pages.append(len(page))
        return page, following

    monkeypatch.setattr(node_stream, "_page", counted)

    async def story(here: Here) -> None:
        text = "long " * 1_200
        raws = [sign(here.chain.id, ANA, SetNote(at=f"n{n}", text=text), n) for n in range(1_500)]
        for begin in range(0, len(raws), 300):
            await asyncio.gather(*map(here.solo.submit, raws[begin : begin + 300]))
        port = int(here.http.base_url.port or 0)
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**10)
        writer.write(b"GET /v1/events HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n")
        await writer.drain()
        writer.transport.pause_reading()  # type: ignore[attr-defined] # a reading transport as well
        while not pages or here.followers.count:  # noqa: ASYNC110 - until it is let go
            await asyncio.sleep(0.05)
        assert max(pages) < 2 * node_stream.PAGE_BYTES
        total = sum(pages)
        pages.clear()
        await follow(here, 0, here.size)
        assert total < sum(pages)
        writer.transport.abort()

    run(tmp_path, story)


def test_what_is_not_here_yet_is_not_passed_over(without_past: Store) -> None:
    """A node that began from a snapshot tells of what followed, and says what is absent."""
    with without_past.snapshot() as committed:
        gap = committed.gap
        assert gap is not None
        for begin in (gap.next, gap.size - 1):
            with pytest.raises(HistoryAbsent):
                node_stream._page(committed, begin)
        page, following = node_stream._page(committed, gap.size)
    assert page.startswith(b"id: %d\n" % (gap.size + 1))
    assert gap.size < following <= without_past.latest.size


def test_a_node_that_stops_ends_the_streams_and_itself(tmp_path: Path) -> None:
    network = found_trial(tmp_path / "net", time=NOW)
    home = tmp_path / "net" / "node"
    with (
        NodeProcess(home) as node,
        httpx2.Client(base_url=network.node_url, timeout=20) as client,
        client.stream("GET", "/v1/events", headers=SSE) as answer,
    ):
        chunks = answer.iter_raw()
        assert next(chunks).startswith(b"retry")
        assert node.stop() == 0
        assert b"".join(chunks).startswith(b"id: 1\nevent: genesis")  # whole, not cut off
