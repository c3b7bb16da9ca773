"""What a node without its past answers: that it is not here yet, and never that it is unknown."""

import shutil
import time
from collections.abc import Iterator

import httpx2
import pytest

from careledger.ledger.record import load_cbor
from careledger.ledger.transaction import parse_transaction
from careledger.node.config import load_node
from careledger.node.joining import join, open_peers
from careledger.store.reader import StoreReader
from tests.faults.node_process import free_port
from tests.node.consortium import Consortium
from tests.node.test_joining import history, lose


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, bytes]]:
    """A node with all of the past, one without, and a transaction of long ago."""
    made: Consortium = history(tmp_path_factory.mktemp("doors") / "net")
    home = lose(made, "pharmacy")
    shutil.rmtree(home / "vouched", ignore_errors=True)
    made.configure("hospital", free_port())  # it waits for nobody before it signs
    with made.running("hospital") as [whole]:
        with open_peers([whole.url]) as peers:
            join(home, peers, made.trusting(1, "hospital"), int(time.time()))
        with whole.running.store.snapshot() as committed:
            old = committed.transaction_at(2)
        assert old is not None
        made.configure("pharmacy", free_port())  # nobody to fetch the past from
        with made.running("pharmacy") as [new]:
            yield whole.url, new.url, old
    with StoreReader(home / load_node(home).ledger) as reader, reader.snapshot() as committed:
        assert committed.gap is not None


PATHS = [
    "/v1/transactions/{old}",
    "/v1/transactions/{old}/receipt",
    "/v1/transactions/{old}/receipt.cose",
    "/v1/transactions/{old}/proof",
    "/v1/events?after=0",
    "/v1/events?after=40&limit=3",
    "/v1/history?height=1",
    "/v1/checkpoint?size=5",
    "/v1/log/consistency?first=3",
]


@pytest.mark.parametrize("path", PATHS)
def test_what_is_not_here_yet_is_said_to_be_so(nodes: tuple[str, str, bytes], path: str) -> None:
    whole, new, old = nodes
    path = path.format(old=parse_transaction(old).id.hex())
    assert httpx2.get(whole + path).status_code == 200
    answer = httpx2.get(new + path)
    assert answer.status_code == 503, answer.text
    assert "not here yet" in answer.json()["detail"]


def test_sending_an_old_transaction_again_is_not_decided_anew(
    nodes: tuple[str, str, bytes],
) -> None:
    whole, new, old = nodes
    cose = {"content-type": "application/cose"}
    first = httpx2.post(whole + "/v1/transactions", content=old, headers=cose)
    assert first.status_code == 200, "its first receipt"
    again = httpx2.post(new + "/v1/transactions", content=old, headers=cose)
    assert again.status_code == 503, again.text
    assert "not here yet" in again.json()["detail"]


def test_health_says_how_much_is_here(nodes: tuple[str, str, bytes]) -> None:
    _, new, _ = nodes
    health = httpx2.get(new + "/v1/health").json()
    assert health["status"] == "pass"
    assert health["history"]["entries_here"] == 1 < health["history"]["of"]


def test_blocks_of_the_past_come_in_bounded_answers(nodes: tuple[str, str, bytes]) -> None:
    whole, _, _ = nodes
    answer = httpx2.get(whole + "/v1/history?height=1")
    blocks = load_cbor(answer.content, most=len(answer.content))
    assert isinstance(blocks, list)
    assert {tuple(sorted(block)) for block in blocks} == {
        ("entries", "receipts", "time", "transactions")
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/history", 400),
        ("/v1/history?height=0", 400),
        ("/v1/history?height=-1", 400),
        ("/v1/history?height=999999999", 404),
        ("/v1/history?height=99999999999999999", 400),
        ("/v1/snapshots/1", 404),
        ("/v1/snapshots/x", 400),
        ("/v1/snapshots/1/0", 404),
        ("/v1/snapshots/..%2f..%2fnode.toml", 404),
        ("/v1/snapshots/1/-1", 400),
    ],
)
def test_what_is_asked_for_wrongly(nodes: tuple[str, str, bytes], path: str, status: int) -> None:
    whole, _, _ = nodes
    assert httpx2.get(whole + path).status_code == status


def test_a_node_that_orders_alone_has_no_engine_to_ask(nodes: tuple[str, str, bytes]) -> None:
    whole, _, _ = nodes
    body = {"jsonrpc": "2.0", "id": 1, "method": "commit", "params": {}}
    assert httpx2.post(whole + "/v1/engine", json=body).status_code == 404
