"""Signatures are checked once, whichever of the engine's connections brings them, and however."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from careledger.consensus.checking import Checker, Found
from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.ahead import FEW, Ahead
from careledger.consensus.verified import VerifiedOnce
from careledger.ledger.errors import Unavailable
from tests.consensus.cometbft.world import open_chain
from tests.consensus.world import sign
from tests.ledger.world import ANA, NOW, RIVERSIDE, SetNote


class Counting(Checker):
    """Counts what it checks, and lets others go on meanwhile."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type] # as it is called
        self.checked: list[bytes] = []
        self.fails = 0

    async def check(self, raws: Sequence[bytes], time: int, clock: int = 0) -> list[Found]:
        self.checked += raws
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            raise Unavailable("the store does not answer")
        return await super().check(raws, time, clock)


def test_two_connections_that_bring_the_same_wait_for_one_check(tmp_path: Path) -> None:
    with open_chain(tmp_path / "chain", {RIVERSIDE: 10}) as chain:
        raws = [sign(chain.id, ANA, SetNote(at="x", text="y"), n) for n in range(3 * FEW)]
        forged = bytearray(raws.pop())
        forged[-1] ^= 1
        brought = [*raws, bytes(forged)]
        checker, verified = Counting(chain, None), VerifiedOnce()
        ahead = Ahead(chain, checker, verified, lambda: NOW)
        checks = [m.RequestCheckTx(tx=raw) for raw in brought[FEW:]]
        proposal = m.RequestProcessProposal(txs=tuple(brought), time=m.Timestamp(seconds=NOW))

        async def bring(*requests: m.RequestCheckTx | m.RequestProcessProposal) -> int:
            async with ahead.checked(requests) as found:
                await asyncio.sleep(0)
                for one in found:
                    verified.add(one)
            return len(found)

        async def play() -> None:
            first, second = await asyncio.gather(bring(*checks), bring(proposal))
            assert (first, second) == (len(raws) - FEW, len(raws))
            assert sorted(checker.checked) == sorted(brought)
            assert await bring(proposal) == 0  # the forged one is left to the application

        asyncio.run(play())
        assert verified.missing(brought) == [bytes(forged)]


def test_a_check_that_failed_is_made_again(tmp_path: Path) -> None:
    with open_chain(tmp_path / "chain", {RIVERSIDE: 10}) as chain:
        raws = [sign(chain.id, ANA, SetNote(at="x", text="y"), n) for n in range(FEW + 1)]
        checker = Counting(chain, None)
        checker.fails = 1
        ahead = Ahead(chain, checker, VerifiedOnce(), lambda: NOW)
        requests = [m.RequestCheckTx(tx=raw) for raw in raws]

        async def play() -> None:
            with pytest.raises(Unavailable):
                async with ahead.checked(requests):
                    pass
            async with ahead.checked(requests) as found:
                assert [one.raw for one in found] == raws

        asyncio.run(play())


def test_a_few_are_left_to_the_application(tmp_path: Path) -> None:
    with open_chain(tmp_path / "chain", {RIVERSIDE: 10}) as chain:
        raws = [sign(chain.id, ANA, SetNote(at="x", text="y"), n) for n in range(FEW)]
        checker = Counting(chain, None)
        ahead = Ahead(chain, checker, VerifiedOnce(), lambda: NOW)

        async def play() -> None:
            async with ahead.checked([m.RequestCheckTx(tx=raw) for raw in raws]) as found:
                assert not found

        asyncio.run(play())
        assert not checker.checked
