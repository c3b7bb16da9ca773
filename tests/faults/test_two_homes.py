"""A validator's key in two homes, among four members: the copy does not start, or one home stops.

An operator copied a member's home to another machine. Whatever comes of it, the network goes on,
on one history.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from careledger.store.reader import StoreReader
from tests.cli.running import careledger
from tests.engine import engine_program
from tests.faults.byzantine import copy_of, twins
from tests.faults.node_process import free_port
from tests.faults.validators import Validators, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")

TOLD = "another home votes with this validator's key"


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Validators]:
    engine_program()
    with Validators(tmp_path / "network") as made:
        yield made


def one_history(ledgers: list[Path]) -> bool:
    """Whether all have the same app hash at every height that the shortest has."""
    found: list[list[bytes]] = []
    for ledger in ledgers:
        with StoreReader(ledger) as reader, reader.snapshot() as committed:
            headers = [committed.header(n) for n in range(committed.latest().height + 1)]
            found.append([header.app_hash for header in headers if header is not None])
    shortest = min(map(len, found))
    return shortest > 1 and all(one[:shortest] == found[0][:shortest] for one in found)


def test_n1_a_copied_home_does_not_start_beside_the_one_that_runs(
    network: Validators, tmp_path: Path
) -> None:
    node = network.nodes[-1]
    assert node.stop() == 0
    copy = copy_of(node, tmp_path / "copy", free_port(1))
    node.start()
    network.until_well()
    for _ in range(2):
        network.until_progress()

    said = careledger("node", "run", copy)
    assert said.exit_code == 1, said.output
    assert TOLD in said.output
    assert "find the other one and stop it" in said.output
    assert "once the key was silent for 10 blocks" in said.output

    network.until_progress()
    network.until_well()
    with network.stopped() as ledgers:
        assert one_history(ledgers)


@pytest.mark.soak
def test_n1_a_home_stops_when_a_copy_of_it_votes_otherwise(
    network: Validators, tmp_path: Path
) -> None:
    """The copy is run by a program that does not ask, and votes for no block."""
    node, others = network.nodes[-1], network.nodes[:-1]
    with twins(network, tmp_path / "copy"):
        node.start()
        until(lambda: not node.is_running, "it goes on beside its twin")
    assert node.stop() == 1
    assert TOLD in (node.home / "output.log").read_text()
    network.until_progress(without=[node])
    # The copy is off for good, so the home may go on.
    node.start()
    network.until_well()
    network.until_progress(without=others[:1])
    with network.stopped() as ledgers:
        assert one_history(ledgers)
