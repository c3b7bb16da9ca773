"""A member serves snapshots that lie, over the engine's own connections, to one that lost its disk.

First nobody else can be reached, so that whatever the newcomer takes comes from the liar; then the
others can.
"""

from pathlib import Path

import httpx2
from msgspec.structs import replace

from careledger.node.config import NODE_FILE, format_toml, load_node
from careledger.store.reader import StoreReader
from tests.cli.running import careledger, done
from tests.engine import engine_program
from tests.faults.byzantine import Byzantine
from tests.faults.validators import Validator, Validators, until

LIAR, LOST = 2, 3
HONEST = (0, 1)


def _keep_snapshots(network: Validators) -> None:
    for node in network.nodes:
        config = replace(load_node(node.home), snapshot_every=3, engine_silent_blocks=3)
        (node.home / NODE_FILE).write_text(format_toml(config))


def _write(network: Validators, first: int) -> None:
    """Blocks in which something happens: a member says where its gateway answers."""
    for number in range(first, first + 6):
        done(
            *("governance", "set-endpoint", "--gateway", f"http://127.0.0.1:{number}"),
            *("--home", network.nodes[0].home.parent),
        )


def _snapshots(node: Validator) -> list[int]:
    found = httpx2.get(f"{node.url}/v1/snapshots", timeout=30).json()["snapshots"]
    return [one["height"] for one in found]


def _said(node: Validator) -> str:
    return (node.home / "output.log").read_text()


def _height(node: Validator) -> int:
    with StoreReader(node.ledger) as reader, reader.snapshot() as committed:
        return committed.latest().height


def test_n1_a_lying_snapshot_is_refused_and_an_honest_one_is_taken(tmp_path: Path) -> None:
    engine_program()
    network = Validators(tmp_path / "network")
    _keep_snapshots(network)
    with network:
        lost, liar = network.nodes[LOST], network.nodes[LIAR]
        assert liar.stop() == 0
        network.hand_over(Byzantine(liar.home, liar.url, "misleader"))
        network.until_well()
        assert lost.stop() == 0
        lost.lose_disk()
        _write(network, 9_000)
        others = [node for node in network.nodes if node is not lost]
        until(lambda: all(len(_snapshots(node)) > 1 for node in others), "no two snapshots")

        trust = network.network.trust_file
        until(
            lambda: careledger("node", "join", lost.home, "--trust", trust).exit_code == 0,
            "nobody shows a snapshot to join from",
        )
        network.relays.part([LOST], HONEST)
        lost.start()
        until(lambda: "than was offered" in _said(lost), "the invented one was not offered")
        until(lambda: "a peer gives another chunk 0 than was named" in _said(lost), "no lie")
        assert _height(lost) == 0, "nothing of it became the ledger"
        network.relays.heal()
        network.until_well()
        until(lambda: "history" not in lost.health(), "its past is not all here")
        until(
            lambda: len({node.health().get("app_hash") for node in network.nodes}) == 1,
            "not one history",
        )
        assert "nothing of the past is missing any more" in _said(lost), "it began with block one"
        for node in network.nodes:
            assert node.stop() == 0
        said = careledger("fsck", lost.home)
        assert said.exit_code == 0, said.output
