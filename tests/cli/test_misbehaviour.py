"""Who was caught at what, listed from a node that may lie: each line is proved or there is none."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from careledger.ledger.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from careledger.ledger.record import MemberId, digest
from careledger.node.member_keys import CHECKPOINT_KEY
from careledger.vault.keyfile import load_signing_key
from tests.cli.running import careledger, done, start, stop
from tests.faults.node_process import free_port
from tests.node.lying import lying

CAUGHT, REPORTER = "riverside", "lakeview"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL and folder of a network whose node signed two histories, as a member reported."""
    folder, port = tmp_path_factory.mktemp("caught") / "net", free_port(10, 11)
    done(
        *("init", folder, "--port", port),
        *("--member", f"{CAUGHT}:Riverside Hospital:provider"),
        *("--member", f"{REPORTER}:Lakeview Clinic:provider"),
    )
    url = f"http://127.0.0.1:{port}"
    node = start("node", "run", folder / "node")
    try:
        assert "Nobody was caught." in done("network", "misbehaviour", "--node", url)
        true = parse_checkpoint(httpx2.get(f"{url}/v1/checkpoint").text).checkpoint
        false = Checkpoint(origin=true.origin, size=true.size, root=digest(b"another history"))
        key = load_signing_key(folder / "node" / CHECKPOINT_KEY)
        notes = [sign_checkpoint(one, MemberId(CAUGHT), key, 1).format() for one in (true, false)]
        done(
            *("governance", "report-checkpoints", "--member", CAUGHT),
            *("--first", notes[0], "--second", notes[1]),
            *("--home", folder / "members" / REPORTER),
        )
        yield url, folder
    finally:
        stop(node)


def test_it_lists_who_signed_two_histories(network: tuple[str, Path]) -> None:
    url, folder = network
    trust = ("--trust", folder / "trust.json")
    [found] = json.loads(done("network", "misbehaviour", "--node", url, *trust, "--json"))
    assert found.pop("time").endswith("Z")
    assert found.pop("size") >= 1
    assert found == {
        "member": CAUGHT,
        "kind": "equivocation",
        "index": 1,
        "suspended": False,
        "reporter": REPORTER,
    }
    table = done("network", "misbehaviour", "--node", url, *trust)
    assert "1 recorded" in table
    for word in (CAUGHT, "equivocation", "Log position", REPORTER):
        assert word in table
    others = done("network", "misbehaviour", "--node", url, *trust, "--member", REPORTER, "--json")
    assert json.loads(others) == []


def test_without_a_trust_file_it_says_whose_word_it_is(network: tuple[str, Path]) -> None:
    said = careledger("network", "misbehaviour", "--node", network[0], "--json")
    assert said.exit_code == 0
    assert "as this node alone signs it" in said.stderr
    assert len(json.loads(said.stdout)) == 1


def test_a_node_cannot_name_another_member_or_another_place(network: tuple[str, Path]) -> None:
    url, _ = network

    def slandering(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if not path.startswith("/v1/events"):
            return status, body
        page = json.loads(body)
        for event in (one for happened in page["events"] for one in happened["events"]):
            said = base64.b64decode(event["event"]).replace(b"riverside", b"hillsides")
            event["event"] = base64.b64encode(said).decode()
        return status, json.dumps(page).encode()

    def misplacing(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if not path.startswith("/v1/events"):
            return status, body
        page = json.loads(body)
        for happened in page["events"]:
            happened["index"] -= 1
        return status, json.dumps(page).encode()

    for alter in (slandering, misplacing):
        with lying(url, alter) as liar:
            said = careledger("network", "misbehaviour", "--node", liar)
            assert said.exit_code == 1
            assert "a proof does not hold" in said.output


def test_another_chain_s_trust_file_is_not_satisfied(
    network: tuple[str, Path], tmp_path: Path
) -> None:
    member = ("--member", "elsewhere:Elsewhere Hospital:provider")
    done("init", tmp_path / "net", *member, "--port", free_port())
    trust = tmp_path / "net" / "trust.json"
    said = careledger("network", "misbehaviour", "--node", network[0], "--trust", trust)
    assert (said.exit_code, "another log's checkpoint" in said.output) == (1, True)
