"""A member that lost its disk is back with the same state: by command line and HTTP, real engines.

Its node is stopped, its ledger and its engine's data are gone, or one of the two; keys and
configuration remain.
"""

import json
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


def test_an_engine_s_data_that_is_lost_is_begun_anew_with_the_operator_s_word(
    network: Validators,
) -> None:
    for number in range(4):
        move(network, "clinic", 9_400 + number)
    assert network.end(LOST, signal.SIGTERM) == 0
    home = network.home(LOST)
    shutil.rmtree(home / "engine" / "data")
    said = careledger("node", "run", home)
    assert said.exit_code == 1
    assert f"`careledger node set-aside {home}`" in said.output
    said = careledger("node", "set-aside", home)
    assert (said.exit_code, "--no-other-home" in said.output) == (1, True)
    assert (home / "ledger").exists(), "nothing is moved without the operator's word"

    said_now = done("node", "set-aside", home, "--no-other-home")
    assert "waits until its key was silent for 3 blocks" in said_now
    assert (home / "ledger.aside-1").exists()
    for number in range(5):
        move(network, "hospital", 9_500 + number)
    network.until(lambda: all(snapshots(network, one) for one in OTHERS))
    trust = network.folder / "trust.json"
    network.until(lambda: careledger("node", "join", home, "--trust", trust).exit_code == 0)
    network.start(LOST)
    network.until_they_commit(LOST)
    index = move(network, LOST, 9_600)
    network.until(lambda: all(network.health(one)["size"] > index for one in MEMBERS))
    network.until(lambda: "history" not in network.health(LOST))
    network.until(lambda: len({network.health(one).get("app_hash") for one in MEMBERS}) == 1)
    listing = ("network", "misbehaviour", "--node", network.url(LOST), "--trust", trust)
    assert json.loads(done(*listing, "--json")) == [], "it did not vote twice"
    network.close()
    assert careledger("fsck", home).exit_code == 0


def test_a_ledger_that_is_lost_is_made_again_of_the_engine_s_own_blocks(
    network: Validators,
) -> None:
    index = move(network, "clinic", 9_700)
    network.until(lambda: network.health(LOST)["size"] > index)
    height = network.health(LOST)["height"]
    network.close()
    home = network.home(LOST)
    shutil.rmtree(home / "ledger")
    network.start(LOST)  # and nobody else
    network.until(lambda: network.health(LOST).get("height", 0) >= height)
    network.close()
    assert careledger("fsck", home).exit_code == 0
