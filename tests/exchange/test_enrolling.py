"""Patients who come with their records get one account each, however many bring them at once."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from careledger.consensus.intake import Ordered
from careledger.exchange.enrolling import AT_ONCE, Enroller
from careledger.exchange.organisation import Ledger
from careledger.ledger.errors import Unavailable
from careledger.ledger.transaction import parse_transaction
from tests.exchange.world import World, bundle, observation, patient, tell


class Watched:
    """The ledger, and how many patients each transaction enrolled; it may be out of reach."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.enrolled: list[int] = []
        self.is_there = True

    async def submit(self, raw: bytes) -> Ordered:
        if not self.is_there:
            await asyncio.sleep(0.01)
            raise Unavailable("the node")
        calls = parse_transaction(raw).calls
        self.enrolled.append(sum(one.application == "identity" for one in calls))
        return await self._ledger.submit(raw)


def watched(world: World) -> tuple[Enroller, Watched]:
    organisation = world.riverside.organisation
    ledger = Watched(organisation.ledger)
    return Enroller(replace(organisation, ledger=ledger)), ledger


def test_who_comes_meanwhile_goes_with_the_next_transaction(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        enroller, ledger = watched(world)
        people = [f"p{number}" for number in range(AT_ONCE + 7)]
        await asyncio.gather(*(enroller.enrol([one]) for one in people))
        vault = world.riverside.organisation.vault
        assert all(vault.patient(one) is not None for one in people)
        assert sum(ledger.enrolled) == len(people)
        assert len(ledger.enrolled) <= 3
        assert max(ledger.enrolled) <= AT_ONCE

    tell(tmp_path, story)


def test_whoever_is_brought_twice_has_one_account(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        enroller, ledger = watched(world)
        asked = [["a", "b"], ["b", "a", "b"], ["b", "c"], ["c"]]
        await asyncio.gather(*map(enroller.enrol, asked))
        await enroller.enrol(["c", "a"])
        assert sum(ledger.enrolled) == 3
        known = Counter(local for local, _ in world.riverside.organisation.vault.patients())
        assert [known[local] for local in "abc"] == [1, 1, 1]

    tell(tmp_path, story)


def test_without_the_ledger_each_is_told_and_may_ask_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        enroller, ledger = watched(world)
        ledger.is_there = False
        asked = (enroller.enrol([one]) for one in "abc")
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in told] == [Unavailable] * 3
        vault = world.riverside.organisation.vault
        assert vault.patient("a") is None
        ledger.is_there = True
        await asyncio.gather(*(enroller.enrol([one]) for one in "abc"))
        assert vault.patient("a") is not None

    tell(tmp_path, story)


def test_whoever_stops_waiting_stops_nobody_else(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        enroller, ledger = watched(world)
        first = asyncio.create_task(enroller.enrol(["a"]))
        second = asyncio.create_task(enroller.enrol(["a", "b"]))
        await asyncio.sleep(0)
        first.cancel()
        await second
        with pytest.raises(asyncio.CancelledError):
            await first
        assert sum(ledger.enrolled) == 2

    tell(tmp_path, story)


def test_bundles_that_come_together_enrol_their_patients_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ingestion = world.riverside.ingestion
        some = [
            bundle(patient("x", "Okonkwo"), observation(f"of-x-{number}", "x"))
            for number in range(4)
        ]
        done = await asyncio.gather(*map(ingestion.bundle, some))
        assert [[one.status for one in each] for each in done] == [[201, 201], *[[200, 201]] * 3]
        known = Counter(local for local, _ in world.riverside.organisation.vault.patients())
        assert known["x"] == 1

    tell(tmp_path, story)
