"""What an engine's home says, and which homes no engine may run in."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.consensus.cometbft import mempool, pool
from careledger.consensus.cometbft.home import (
    BadEngineHome,
    EngineHome,
    EngineSettings,
    StateSync,
    format_sections,
    peer_id,
    write_home,
)
from careledger.ledger.membership import consensus_address
from careledger.ledger.record import digest
from careledger.ledger.signature import SigningKey

CONSENSUS, PEER = SigningKey("EdDSA", digest(b"consensus")), SigningKey("EdDSA", digest(b"peer"))
SETTINGS = EngineSettings(
    name="hospital", listen="127.0.0.1:20420", peers=(f"{'ab' * 20}@127.0.0.1:20421",)
)


def genesis(chain: str = "careledger-one") -> bytes:
    return json.dumps({"chain_id": chain}).encode()


def write(home: EngineHome, settings: EngineSettings = SETTINGS, data: bytes = genesis()) -> None:
    write_home(home, settings, genesis=data, consensus=CONSENSUS, peer=PEER)


def config(home: EngineHome) -> Any:  # Any: what the file holds
    return tomllib.loads((home.config / "config.toml").read_text())


def voted_at(home: EngineHome, height: int) -> None:
    home.validator_state.write_text(json.dumps({"height": str(height), "round": 0, "step": 3}))


def test_the_keys_are_ours_in_the_engine_s_form(tmp_path: Path) -> None:
    home = EngineHome(tmp_path / "engine")
    write(home)
    validator = json.loads((home.config / "priv_validator_key.json").read_bytes())
    public = CONSENSUS.public.public
    assert validator["address"] == consensus_address(public).hex().upper()
    assert len(peer_id(PEER)) == 40
    assert peer_id(PEER) == consensus_address(PEER.public.public).hex()
    for path in home.folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_what_only_the_engine_writes_is_left_alone(tmp_path: Path) -> None:
    home = EngineHome(tmp_path / "engine")
    write(home)
    voted_at(home, 7)
    before = home.validator_state.read_bytes()
    write(home)
    assert home.validator_state.read_bytes() == before


def test_a_home_that_never_voted_waits_until_its_key_was_silent(tmp_path: Path) -> None:
    home = EngineHome(tmp_path / "engine")
    write(home)
    assert config(home)["consensus"]["double_sign_check_height"] == 10
    voted_at(home, 1)
    write(home)
    assert config(home)["consensus"]["double_sign_check_height"] == 0


def test_without_its_last_vote_a_validator_does_not_begin(tmp_path: Path) -> None:
    home = EngineHome(tmp_path / "engine")
    write(home)
    for spoil in (home.validator_state.unlink, lambda: home.validator_state.write_text("{}")):
        spoil()
        with pytest.raises(BadEngineHome, match="might vote twice"):
            write(home)


def test_a_wrong_genesis_is_refused(tmp_path: Path) -> None:
    home = EngineHome(tmp_path / "engine")
    write(home)
    with pytest.raises(BadEngineHome, match=r"wrong genesis: .* careledger-one, .* careledger-two"):
        write(home, data=genesis("careledger-two"))
    assert home.genesis.read_bytes() == genesis()


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir(mode=0o755)
    with pytest.raises(BadEngineHome, match="chmod 700"):
        write(EngineHome(tmp_path / "engine"))


def test_sockets_fit_however_long_the_home_s_path_is(tmp_path: Path) -> None:
    near, far = EngineHome(Path("/tmp/engine")), EngineHome(tmp_path / ("x" * 100) / "engine")
    assert near.rpc_socket.parent == near.folder
    assert len(str(far.application_socket)) < 100
    assert far.rpc_socket.parent == far.application_socket.parent != far.folder
    write(far)
    assert far.rpc_socket.parent.stat().st_mode & 0o077 == 0
    far.rpc_socket.parent.rmdir()


def test_the_settings_that_speed_and_time_depend_on(tmp_path: Path) -> None:
    home = EngineHome(tmp_path / "engine")
    write(home)
    found = config(home)
    assert found["proxy_app"] == f"unix://{home.application_socket}"
    assert found["rpc"]["laddr"] == f"unix://{home.rpc_socket}"
    assert found["p2p"]["persistent_peers"] == SETTINGS.peers[0]
    assert found["p2p"]["pex"] is False
    assert found["consensus"]["create_empty_blocks"] is False
    assert found["consensus"]["create_empty_blocks_interval"] == "5s"
    assert found["tx_index"]["indexer"] == "null"
    # What the application lets wait finds room, and leaves when its time is over.
    assert found["mempool"]["size"] > pool.MAX_TRANSACTIONS
    assert found["mempool"]["max_txs_bytes"] > pool.MAX_BYTES
    assert found["mempool"]["recheck"] is True
    assert found["rpc"]["max_request_batch_size"] >= mempool.BATCH
    assert found["rpc"]["max_body_bytes"] > 2 * mempool.BATCH_BYTES
    assert found["statesync"] == {"enable": False}


def test_a_newcomer_is_told_whom_to_take_the_state_from(tmp_path: Path) -> None:
    home = EngineHome(tmp_path / "engine")
    sync = StateSync(servers=("http://a:1", "http://b:2"), height=9, hash=digest(b"header"))
    write(home, EngineSettings(name="clinic", listen="h:1", peers=(), sync=sync))
    found = config(home)["statesync"]
    assert (found["enable"], found["rpc_servers"]) == (True, "http://a:1,http://b:2")
    assert (found["trust_height"], found["trust_period"]) == (9, "604800s")
    assert found["trust_hash"] == digest(b"header").hex().upper()


@given(st.text(), st.integers(0, 2**53), st.booleans())
def test_any_value_is_read_back_as_it_was_written(text: str, number: int, truth: bool) -> None:  # noqa: FBT001 - drawn
    values: dict[str, str | int] = {"text": text, "number": number, "truth": truth}
    try:
        text.encode()
    except UnicodeEncodeError:
        return  # half a surrogate pair is no text to TOML
    found = tomllib.loads(format_sections({"": values, "section": values}))
    assert found == {**values, "section": values}
