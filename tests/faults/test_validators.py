"""Four validators that are broken one after the other, while people go on using them.

Whatever is done to them: what was acknowledged is in every node's history once and at one place,
in an order that does not contradict time; nothing is disclosed after its revocation was
acknowledged; blocks are made whenever three of four reach each other, and none when two do.
"""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine import engine_program
from tests.faults.people import People
from tests.faults.story import check_story, people_in
from tests.faults.validators import Validator, Validators, until
from tests.faults.wrong_clock import AHEAD_S, shifted_engine

PATIENTS = 4

Fault = Callable[[Validators, random.Random], None]


def _one(network: Validators, chance: random.Random) -> Validator:
    return chance.choice(network.nodes)


def killed(network: Validators, chance: random.Random) -> None:
    node = _one(network, chance)
    node.kill()
    network.until_progress(without=[node])
    node.start()


def engine_killed(network: Validators, chance: random.Random) -> None:
    node = _one(network, chance)
    node.kill_engine()
    network.until_progress()


def paused(network: Validators, chance: random.Random) -> None:
    node = _one(network, chance)
    node.pause()
    try:
        network.until_progress(without=[node])
    finally:
        node.resume()


def cut_off(network: Validators, chance: random.Random) -> None:
    alone = chance.randrange(len(network.nodes))
    network.relays.cut(set(range(len(network.nodes))) - {alone})
    try:
        network.until_progress(without=[network.nodes[alone]])
        until(lambda: not network.nodes[alone].is_well, "a node that is alone says it is well")
    finally:
        network.relays.heal()


def halved(network: Validators, chance: random.Random) -> None:
    """Nothing is made by two of four, and every node says so."""
    numbers = list(range(len(network.nodes)))
    chance.shuffle(numbers)
    network.relays.cut(numbers[:2], numbers[2:])
    try:
        until(
            lambda: not any(node.is_well for node in network.nodes),
            "a node without a quorum says it is well",
        )
        before = [node.height for node in network.nodes]
        time.sleep(3)
        assert [node.height for node in network.nodes] == before, "two of four made a block"
    finally:
        network.relays.heal()


def disk_lost(network: Validators, chance: random.Random) -> None:
    node = _one(network, chance)
    node.kill()
    node.lose_disk()
    network.until_progress(without=[node])
    node.start()


def disk_full(network: Validators, chance: random.Random) -> None:
    node = _one(network, chance)
    node.fill_disk(chance.randrange(200_000))
    try:
        network.until_progress(without=[node])
        until(lambda: not node.is_well, "a node whose disk is full says it is well")
    finally:
        node.free_disk()


def restarted_in_turn(network: Validators, chance: random.Random) -> None:
    """As for an upgrade."""
    for node in chance.sample(network.nodes, len(network.nodes)):
        assert node.stop() == 0
        node.start()
        network.until_well()


def clock_moved(engine: Path) -> Fault:
    """An hour ahead, node and engine; the network's time is that of the others."""

    def moved(network: Validators, chance: random.Random) -> None:
        node = _one(network, chance)
        assert node.stop() == 0
        node.start_with_wrong_clock(engine)
        try:
            network.until_well()
            network.until_progress()
            other = next(one for one in network.nodes if one is not node)
            age = other.health()["block_age_s"]
            assert isinstance(age, int)
            assert age < AHEAD_S / 2, "the network's time follows one wrong clock"
        finally:
            assert node.stop() == 0
            node.set_clock_right()
            node.start()

    return moved


FAULTS: tuple[Fault, ...] = (
    killed,
    engine_killed,
    paused,
    cut_off,
    halved,
    disk_lost,
    disk_full,
    restarted_in_turn,
)
SLICE: tuple[Fault, ...] = (halved, killed, engine_killed)


def _survive(network: Validators, faults: Iterator[Fault], chance: random.Random) -> People:
    with people_in(network, random.Random(chance.random())) as people:
        for fault in faults:
            begun = time.monotonic()
            print(f"{fault.__name__} ...", end="", flush=True)
            fault(network, chance)
            network.until_well()
            network.until_progress()
            print(f" {time.monotonic() - begun:.0f} s", flush=True)
    network.until_well()
    return people


def _run(folder: Path, chance: random.Random, faults: Iterator[Fault]) -> None:
    engine_program()
    with Validators(folder) as network:
        people = _survive(network, faults, chance)
        with network.stopped() as ledgers:
            check_story(people, ledgers)


def test_four_validators_survive_what_is_done_to_them(
    tmp_path: Path, chance: random.Random
) -> None:
    _run(tmp_path / "network", chance, iter(chance.sample(SLICE, len(SLICE))))


@pytest.mark.soak
def test_four_validators_survive_for_long(
    tmp_path: Path, chance: random.Random, soak_seconds: float
) -> None:
    (tmp_path / "engine").mkdir()
    faults = (*FAULTS, clock_moved(shifted_engine(tmp_path / "engine")))

    def drawn() -> Iterator[Fault]:
        """Each in turn, then any."""
        yield from chance.sample(faults, len(faults))
        end = time.monotonic() + soak_seconds
        while time.monotonic() < end:
            yield chance.choice(faults)

    _run(tmp_path / "network", chance, drawn())
