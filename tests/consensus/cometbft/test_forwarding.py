"""What a node was sent, on its way: the engine here is a script that says what it likes."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from careledger.consensus.chain import Chain
from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.engine import CometEngine
from careledger.consensus.cometbft.envelope import frame, open_response, split_frames
from careledger.consensus.cometbft.protobuf import Message
from careledger.ledger.transaction import Expired
from tests.consensus.cometbft.world import open_chain
from tests.consensus.world import sign
from tests.ledger.world import ANA, NOW, RIVERSIDE, Protect, SetNote

FULL = "mempool is full: number of txs 5 (max: 5), total txs bytes 9 (max: 1073741824)"


class Script:
    """Takes what the node hands it, or not, and calls the application as it is told."""

    def __init__(self, chain: Chain, path: Path) -> None:
        self.chain, self._path = chain, path
        self.handed: list[bytes] = []
        self.answers = True
        self.full = False
        self.arrived = asyncio.Event()

    def rpc(self, request: httpx2.Request) -> httpx2.Response:
        if not self.answers:
            raise httpx2.ConnectError("nobody there")
        calls: list[dict[str, Any]] = json.loads(request.content)
        if self.full:
            error = {"code": -32603, "message": "Internal error", "data": FULL}
            return httpx2.Response(200, json=[{"id": one["id"], "error": error} for one in calls])
        self.handed += [base64.b64decode(one["params"]["tx"]) for one in calls]
        self.arrived.set()
        return httpx2.Response(200, json=[{"id": one["id"], "result": {}} for one in calls])

    async def until_handed(self, count: int) -> None:
        while len(self.handed) < count:
            self.arrived.clear()
            await self.arrived.wait()

    async def call(self, *requests: Message) -> list[Message]:
        """On a connection of their own, as if the engine had begun anew."""
        reader, writer = await asyncio.open_unix_connection(str(self._path))
        writer.writelines(map(frame, requests))
        writer.write_eof()
        found = [
            open_response(one) for one in split_frames(bytearray(await reader.read()), 1 << 20)
        ]
        writer.close()
        await writer.wait_closed()
        return found

    async def block(self, *raws: bytes, time: int = NOW) -> None:
        height = self.chain.store.latest.height + 1
        decided = m.RequestFinalizeBlock(txs=raws, height=height, time=m.Timestamp(seconds=time))
        await self.call(decided, m.RequestCommit())


Story = Callable[[CometEngine, Script], Awaitable[None]]


@asynccontextmanager
async def scripted(folder: Path, clock: int) -> AsyncIterator[tuple[CometEngine, Script]]:
    with open_chain(folder / "chain", {RIVERSIDE: 10}) as chain:
        script = Script(chain, folder / "s")
        transport = httpx2.MockTransport(script.rpc)
        async with httpx2.AsyncClient(transport=transport, base_url="http://engine") as rpc:
            engine = CometEngine(chain, clock=lambda: clock, socket=folder / "s", rpc=rpc)
            await engine.start()
            try:
                yield engine, script
            finally:
                await engine.close()


def play(folder: Path, story: Story, clock: int = NOW) -> None:
    async def run() -> None:
        async with scripted(folder, clock) as (engine, script):
            await story(engine, script)

    asyncio.run(asyncio.wait_for(run(), 60))


def note(script: Script, number: int, **changed: Any) -> bytes:
    return sign(script.chain.id, ANA, SetNote(at=f"n{number}", text="x"), number, **changed)


def test_it_is_answered_by_the_block_that_holds_it(tmp_path: Path) -> None:
    async def story(engine: CometEngine, script: Script) -> None:
        raw = note(script, 1)
        answers = [engine.enqueue(raw) for _ in range(3)]
        await script.until_handed(1)
        await script.block(note(script, 2))
        assert not any(answer.done() for answer in answers)
        await script.block(raw)
        found = await asyncio.gather(*answers)
        assert {(one.height, one.index) for one in found} == {(2, 3)}
        assert await engine.submit(raw) == found[0]
        assert script.handed == [raw]
        assert engine.load().transactions == 0

    play(tmp_path, story)


@pytest.mark.parametrize("error", [-3_600, 3_600])
def test_a_clock_that_is_an_hour_wrong_keeps_nobody_out(tmp_path: Path, error: int) -> None:
    async def story(engine: CometEngine, script: Script) -> None:
        raws = [note(script, number, expires=NOW + 60) for number in range(10)]
        answers = [engine.enqueue(raw) for raw in raws]
        await script.until_handed(10)
        await script.block(*raws)
        assert all(one.receipt.code == 0 for one in await asyncio.gather(*answers))

    play(tmp_path, story, clock=NOW + error)


def test_it_is_told_that_its_time_is_over(tmp_path: Path) -> None:
    async def story(engine: CometEngine, script: Script) -> None:
        answer = engine.enqueue(note(script, 1, expires=NOW + 5))
        await script.until_handed(1)
        await script.block(time=NOW + 5)
        assert not answer.done()
        await script.block(time=NOW + 6)
        with pytest.raises(Expired):
            await answer
        assert len(engine.application.pool) == 0

    play(tmp_path, story)


def test_an_engine_that_begins_anew_is_told_everything_that_is_not_ordered(tmp_path: Path) -> None:
    async def story(engine: CometEngine, script: Script) -> None:
        script.answers = False
        first = engine.enqueue(note(script, 1))
        second = engine.enqueue(note(script, 2))
        await asyncio.sleep(0.1)
        script.answers = True
        await script.until_handed(2)
        script.handed.clear()
        await script.call(m.RequestFlush())  # a connection: the engine has begun
        await script.until_handed(2)
        assert not first.done()
        assert not second.done()

    play(tmp_path, story)


def test_what_the_engine_has_no_room_for_is_proposed_all_the_same(tmp_path: Path) -> None:
    async def story(engine: CometEngine, script: Script) -> None:
        script.full = True
        answer = engine.enqueue(note(script, 1))
        revoked = engine.enqueue(sign(script.chain.id, ANA, Protect(), 2))
        while len(engine.application.pool) < 2:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
        request = m.RequestPrepareProposal(
            height=1, time=m.Timestamp(seconds=NOW), max_tx_bytes=1 << 20
        )
        [proposed] = await script.call(request)
        assert isinstance(proposed, m.ResponsePrepareProposal)
        assert proposed.txs == (sign(script.chain.id, ANA, Protect(), 2), note(script, 1))
        await script.block(*proposed.txs)
        assert (await revoked).receipt.code == (await answer).receipt.code == 0
        assert script.handed == []

    play(tmp_path, story)


def test_what_protects_is_handed_on_first(tmp_path: Path) -> None:
    async def story(engine: CometEngine, script: Script) -> None:
        script.answers = False
        for number in range(20):
            engine.enqueue(note(script, number))
        engine.enqueue(sign(script.chain.id, ANA, Protect(), 99))
        while len(engine.application.pool) < 21:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
        script.answers = True
        await script.until_handed(21)
        assert script.handed[0] == sign(script.chain.id, ANA, Protect(), 99)

    play(tmp_path, story)
