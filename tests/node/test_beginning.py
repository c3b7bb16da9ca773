"""Where the engine of a node that joins begins: at a header that commits to what members signed."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from careledger.node.beginning import BEGINNING_FILE, Beginning, load_beginning, plan
from careledger.node.config import BadConfiguration, load_node
from careledger.node.joining import NothingToJoin, open_peers
from careledger.verify.trust import format_trust
from tests.node.consortium import Consortium
from tests.node.test_joining import OTHERS, history, lose


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Consortium, list[str]]]:
    made = history(tmp_path_factory.mktemp("beginning") / "net")
    urls = [f"http://127.0.0.1:{load_node(made.home(one)).port}" for one in OTHERS]
    with made.running(*OTHERS):
        yield made, urls


def test_where_no_engine_answers_nothing_is_planned(world: tuple[Consortium, list[str]]) -> None:
    """These nodes order alone, so nobody has a header to show."""
    consortium, urls = world
    home = lose(consortium, "pharmacy")
    with open_peers(urls) as peers, pytest.raises(NothingToJoin, match="no peer shows the header"):
        plan(home, peers, consortium.trusting(3), consortium.time + 3_600)
    assert load_beginning(home) is None


def test_another_chain_and_too_few_voices(world: tuple[Consortium, list[str]]) -> None:
    consortium, urls = world
    home = lose(consortium, "pharmacy")
    other = msgspec.structs.replace(consortium.trusting(3), chain="0" * 64)
    with open_peers(urls) as peers:
        with pytest.raises(BadConfiguration, match="of chain"):
            plan(home, peers, other, consortium.time)
        with pytest.raises(NothingToJoin, match="not enough of the trusted members"):
            plan(home, peers, consortium.trusting(4), consortium.time + 3_600)


def test_what_was_kept_comes_back_and_damage_is_named(
    tmp_path: Path, world: tuple[Consortium, list[str]]
) -> None:
    trust = world[0].trusting(3)
    beginning = Beginning(servers=("http://a/v1/engine",), height=7, hash=bytes(range(32)))
    (tmp_path / BEGINNING_FILE).write_bytes(msgspec.json.encode(beginning))
    assert load_beginning(tmp_path) is None, "the trust file is not there yet"
    (tmp_path / "beginning-trust.json").write_text(format_trust(trust))
    found = load_beginning(tmp_path)
    assert found is not None
    start, believed = found
    assert believed == trust
    assert (start.height, start.hash) == (7, bytes(range(32)))
    assert start.servers == ("http://a/v1/engine",) * 2, "an engine wants two"
    (tmp_path / BEGINNING_FILE).write_text("{")
    with pytest.raises(BadConfiguration, match="join"):
        load_beginning(tmp_path)
