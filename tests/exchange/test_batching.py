"""Batches: the first at once, then of what came meanwhile, and at once for whoever waits."""

import asyncio
from pathlib import Path

from careledger.apps.records.queries import stream
from careledger.exchange.batching import REST_S
from careledger.ledger.state import View
from tests.exchange.world import RIVERSIDE, World, bundle, observation, tell


def batches(world: World) -> int:
    with world.view() as committed:
        return stream(View(committed), RIVERSIDE, "records").batches


async def until_batched(world: World) -> None:
    while world.riverside.organisation.vault.unbatched():  # noqa: ASYNC110 - a poll
        await asyncio.sleep(0.001)


def test_what_comes_one_after_another_shares_batches(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        loop, before = asyncio.get_running_loop(), batches(world)
        begun = loop.time()
        for number in range(20):
            await world.riverside.ingestion.bundle(bundle(observation(f"o{number}")))
        await until_batched(world)
        most = 1 + (loop.time() - begun) / REST_S
        assert 1 <= batches(world) - before <= most + 1

    tell(tmp_path, story)


def test_what_comes_after_a_pause_is_committed_at_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        loop, took = asyncio.get_running_loop(), list[float]()
        for number in range(5):
            await asyncio.sleep(1.5 * REST_S)
            await world.riverside.ingestion.bundle(bundle(observation(f"o{number}")))
            begun = loop.time()
            await until_batched(world)
            took.append(loop.time() - begun)
        assert min(took) < REST_S

    tell(tmp_path, story)


def test_whoever_waits_until_all_is_settled_waits_for_no_rest(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        loop, took = asyncio.get_running_loop(), list[float]()
        for number in range(5):
            await world.riverside.ingestion.bundle(bundle(observation(f"o{number}")))
            begun = loop.time()
            await world.riverside.ingestion.settled()
            took.append(loop.time() - begun)
            assert world.riverside.organisation.vault.unbatched() == []
        assert min(took) < REST_S

    tell(tmp_path, story)
