"""A network of four nodes, from its founding to its end: it commits, loses nodes, and says so."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx2
import pytest

from careledger.apps.governance.commands import SetEndpoint
from careledger.consensus.remote import RemoteNode
from careledger.ledger.record import MemberId
from careledger.ledger.transaction import call, sign_transaction
from careledger.vault.keyfile import load_signing_key
from tests.cli.running import careledger
from tests.e2e.validators import MEMBERS, Validators
from tests.ledger.world import claims

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validators]:
    made = Validators(tmp_path_factory.mktemp("validators") / "net")
    made.start(*MEMBERS)
    try:
        made.until_they_commit(*MEMBERS)
        yield made
    finally:
        made.close()
    assert [made.engine(member) for member in MEMBERS] == [0, 0, 0, 0]


def move(network: Validators, member: str, number: int) -> int:
    """A member says where its gateway answers, to its own node; the log position of that."""
    key = load_signing_key(network.folder / "members" / member / "keys" / "transaction.key")
    now = int(time.time())

    async def send() -> int:
        async with RemoteNode(network.url(member)) as node:
            signed = claims(
                member,
                number,
                subject="governance",
                audience=(await node.health())["chain"],
                not_before=now - 5,
                expires=now + 300,
            )
            command = SetEndpoint(gateway=f"http://127.0.0.1:{number}")
            ordered = await node.submit(sign_transaction(key, signed, call("governance", command)))
        assert ordered.receipt.code == 0
        return ordered.index

    return asyncio.run(send())


def test_what_one_node_was_sent_is_on_every_node_and_cosigned(network: Validators) -> None:
    index = move(network, "clinic", 9_001)
    network.until(lambda: all(network.health(one)["size"] > index for one in MEMBERS))
    network.until(lambda: all(network.health(one)["cosigned_size"] > index for one in MEMBERS))
    network.until(lambda: all(network.health(one)["engine"]["peers"] == 3 for one in MEMBERS))
    assert {network.health(one)["split_views"] for one in MEMBERS} == {0}
    assert MemberId("clinic") in {network.health(one)["member"] for one in MEMBERS}


def test_an_engine_that_is_killed_comes_back_and_health_says_so(network: Validators) -> None:
    engine = network.engine("payer")
    subprocess.run(["kill", "-KILL", str(engine)], check=True)
    network.until(lambda: "killed by SIGKILL" in network.health("payer").get("trouble", ""))
    move(network, "hospital", 9_002)
    network.until_they_commit("payer")
    assert network.health("payer")["engine"]["starts"] == 2
    assert network.engine("payer") not in {0, engine}


def test_a_node_that_is_killed_takes_its_engine_along_and_catches_up(network: Validators) -> None:
    network.end("pharmacy", signal.SIGKILL)
    network.until(lambda: network.engine("pharmacy") == 0)
    index = move(network, "hospital", 9_003)
    network.start("pharmacy")
    network.until_they_commit("pharmacy")
    assert network.health("pharmacy")["size"] > index


def test_a_home_already_running_is_left_alone(network: Validators) -> None:
    result = careledger("node", "run", network.home("clinic"))
    assert result.exit_code == 1
    assert "is running already, as process" in result.output
    assert network.health("clinic")["status"] == "pass"


def test_two_of_four_commit_nothing_and_say_so(network: Validators) -> None:
    for member in ("payer", "pharmacy"):
        assert network.end(member, signal.SIGTERM) == 0
    network.until(lambda: network.health("hospital").get("status") == "fail")
    answer = httpx2.get(f"{network.url('hospital')}/v1/health")
    assert answer.status_code == 503
    assert "connected to 1 of 3 other engines" in answer.json()["trouble"]
    refused = httpx2.post(f"{network.url('hospital')}/v1/transactions", content=b"x")
    assert (refused.status_code, "no quorum" in refused.text) == (503, True)
    height = network.health("hospital")["height"]
    network.start("payer", "pharmacy")
    network.until_they_commit(*MEMBERS)
    network.until(lambda: network.health("hospital")["height"] > height)
