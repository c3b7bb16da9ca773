"""What the engine's mempool says, in CometBFT's own words, and what we make of it."""

import asyncio
import base64
import json
from typing import Any

import httpx2
import pytest

from careledger.consensus.cometbft.mempool import BATCH, BATCH_BYTES, EngineMempool, Handed
from careledger.ledger.errors import Unavailable

FULL = "mempool is full: number of txs 5 (max: 5), total txs bytes 9 (max: 1073741824)"
RECHECKING = "mempool is still rechecking after a new committed block, so it is considered as full"


def hand(raws: list[bytes], errors: dict[bytes, str]) -> tuple[list[Handed], list[int]]:
    """What becomes of `raws`, and how many were in each call."""
    sizes: list[int] = []

    def engine(request: httpx2.Request) -> httpx2.Response:
        calls: list[dict[str, Any]] = json.loads(request.content)
        sizes.append(len(calls))
        answers = []
        for one in reversed(calls):
            assert one["method"] == "broadcast_tx_async"
            error = errors.get(base64.b64decode(one["params"]["tx"]))
            told = (
                {"result": {"code": 0}}
                if error is None
                else {"error": {"code": -32603, "message": "Internal error", "data": error}}
            )
            answers.append({"jsonrpc": "2.0", "id": one["id"], **told})
        return httpx2.Response(200, json=answers if len(answers) > 1 else answers[0])

    async def run() -> list[Handed]:
        transport = httpx2.MockTransport(engine)
        async with httpx2.AsyncClient(transport=transport, base_url="http://engine") as client:
            return await EngineMempool(client).hand(raws)

    return asyncio.run(run()), sizes


def test_each_has_its_own_outcome() -> None:
    errors = {
        b"b": FULL,
        b"c": RECHECKING,
        b"d": "tx already exists in cache",
        b"e": "Tx too large. Max size is 1, but got 2",
    }
    found, _ = hand([b"a", b"b", b"c", b"d", b"e"], errors)
    assert found == [Handed.TAKEN, Handed.FULL, Handed.FULL, Handed.TAKEN, Handed.REFUSED]
    assert hand([b"b"], errors)[0] == [Handed.FULL]


def test_calls_are_bounded_in_number_and_size() -> None:
    many = [b"%d" % number for number in range(BATCH + 1)]
    assert hand(many, {})[1] == [BATCH, 1]
    half = BATCH_BYTES // 2
    large = [bytes([number]) + bytes(half) for number in range(3)]
    assert hand(large, {})[1] == [1, 1, 1]
    assert hand([], {}) == ([], [])


def test_an_engine_that_does_not_answer_is_unavailable() -> None:
    def refuses(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    def babbles(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=b"<html>")

    def forgets(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=[])

    async def run(engine: Any) -> None:
        transport = httpx2.MockTransport(engine)
        async with httpx2.AsyncClient(transport=transport, base_url="http://engine") as client:
            await EngineMempool(client).hand([b"a"])

    for engine in (refuses, babbles, forgets):
        with pytest.raises(Unavailable):
            asyncio.run(run(engine))
