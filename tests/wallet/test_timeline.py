"""Ana's one timeline: what is altered, lost or slipped in is marked, and nothing else is."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest
from msgspec.structs import replace as changed

from careledger.cli.clock import wall_clock
from careledger.mechanisms.messages import ReleasedRecord, SpoiltRecord
from careledger.wallet.errors import NoAccount
from careledger.wallet.own_ask import Heard, Piece, ask
from careledger.wallet.own_record import EVERYTHING
from careledger.wallet.post import Post
from careledger.wallet.shown import owner_of, shown
from careledger.wallet.timeline import Timeline, judged, read_timeline
from careledger.wallet.wallet import Wallet, open_wallet
from tests.cli.running import Network

T = TypeVar("T")
Lie = Callable[[tuple[Piece, ...]], tuple[Piece, ...]]


class Bad(httpx2.AsyncHTTPTransport):
    """The way to Riverside, which is long or leads astray; to others as ever."""

    def __init__(
        self, port: int, *, delay_s: float = 0, status: int = 0, junk: bool = False
    ) -> None:
        super().__init__()
        self._port, self._delay_s, self._status, self._junk = port, delay_s, status, junk

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.port != self._port:
            return await super().handle_async_request(request)
        await asyncio.sleep(self._delay_s)
        if self._status:
            return httpx2.Response(self._status)
        if self._junk:
            return httpx2.Response(200, content=b"junk")
        raise httpx2.ConnectError("nobody there")


def with_wallet(
    path: Path, work: Callable[[Wallet], Awaitable[T]], transport: Bad | None = None
) -> T:
    async def run() -> T:
        async with open_wallet(path, None, wall_clock) as wallet:
            if transport is not None:
                await wallet.post.close()
                wallet.post = Post(httpx2.AsyncClient(transport=transport))
            try:
                return await work(wallet)
            finally:
                await wallet.post.close()

    return asyncio.run(run())


def lied(ana: Path, lie: Lie) -> dict[str, tuple[str, str | None]]:
    """Mark and reason of every entry of Riverside's, if it lied like that."""

    async def work(wallet: Wallet) -> Timeline:
        heard = await ask(wallet, "riverside", EVERYTHING)
        return await judged(wallet, [replace(heard, pieces=lie(heard.pieces))])

    return {one.id: (one.mark, one.why) for one in with_wallet(ana, work).entries}


def opening_of(said: ReleasedRecord | SpoiltRecord) -> ReleasedRecord:
    assert isinstance(said, ReleasedRecord)
    return said


def test_everything_from_everyone_is_one_timeline(ana: Path) -> None:
    async def work(wallet: Wallet) -> tuple[Timeline, str, list[str]]:
        found = await read_timeline(wallet)
        return (
            found,
            owner_of(found.entries),
            [one.date for one in shown(found.entries, wallet.view)],
        )

    found, name, dates = with_wallet(ana, work)
    assert {one.custodian for one in found.entries} == {"riverside", "lakeview"}
    assert {one.mark for one in found.entries} == {"verified"}
    assert {one.id for one in found.entries} >= {"metformin", "hba1c", "pulse"}
    assert name == "Ana"
    assert dates == sorted(dates, reverse=True)
    assert all(one.as_of and one.trouble is None for one in found.sources)


@pytest.mark.parametrize(
    ("bad", "trouble"),
    [
        ({"delay_s": 30.0}, "timeout"),
        ({}, "unreachable"),
        ({"status": 500}, "unreachable"),
        ({"junk": True}, "not-verified"),
    ],
)
def test_who_is_away_or_talks_nonsense_costs_its_own_part(
    network: Network, ana: Path, bad: dict[str, float], trouble: str
) -> None:
    transport = Bad(network.port + 10, **bad)  # type: ignore[arg-type] # delay, status or junk
    found = with_wallet(ana, lambda wallet: read_timeline(wallet, within_s=1.0), transport)
    assert {one.member: one.trouble for one in found.sources} == {
        "riverside": trouble,
        "lakeview": None,
    }
    assert {one.custodian for one in found.entries} == {"lakeview"}


def test_one_altered_byte_marks_one_entry(ana: Path) -> None:
    def alter(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        return tuple(
            (said, data.replace(b"7.1", b"7.9") if b"7.1" in data else data)
            for said, data in pieces
        )

    marks = lied(ana, alter)
    assert marks.pop("hba1c") == ("tampered", "altered")
    assert set(marks.values()) == {("verified", None)}


def test_an_answer_that_the_ledger_does_not_speak_of_proves_nothing(ana: Path) -> None:
    assert set(lied(ana, lambda pieces: pieces[:-1]).values()) == {("unproven", "disclosure")}
    assert set(lied(ana, lambda pieces: pieces[::-1]).values()) == {("unproven", "disclosure")}


def test_a_commitment_that_nobody_made_proves_nothing(ana: Path) -> None:
    def elsewhere(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        return tuple(
            (changed(opening_of(said), transaction=bytes(32)), data) for said, data in pieces
        )

    marks = lied(ana, elsewhere)
    assert set(marks.values()) == {("unproven", "no-commitment")}


def test_a_loss_that_never_was_committed_to_proves_nothing(ana: Path) -> None:
    def invented(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        said = opening_of(pieces[0][0])
        opening = said.opening
        lost = SpoiltRecord(
            name=changed(opening.name, id="invented"),
            commitment=bytes(32),
            root=opening.root,
            size=opening.size,
            index=opening.index,
            path=opening.path,
            transaction=said.transaction,
            batch=said.batch,
        )
        return (*pieces, (lost, b""))

    assert lied(ana, invented)["invented"][0] == "unproven"


def test_nobody_and_nowhere(ana: Path) -> None:
    with pytest.raises(NoAccount, match="hilltop"):
        with_wallet(ana, lambda wallet: read_timeline(wallet, ["hilltop"]))


def test_what_is_heard_says_whose_it_is(ana: Path) -> None:
    heard: Heard = with_wallet(ana, lambda wallet: ask(wallet, "riverside", EVERYTHING))
    assert heard.custodian == "riverside"
