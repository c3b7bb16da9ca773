"""A member that lost its disk begins again from a snapshot, by command line and HTTP alone."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import msgspec
import pytest
from click.testing import CliRunner, Result

from careledger.apps import installed
from careledger.cli.main import main
from careledger.ledger.errors import LedgerError, ProofError, Unavailable
from careledger.ledger.record import Digest, encode
from careledger.node.config import NODE_FILE, BadConfiguration, format_toml, load_node
from careledger.node.fsck import check
from careledger.node.joining import NothingToJoin, join
from careledger.node.peer import Peer
from careledger.node.vouched import check_vouched
from careledger.store.sync.format import Manifest, parse_manifest
from careledger.verify.trust import Trust
from tests.node.consortium import Consortium, Node
from tests.node.lying import Alter, lying
from tests.node.test_cosigning import eventually

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")

OTHERS = ("hospital", "clinic", "payer")


def every(consortium: Consortium, member: str, heights: int) -> None:
    """Let a node take snapshots so often."""
    home = consortium.home(member)
    config = msgspec.structs.replace(load_node(home), snapshot_every=heights)
    (home / NODE_FILE).write_text(format_toml(config))


def snapshots(node: Node) -> list[dict[str, object]]:
    found: list[dict[str, object]] = httpx2.get(node.url + "/v1/snapshots").json()["snapshots"]
    return found


def history(folder: Path) -> Consortium:
    """Four members of one history, of which the first keeps a snapshot that is not the newest."""
    made = Consortium(folder)
    first = made.members[0]
    every(made, first, 3)
    with made.running(first) as [node]:
        for _ in range(8):
            made.write(node.url, 40)
        eventually(lambda: bool(snapshots(node)))
        made.write(node.url, 10)
    made.share(first)
    made.meet()
    return made


def lose(consortium: Consortium, member: str) -> Path:
    """The disk is gone; the keys and the configuration come back from their backup."""
    home = consortium.home(member)
    shutil.rmtree(home / "ledger", ignore_errors=True)
    shutil.rmtree(home / "vouched", ignore_errors=True)
    return home


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def health(node: Node) -> dict[str, object]:
    found: dict[str, object] = httpx2.get(node.url + "/v1/health").json()
    return found


def test_a_lost_node_is_rebuilt(tmp_path: Path) -> None:
    consortium = history(tmp_path / "net")
    home = lose(consortium, "pharmacy")
    with consortium.running(*OTHERS) as nodes:
        for node in nodes:  # they vouch, as they have all along
            eventually(lambda node=node: health(node)["cosigned_size"] == health(node)["size"])  # type: ignore[misc]
        joined = run("node", "join", home, "--trust", consortium.trust(3))
        assert joined.exit_code == 0, joined.output
        assert "3 of 4 members" in joined.output
        with consortium.running("pharmacy") as [node]:
            assert health(node)["status"] == "pass"
            row = "/v1/state/ledger.signers?key=hospital"
            mine, theirs = (httpx2.get(one.url + row) for one in (node, nodes[0]))
            assert mine.status_code in {200, 503}  # it may not sign before it knows what it signed
            eventually(lambda: "history" not in health(node))
            mine = httpx2.get(node.url + row)
            assert mine.json()["row"] == theirs.json()["row"]
            old = httpx2.get(node.url + "/v1/events?after=0&limit=1000").json()
            assert len(old["events"]) > 300
        again = run("node", "join", home, "--trust", consortium.trust(3))
        assert again.exit_code == 1
        assert "holds" in again.output
    assert run("fsck", home).exit_code == 0
    assert check(home / "ledger", installed()).is_sound


# --- who is believed ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(
    tmp_path_factory: pytest.TempPathFactory,
) -> "tuple[Consortium, list[str]]":
    made = history(tmp_path_factory.mktemp("joining") / "net")
    return made, [f"http://127.0.0.1:{load_node(made.home(one)).port}" for one in OTHERS]


def attempt(consortium: Consortium, urls: list[str], trust: Trust, now: int | None = None) -> Path:
    home = lose(consortium, "pharmacy")
    peers = [Peer(url) for url in urls]
    try:
        join(home, peers, trust, int(time.time()) if now is None else now)
    finally:
        for peer in peers:
            peer.close()
    return home


def test_whom_a_new_node_believes(network: tuple[Consortium, list[str]]) -> None:
    consortium, urls = network
    with consortium.running(*OTHERS):
        attempt(consortium, urls, consortium.trusting(3))
        # The first alone has a snapshot, the others alone do not make it believable.
        with pytest.raises(NothingToJoin, match="not enough of the trusted members"):
            attempt(consortium, urls[:1], with_threshold(consortium.trusting(4), 4))
        with pytest.raises(NothingToJoin, match="no peer keeps a snapshot"):
            attempt(consortium, urls[1:], consortium.trusting(1))
        strangers = Trust(chain=consortium.chain.hex(), threshold=1, members=())
        with pytest.raises(Unavailable, match="no peer shows a checkpoint"):
            attempt(consortium, urls, strangers)
        with pytest.raises(NothingToJoin, match="future"):
            attempt(consortium, urls, consortium.trusting(3), now=1)
        other = msgspec.structs.replace(consortium.trusting(3), chain="0" * 64)
        with pytest.raises(BadConfiguration, match="of chain"):
            attempt(consortium, urls, other)
        with pytest.raises(NothingToJoin, match="no answer"):
            attempt(consortium, ["http://127.0.0.1:9"], consortium.trusting(3))
        assert not (consortium.home("pharmacy") / "ledger").exists()


def with_threshold(trust: Trust, threshold: int) -> Trust:
    return msgspec.structs.replace(trust, threshold=threshold)


def test_liars_cost_time_and_nothing_else(network: tuple[Consortium, list[str]]) -> None:
    consortium, urls = network
    trust = consortium.trusting(3)

    def altered(path: str, how: Callable[[bytes], bytes]) -> Alter:
        def alter(asked: str, status: int, body: bytes) -> tuple[int, bytes]:
            return status, how(body) if asked.startswith(path) and status == 200 else body

        return alter

    def on(path: str, data: bytes) -> Alter:
        return lambda asked, status, body: (200, data) if asked.startswith(path) else (status, body)

    def from_the_future(body: bytes) -> bytes:
        manifest = parse_manifest(body, consortium.chain)
        header = msgspec.structs.replace(manifest.header, height=manifest.header.height + 1_000)
        return encode(msgspec.structs.replace(manifest, header=header))

    manifest = "/v1/snapshots/"
    lies = [
        altered(manifest, lambda body: body[:-1] + bytes([body[-1] ^ 1])),
        altered(manifest, lambda body: body[: len(body) // 2]),
        altered(manifest, lambda body: body + bytes(2 << 20)),
        altered(manifest, from_the_future),
        altered("/v1/snapshots", lambda body: b'{"snapshots": [{"height": "../../etc"}]}'),
        altered("/v1/snapshots", lambda body: b"[" * 90_000),
        on("/v1/snapshots", b'{"snapshots": [{"height": -1}, {"height": 99999999999}]}'),
    ]
    with consortium.running(*OTHERS):
        for lie in lies:
            with lying(urls[0], lie) as url:
                with pytest.raises(LedgerError):
                    attempt(consortium, [url, *urls[1:]], trust)
                assert not (consortium.home("pharmacy") / "ledger").exists()
                assert not (consortium.home("pharmacy") / "ledger.joining").exists()
        with lying(urls[0], lies[3]) as url:  # beside an honest one it makes no difference
            home = attempt(consortium, [url, *urls], trust)
        shutil.rmtree(home / "ledger")


def test_a_snapshot_of_another_history(tmp_path: Path) -> None:
    """A peer alone made its own, with the right genesis file and its own signature."""
    consortium = history(tmp_path / "net")
    fork = lose(consortium, "pharmacy")
    every(consortium, "clinic", 2)
    shutil.rmtree(consortium.home("clinic") / "ledger")
    shutil.rmtree(consortium.home("clinic") / "vouched", ignore_errors=True)
    with consortium.running("clinic") as [node]:
        for _ in range(20):
            consortium.write(node.url, 40)
        eventually(lambda: bool(snapshots(node)))
    urls = [
        f"http://127.0.0.1:{load_node(consortium.home(one)).port}"
        for one in ("clinic", "hospital", "payer")
    ]
    with consortium.running("hospital", "payer", "clinic"):
        with Peer(urls[0]) as clinic, Peer(urls[1]) as hospital, Peer(urls[2]) as payer:
            height = clinic.heights()[0]
            data = clinic.manifest(height)
            assert data is not None
            lie = parse_manifest(data, consortium.chain)
            peers, trust = [clinic, hospital, payer], consortium.trusting(2)
            with pytest.raises(ProofError, match=r"signed another log|not enough"):
                check_vouched(lie, trust, peers)
            true = _honest(hospital, consortium.chain)
            check_vouched(true, trust, peers)
        attempt(consortium, urls, trust)
    assert (fork / "ledger").exists()


def _honest(peer: Peer, chain: Digest) -> Manifest:
    data = peer.manifest(peer.heights()[0])
    assert data is not None
    return parse_manifest(data, chain)
