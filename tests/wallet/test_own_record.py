"""What Ana reads herself is what was committed to, or she does not see it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from careledger.cli.clock import wall_clock
from careledger.ledger.errors import ProofError, Unavailable
from careledger.mechanisms.messages import Query
from careledger.wallet.errors import NoAccount
from careledger.wallet.own_record import OwnRecord, read
from careledger.wallet.post import Post
from careledger.wallet.wallet import Wallet, open_wallet
from tests.cli.running import Network


class Meddler(httpx2.AsyncHTTPTransport):
    """The way to a gateway, on which answers are changed."""

    def __init__(self, meddle: Callable[[bytes], bytes], status: int = 200) -> None:
        super().__init__()
        self._meddle, self._status = meddle, status

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await super().handle_async_request(request)
        data = await answer.aread()
        await answer.aclose()
        return httpx2.Response(self._status, content=self._meddle(data))


def with_wallet(
    ana: Path, work: Callable[[Wallet], Awaitable[OwnRecord]], transport: Meddler | None = None
) -> OwnRecord:
    async def run() -> OwnRecord:
        async with open_wallet(ana, None, wall_clock) as wallet:
            if transport is not None:
                await wallet.post.close()
                wallet.post = Post(httpx2.AsyncClient(transport=transport))
            try:
                return await work(wallet)
            finally:
                await wallet.post.close()

    return asyncio.run(run())


def test_everything_comes_with_its_proof(ana: Path) -> None:
    record = with_wallet(ana, lambda wallet: read(wallet, "riverside"))
    assert {one.opening.name.id for one in record.resources} >= {"metformin", "hba1c", "pulse"}
    assert {one.transaction for one in record.resources} == set(record.proofs)
    assert "do not infer" in record.notice


def test_one_resource(ana: Path) -> None:
    query = Query(type="Observation", id="hba1c")
    record = with_wallet(ana, lambda wallet: read(wallet, "riverside", query))
    [one] = record.resources
    assert b'"value": 7.1' in one.data


@pytest.mark.parametrize(
    "meddle",
    [
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data * 2,
    ],
)
def test_an_answer_that_was_touched(ana: Path, meddle: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ProofError, match="not one to this request"):
        with_wallet(ana, lambda wallet: read(wallet, "riverside"), Meddler(meddle))


def test_a_gateway_in_trouble(ana: Path) -> None:
    transport = Meddler(lambda data: data, status=503)
    with pytest.raises(Unavailable, match="503"):
        with_wallet(ana, lambda wallet: read(wallet, "riverside"), transport)


def test_nobody_and_nowhere(network: Network, ana: Path) -> None:
    with pytest.raises(NoAccount, match="hilltop"):
        with_wallet(ana, lambda wallet: read(wallet, "hilltop"))
