"""A key that votes from another home is told by its own signature, whoever shows it."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from careledger.consensus.cometbft.genesis import engine_chain_id
from careledger.consensus.cometbft.home import BadEngineHome, EngineHome
from careledger.consensus.cometbft.light import engine_time
from careledger.consensus.cometbft.process import KeyInTwoHomes
from careledger.ledger.record import Digest, digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.tendermint import BlockId, Commit, Parts, address, vote_bytes
from careledger.node.elsewhere import KeyWatch
from tests.faults.node_process import free_port
from tests.node.answering import Handler, answering

CHAIN = digest(b"chain")
OWN, OTHER = SigningKey("EdDSA", digest(b"own")), SigningKey("EdDSA", digest(b"other"))
TIME = "2026-11-28T12:00:00.5Z"

Json = dict[str, Any]  # Any: what an engine answers


def commit(height: int, *signers: SigningKey, chain: Digest = CHAIN, forged: bool = False) -> Json:
    """What an engine answers of the block at `height`, for which these voted."""
    block = BlockId(hash=digest(b"block"), parts=Parts(total=1, hash=digest(b"parts")))
    decided = Commit(round=0, block=block, votes=())
    signed = vote_bytes(engine_chain_id(chain), height, decided, engine_time(TIME))
    block_id = {
        "hash": block.hash.hex(),
        "parts": {"total": 1, "hash": block.parts.hash.hex()},
    }
    names = ("last_commit", "data", "validators", "next_validators", "consensus", "app")
    header = {
        "version": {"block": "11"},
        "chain_id": engine_chain_id(chain),
        "height": str(height),
        "time": TIME,
        "last_block_id": block_id,
        "proposer_address": address(OTHER.public.public).hex(),
        **{f"{name}_hash": bytes(32).hex() for name in (*names, "last_results", "evidence")},
    }
    votes = [
        {
            "block_id_flag": 2,
            "validator_address": address(one.public.public).hex(),
            "timestamp": TIME,
            "signature": base64.b64encode(bytes(64) if forged else one.sign(signed)).decode(),
        }
        for one in signers
    ]
    return {
        "signed_header": {
            "header": header,
            "commit": {"round": 0, "block_id": block_id, "signatures": votes},
        }
    }


@contextmanager
def showing(newest: int, show: Callable[[int], Json]) -> Iterator[str]:
    """The URL of a node whose engine has blocks up to `newest`, and shows them like this."""

    class Answers(Handler):
        def do_POST(self) -> None:  # noqa: N802 - its name there
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            height = int(asked["params"].get("height", newest))
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": show(height)}).encode()
            self.reply(body)

    with answering(Answers) as url:
        yield url


def home_that_voted(folder: Path, height: int) -> EngineHome:
    home = EngineHome(folder)
    home.data.mkdir(parents=True, exist_ok=True)
    home.validator_state.write_text(json.dumps({"height": str(height), "round": 0, "step": 3}))
    return home


def look(home: EngineHome, *peers: str, silent: int = 10) -> None:
    asyncio.run(KeyWatch(home, OWN.public.public, CHAIN, peers, silent).check())


def test_a_vote_above_this_home_s_last_one_is_another_home_s(tmp_path: Path) -> None:
    home = home_that_voted(tmp_path, 100)
    nobody = f"http://127.0.0.1:{free_port()}"
    voters = {103: (OTHER, OWN)}
    with showing(105, lambda height: commit(height, *voters.get(height, (OTHER,)))) as url:
        with pytest.raises(KeyInTwoHomes, match=r"voted for block 103, and this home .* after 100"):
            look(home, nobody, url)
        home_that_voted(tmp_path, 103)
        look(home, nobody, url)


@pytest.mark.parametrize(
    ("show", "silent"),
    [
        (lambda height: commit(height, OTHER), 10),
        (lambda height: commit(height, OTHER, OWN, forged=True), 10),
        (lambda height: commit(height, OWN, chain=digest(b"another")), 10),
        (lambda height: commit(height - 60, OWN), 10),
        (lambda height: commit(height, *((OWN,) if height == 150 else ())), 10),
        (lambda height: commit(height, OWN), 0),
        (lambda _: {}, 10),
        (lambda _: {"signed_header": {"header": 1, "commit": []}}, 10),
    ],
    ids=[
        "silent",
        "forged",
        "another chain's",
        "an older one's",
        "silent for ten blocks",
        "not to be asked",
        "nothing",
        "nonsense",
    ],
)
def test_what_proves_nothing_keeps_no_home_from_starting(
    tmp_path: Path, show: Callable[[int], Json], silent: int
) -> None:
    home = home_that_voted(tmp_path, 100)
    with showing(160, show) as url:
        look(home, url, silent=silent)


def test_a_home_that_never_voted_waits_by_itself(tmp_path: Path) -> None:
    with showing(160, lambda height: commit(height, OWN)) as url:
        look(home_that_voted(tmp_path / "never", 0), url)
        look(EngineHome(tmp_path / "new"), url)
        home = home_that_voted(tmp_path / "lost", 1)
        home.validator_state.unlink()
        with pytest.raises(BadEngineHome, match="might vote twice"):
            look(home, url)
