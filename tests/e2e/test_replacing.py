"""A member that lost its disk is back with the same state: by command line and HTTP, real engines.

Its node is stopped, its ledger and its engine's data are gone; keys and configuration remain.
"""

import shutil
import signal
import sys
from collections.abc import Iterator

import httpx2
import msgspec
import pytest

from careledger.node.config import NODE_FILE, format_toml, load_node
from tests.cli.running import careledger, done
from tests.e2e.test_validators import move
from tests.e2e.validators import MEMBERS, Validators

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")

OTHERS = MEMBERS[:3]
LOST = MEMBERS[3]


@pytest.fixture
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validators]:
    made = Validators(tmp_path_factory.mktemp("replacing") / "net")
    for member in MEMBERS:
        config = msgspec.structs.replace(
            load_node(made.home(member)), snapshot_every=3, engine_silent_blocks=3
        )
        (made.home(member) / NODE_FILE).write_text(format_toml(config))
    made.start(*MEMBERS)
    try:
        made.until_they_commit(*MEMBERS)
        yield made
    finally:
        made.close()


def snapshots(network: Validators, member: str) -> list[dict[str, object]]:
    answer = httpx2.get(f"{network.url(member)}/v1/snapshots").json()
    found: list[dict[str, object]] = answer["snapshots"]
    return found


def test_a_member_that_lost_its_disk_is_back_with_the_same_state(network: Validators) -> None:
    for number in range(4):
        move(network, "clinic", 9_100 + number)
    assert network.end(LOST, signal.SIGTERM) == 0
    home = network.home(LOST)
    for folder in ("ledger", "vouched", "snapshots", "engine"):
        shutil.rmtree(home / folder, ignore_errors=True)
    for number in range(5):  # so long its key was silent, and more
        move(network, "hospital", 9_200 + number)
    network.until(lambda: all(snapshots(network, one) for one in OTHERS))
    newest = {str(snapshots(network, one)[0]) for one in OTHERS}
    assert len(newest) == 1, "the same bytes everywhere"

    trust = network.folder / "trust.json"
    network.until(lambda: careledger("node", "join", home, "--trust", trust).exit_code == 0)
    said = done("node", "join", home, "--trust", trust)
    assert "3 of 4 members" in said
    network.start(LOST)
    network.until_they_commit(LOST)
    index = move(network, LOST, 9_300)
    network.until(lambda: all(network.health(one)["size"] > index for one in MEMBERS))
    network.until(lambda: "history" not in network.health(LOST))
    log = (network.folder / f"{LOST}.log").read_text()
    assert "nothing of the past is missing any more" in log, "it did begin from a snapshot"
    network.until(lambda: len({network.health(one).get("app_hash") for one in MEMBERS}) == 1)
    network.close()
    assert careledger("fsck", home).exit_code == 0
