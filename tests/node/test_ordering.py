"""A node that orders with the engine it is told to: the embedded one, or a real CometBFT."""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from careledger.apps.governance.commands import SetEndpoint
from careledger.consensus.cometbft.home import BadEngineHome
from careledger.consensus.cometbft.pair import Pair
from careledger.consensus.cometbft.process import KeyInTwoHomes
from careledger.consensus.solo import SoloEngine
from careledger.ledger.transaction import call, sign_transaction
from careledger.node.card import CARD_FILE, load_card
from careledger.node.config import NodeConfig, load_node
from careledger.node.consortium import found_consortium, founder
from careledger.node.founding import Network
from careledger.node.serve import RunningNode, open_node, wall_clock
from careledger.vault.keyfile import load_signing_key, save_key
from tests.engine import engine_program
from tests.faults.node_process import free_port
from tests.ledger.world import claims

PATIENCE_S = 90


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """One member, whose vote is enough."""
    return found_consortium(
        tmp_path / "net",
        [founder("hospital")],
        name="alone",
        time=wall_clock(),
        first_port=free_port(10, 20),
    )


def configured(home: Path) -> NodeConfig:
    return msgspec.structs.replace(load_node(home), workers=0)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - another process has no event for it
            await asyncio.sleep(0.05)


async def move(network: Network, node: RunningNode, number: int) -> int:
    """The hospital says where its gateway answers; the height of the block that says so."""
    key = load_signing_key(network.home("hospital") / "keys" / "transaction.key")
    now = wall_clock()
    signed = claims(
        "hospital",
        number,
        subject="governance",
        audience=network.chain.hex(),
        not_before=now - 5,
        expires=now + 300,
    )
    command = SetEndpoint(gateway=f"http://127.0.0.1:{number}")
    raw = sign_transaction(key, signed, call("governance", command))
    ordered = await asyncio.wait_for(node.engine.submit(raw), PATIENCE_S)
    assert ordered.receipt.code == 0
    return ordered.height


def test_without_a_word_about_it_a_node_orders_alone(network: Network) -> None:
    async def story() -> None:
        config = msgspec.structs.replace(configured(network.node_home), engine="solo")
        async with open_node(network.node_home, config) as node:
            assert isinstance(node.engine, SoloEngine)
            assert node.services.engine_facts() == {"name": "solo"}
            assert await move(network, node, 9_001) == 1

    asyncio.run(story())


def test_a_node_and_its_engine_order_as_one_and_end_as_one(network: Network) -> None:
    engine_program()

    async def story() -> int:
        async with open_node(network.node_home, configured(network.node_home)) as node:
            pair = node.engine
            assert isinstance(pair, Pair)
            assert pair.trouble == "the engine is starting"
            before = await move(network, node, 9_001)
            await until(lambda: pair.trouble is None)
            assert pair.presence().total_power == 10
            assert pair.facts()["starts"] == 1
            os.kill(pair.process.pid or 0, signal.SIGKILL)
            await until(lambda: "killed by SIGKILL" in (pair.trouble or ""))
            assert await move(network, node, 9_002) > before
            await until(lambda: pair.trouble is None)
            assert pair.facts()["starts"] == 2
            return pair.process.pid or 0

    last = asyncio.run(story())
    assert not Path(f"/proc/{last}").exists()
    # What is started again goes on from there.
    height = asyncio.run(_height(network.node_home))
    assert height >= 2
    shutil.rmtree(network.node_home / "engine" / "data")
    with pytest.raises(BadEngineHome, match="has blocks and the engine has none"):
        asyncio.run(_height(network.node_home))


async def _height(home: Path) -> int:
    async with open_node(home, configured(home)) as node:
        return node.store.latest.height


def test_a_validator_s_key_in_two_homes_stops_one_of_the_nodes(network: Network) -> None:
    """An operator copied the home to another machine, and both run."""
    engine_program()
    first = network.node_home
    second = network.folder / "copy" / "node"
    shutil.copytree(network.home("hospital"), second.parent)
    (second / "keys" / "engine.key").unlink()
    save_key(second / "keys" / "engine.key", "EdDSA", bytes(range(32)))
    own = load_card(network.home("hospital") / CARD_FILE)
    elsewhere = msgspec.structs.replace(
        configured(second), engine_listen=f"127.0.0.1:{free_port()}", engine_peers=(own.peer,)
    )

    async def story() -> None:
        async with (
            open_node(first, configured(first)) as one,
            open_node(second, elsewhere) as two,
        ):
            halted = {one.engine.halted, two.engine.halted}
            done, _ = await asyncio.wait(
                halted, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED
            )
            [stopped, *_] = done
            with pytest.raises(KeyInTwoHomes, match="another home votes"):
                await stopped

    asyncio.run(story())
