"""A ledger and an engine's data go aside together, and what was voted for stays known."""

import json
from pathlib import Path

import pytest

from careledger.node.config import BadConfiguration, load_node
from careledger.node.consortium import found_consortium, founder
from careledger.node.founding import Founder, found
from careledger.node.holding import HomeInUse, hold_home
from careledger.node.setting_aside import ConsentNeeded, set_aside

VOTED = {"height": "17", "round": 0, "step": 3}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a node that has run: its ledger, and its engine's data with two files."""
    network = found_consortium(
        tmp_path / "net", [founder("hospital")], name="alone", time=1_700_000_000
    )
    made = network.node_home
    (made / "ledger").mkdir()
    (made / "ledger" / "data.mdb").write_bytes(b"blocks")
    (made / "engine" / "data" / "blockstore.db").mkdir(parents=True)
    (made / "engine" / "data" / "priv_validator_state.json").write_text(json.dumps(VOTED))
    (made / "beginning.json").write_text("{}")
    (made / "vouched").mkdir()
    return made


def test_both_go_aside_and_the_votes_stay(home: Path) -> None:
    keys = sorted(path.name for path in (home / "keys").iterdir())
    done = set_aside(home, no_other_home=False)
    assert done.votes_kept
    assert (home / "ledger.aside-1" / "data.mdb").read_bytes() == b"blocks"
    data = home / "engine" / "data"
    assert [path.name for path in data.iterdir()] == ["priv_validator_state.json"]
    assert json.loads((data / "priv_validator_state.json").read_bytes()) == VOTED
    assert data.stat().st_mode & 0o077 == 0
    assert (home / "engine" / "data.aside-1" / "blockstore.db").is_dir()
    assert not (home / "ledger").exists()
    assert not (home / "beginning.json").exists(), "the next one begins somewhere else"
    assert (home / "vouched").exists(), "what it signed is not forgotten"
    assert sorted(path.name for path in (home / "keys").iterdir()) == keys
    again = set_aside(home, no_other_home=False)
    assert [after.name for _, after in again.moved] == ["data.aside-2"]
    assert json.loads((data / "priv_validator_state.json").read_bytes()) == VOTED


@pytest.mark.parametrize("damage", ["", "{}", '{"height": "x"}', "\0"])
def test_without_the_votes_the_operator_has_to_say_so(home: Path, damage: str) -> None:
    votes = home / "engine" / "data" / "priv_validator_state.json"
    votes.write_text(damage) if damage else votes.unlink()
    with pytest.raises(ConsentNeeded, match="--no-other-home"):
        set_aside(home, no_other_home=False)
    assert (home / "ledger").exists()
    assert (home / "engine" / "data").exists()
    done = set_aside(home, no_other_home=True)
    assert not done.votes_kept
    assert not (home / "engine" / "data").exists(), "it begins with nothing, and waits"
    assert len(done.moved) == 3


def test_a_running_node_is_left_alone(home: Path) -> None:
    with hold_home(home), pytest.raises(HomeInUse):
        set_aside(home, no_other_home=True)
    assert (home / "ledger").exists()


def test_who_orders_alone_has_nobody_to_begin_from(tmp_path: Path) -> None:
    hospital = Founder(id="hospital", name="Hospital", roles=("provider",))
    network = found(tmp_path / "net", [hospital], name="solo", time=1_700_000_000)
    assert load_node(network.node_home).consensus_key is None
    with pytest.raises(BadConfiguration, match="orders alone"):
        set_aside(network.node_home, no_other_home=True)
