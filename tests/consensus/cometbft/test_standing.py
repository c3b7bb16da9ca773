"""What a node says of its engine, by what the engine answers: a small RPC that a test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careledger.consensus.cometbft import standing as module
from careledger.consensus.cometbft.home import EngineHome
from careledger.consensus.cometbft.process import EngineProcess
from careledger.consensus.cometbft.standing import Standing
from tests.consensus.cometbft.test_process import (
    Alone,
    rpc,
    running,
    script,
    until,
    until_height,
)

PEER = f"{'ab' * 20}@127.0.0.1:20420"


class Rpc:
    """Answers as an engine would that is at `height`, and notes whom it is told to call."""

    def __init__(self) -> None:
        self.height, self.catching_up, self.broken = 7, False, False
        self.speed = 0
        """Blocks from one look to the next."""
        self.connected: list[str] = []
        self.called: list[object] = []

    async def answer(self, request: Request) -> Response:
        call = await request.json()
        if self.broken:
            return Response("no JSON")
        self.height += self.speed * (call["method"] == "status")
        results: dict[str, Any] = {
            "status": {
                "sync_info": {
                    "latest_block_height": str(self.height),
                    "catching_up": self.catching_up,
                }
            },
            "net_info": {"peers": [{"node_info": {"id": one}} for one in self.connected]},
            "dial_peers": {"log": "dialing"},
        }
        if call["method"] == "dial_peers":
            self.called.append(call["params"])
        return JSONResponse({"jsonrpc": "2.0", "id": 0, "result": results[call["method"]]})


@asynccontextmanager
async def watching(
    engine: Rpc, folder: Path
) -> AsyncIterator[tuple[Standing, Callable[[], Any], EngineProcess]]:
    """Its standing, how to let it make a block, and its process, which is never started."""
    app = Starlette(routes=[Route("/", engine.answer, methods=["POST"])])
    process = EngineProcess(folder / "nothing", EngineHome(folder), lambda: None)
    blocks = asyncio.Condition()

    async def block() -> None:
        async with blocks:
            blocks.notify_all()

    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://engine") as client:
        standing = Standing(process, client, (PEER,))
        standing.start(blocks)
        try:
            await until(lambda: standing.trouble != "the engine is starting")
            yield standing, block, process
        finally:
            await standing.close()


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_S", "LOOK_AGAIN_S", "CALL_AGAIN_S"):
        monkeypatch.setattr(module, name, 0.02)


def test_only_a_block_makes_it_well_and_only_for_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with watching(Rpc(), tmp_path) as (standing, block, _):
            await until(lambda: (standing.trouble or "").startswith("no block for 0 s"))
            await block()
            await until(lambda: standing.trouble is None)
            monkeypatch.setattr(module, "STALL_S", 0.05)
            await until(lambda: "connected to 0 of 1 other engines" in (standing.trouble or ""))

    asyncio.run(story())


def test_a_node_that_catches_up_is_not_well_whatever_blocks_it_makes(tmp_path: Path) -> None:
    async def story() -> None:
        engine = Rpc()
        engine.catching_up = True
        async with watching(engine, tmp_path) as (standing, block, _):
            await block()
            says = "catching up: blocks up to height 7 are here"
            await until(lambda: standing.trouble == says)
            engine.catching_up = False
            await until(lambda: standing.trouble is None)

    asyncio.run(story())


def test_an_engine_that_ended_is_not_well_until_it_makes_a_block(tmp_path: Path) -> None:
    async def story() -> None:
        async with watching(Rpc(), tmp_path) as (standing, block, process):
            await block()
            await until(lambda: standing.trouble is None)
            process.ended = "was killed by SIGKILL"
            assert standing.trouble == "the engine was killed by SIGKILL; it is started again"
            await block()
            await until(lambda: standing.trouble is None)

    asyncio.run(story())


def test_an_engine_that_answers_nonsense_is_not_taken_for_one(tmp_path: Path) -> None:
    async def story() -> None:
        engine = Rpc()
        async with watching(engine, tmp_path) as (standing, block, _):
            await block()
            await until(lambda: standing.trouble is None)
            engine.broken = True
            await until(lambda: standing.trouble == "the engine is starting")
            assert standing.peers == 0

    asyncio.run(story())


def test_peers_that_were_lost_are_called_again_and_others_left_alone(tmp_path: Path) -> None:
    async def story() -> None:
        engine = Rpc()
        async with watching(engine, tmp_path) as (standing, _, _):
            await until(lambda: engine.called)
            assert engine.called[0] == {"peers": [PEER], "persistent": True}
            engine.connected = [PEER.partition("@")[0]]
            await until(lambda: standing.peers == 1)
            told = len(engine.called)
            await asyncio.sleep(0.2)
            assert len(engine.called) == told

    asyncio.run(story())


@asynccontextmanager
async def catching_up(
    engine: Rpc, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EngineProcess]:
    """A process that only sleeps, watched by what `engine` answers for it."""
    monkeypatch.setattr(module, "STUCK_S", 0.2)
    engine.catching_up, engine.connected = True, [PEER.partition("@")[0]]
    app = Starlette(routes=[Route("/", engine.answer, methods=["POST"])])
    transport = httpx2.ASGITransport(app)
    async with (
        httpx2.AsyncClient(transport=transport, base_url="http://engine") as client,
        running(Alone(folder / "home"), script(folder / "cometbft", "time.sleep(60)")) as process,
    ):
        standing = Standing(process, client, (PEER,))
        await until(lambda: process.pid)
        standing.start(asyncio.Condition())
        try:
            yield process
        finally:
            await standing.close()


def test_an_engine_that_stands_still_while_it_catches_up_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with catching_up(Rpc(), tmp_path, monkeypatch) as process:
            await until(lambda: process.starts >= 2)
            assert "catching up stood still at height 7" in str(process.ended)

    asyncio.run(story())


@pytest.mark.parametrize("why", ["it fetches", "a snapshot first", "nobody to ask"])
def test_an_engine_that_has_a_reason_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    async def story() -> None:
        engine = Rpc()
        async with catching_up(engine, tmp_path, monkeypatch) as process:
            engine.height = 0 if why == "a snapshot first" else 7
            engine.connected = [] if why == "nobody to ask" else engine.connected
            engine.speed = int(why == "it fetches")
            await asyncio.sleep(1)
            assert (process.starts, process.ended) == (1, None)

    asyncio.run(story())


def test_a_real_engine_calls_whom_it_is_told_to(tmp_path: Path) -> None:
    """Neither engine's configuration names the other."""
    one, two = Alone(tmp_path / "one"), Alone(tmp_path / "two", "clinic")
    two.validators = one.validators = [one.consensus]

    async def story() -> None:
        async with running(one) as process, running(two), rpc(one) as client:
            await until_height(one, 1)
            standing = Standing(process, client, (two.address,))
            standing.start(asyncio.Condition())
            try:
                await until(lambda: standing.peers == 1)
            finally:
                await standing.close()

    asyncio.run(story())
