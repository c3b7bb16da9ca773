"""Founding a network of several nodes: on one machine, and by cards between houses."""

import json
import re
import shutil
import socket
from pathlib import Path

import pytest
from msgspec import structs

from careledger.apps import installed
from careledger.consensus.chain import Chain
from careledger.ledger.genesis import active_applications, load_genesis
from careledger.ledger.membership import HYBRID, NetworkParameters
from careledger.ledger.record import digest, encode
from careledger.node.card import format_card, load_card
from careledger.node.config import load_node
from careledger.node.consortium import genesis_of
from careledger.node.member_keys import (
    CHECKPOINT_KEY,
    CLIENT_KEY,
    CONSENSUS_KEY,
    ENGINE_KEY,
    RECEIPT_KEYS,
    TRANSACTION_KEY,
)
from careledger.store.store import Store
from careledger.vault.keyfile import load_signing_key, save_key
from tests.cli.running import careledger, done
from tests.consensus.cometbft.test_program import speaking
from tests.engine import engine_program
from tests.faults.node_process import free_port

PORTS = (1, 10, 11, 20, 21)


def test_one_command_writes_every_home_and_says_how_to_run_them(tmp_path: Path) -> None:
    said = done(
        *("network", "init", tmp_path / "net", "--members", "hospital,payer"),
        *("--member", "corner:Corner Pharmacy:pharmacy", "--port", free_port(*PORTS, 2, 12, 22)),
    )
    for member in ("hospital", "payer", "corner"):
        home = tmp_path / "net" / "members" / member
        assert f"careledger node run {home / 'node'}" in said
        assert f"careledger gateway run {home}" in said
        assert load_node(home / "node").engine == "cometbft"
    genesis = json.loads((tmp_path / "net" / "genesis.json").read_bytes())
    names = [one["event"]["name"] for one in genesis["events"] if "name" in one["event"]]
    assert sorted(names) == ["Corner Pharmacy", "Hospital", "Payer"]


def test_no_members_and_a_folder_in_use_are_refused(tmp_path: Path) -> None:
    result = careledger("network", "init", tmp_path / "net")
    assert (result.exit_code, "at least one member" in result.output) == (1, True)
    (tmp_path / "mine").write_text("keep")
    result = careledger("network", "init", tmp_path, "--members", "hospital")
    assert (result.exit_code, "is not empty" in result.output) == (1, True)


def card(house: Path, member: str) -> Path:
    """What a member does at home; all that leaves the house is the copy of its card."""
    done(
        *("network", "card", house / "home", "--member", member),
        *("--gateway", f"https://gateway.{member}.example"),
        *("--node", f"https://node.{member}.example", "--engine", f"{member}.example:7420"),
    )
    sent = house.parent / f"{member}.json"
    shutil.copy(house / "home" / "card.json", sent)
    return sent


def test_members_found_a_network_by_their_cards_alone(tmp_path: Path) -> None:
    houses = {member: tmp_path / f"{member}-house" for member in ("hospital", "payer")}
    cards = [card(house, member) for member, house in houses.items()]
    said = done("network", "found", tmp_path / "net", *cards, "--name", "Two")
    [chain, time] = re.findall(r"Chain (\w{64}), beginning at --time (\d+)", said)[0]
    # Whoever doubts it makes it again, and compares.
    again = done("network", "found", tmp_path / "again", *cards, "--name", "Two", "--time", time)
    assert chain in again
    for member, house in houses.items():
        told = done(
            *("network", "configure", house / "home", tmp_path / "net" / "genesis.json", *cards),
            *("--node-port", 8001, "--engine-listen", "127.0.0.1:8003"),
        )
        assert chain in told
        other = next(one for one in houses if one != member)
        config = load_node(house / "home" / "node")
        assert config.cosigners == (f"https://node.{other}.example",)
        assert [one.partition("@")[2] for one in config.engine_peers] == [f"{other}.example:7420"]
        assert (config.port, config.engine_listen) == (8001, "127.0.0.1:8003")


def hybrid_card(house: Path, member: str) -> Path:
    """The card of a member that would begin with a hybrid key: all keys on it signed for it."""
    made, home = load_card(card(house, member)), house / "home"
    (home / TRANSACTION_KEY).unlink()
    save_key(home / TRANSACTION_KEY, HYBRID, digest(b"hybrid"))
    own = [home / TRANSACTION_KEY, home / CLIENT_KEY]
    node = [home / "node" / name for name in (CHECKPOINT_KEY, *RECEIPT_KEYS, CONSENSUS_KEY)]
    signers = [load_signing_key(path) for path in (*own, *node, home / "node" / ENGINE_KEY)]
    first = structs.replace(made.face.keys[0], algorithm=HYBRID, public=signers[0].public.public)
    face = structs.replace(made.face, keys=(first, *made.face.keys[1:]))
    message = b"careledger-card/1\n" + digest(encode(face))
    proofs = {key.public.public: key.sign(message) for key in signers}
    named = (*(key.public for key in face.keys), face.engine_key)
    altered = structs.replace(made, face=face, proofs=tuple(proofs.get(one, b"") for one in named))
    sent = house.parent / f"{member}.json"
    sent.write_bytes(format_card(altered))
    shutil.copy(sent, home / "card.json")
    return sent


def test_a_network_does_not_begin_with_hybrid_keys_that_were_not_agreed_on(tmp_path: Path) -> None:
    cards = [hybrid_card(tmp_path / "house", "hospital"), card(tmp_path / "payer-house", "payer")]
    result = careledger("network", "found", tmp_path / "net", *cards, "--name", "Two")
    assert result.exit_code == 1
    assert "hospital has a key of EdDSA+ML-DSA-65" in result.output
    assert "hybrid_keys is not true" in result.output
    assert not (tmp_path / "net").exists()
    # Somebody writes the file by hand; then nobody configures it, and no node runs it.
    loaded = [load_card(path) for path in cards]
    agreed = NetworkParameters(hybrid_keys=True)
    data = genesis_of(loaded, name="Two", time=1_700_000_000, parameters=agreed)
    genesis = tmp_path / "genesis.json"
    genesis.write_bytes(data)
    home = tmp_path / "house" / "home"
    done("network", "configure", home, genesis, *cards)
    written = json.loads(data)
    del written["parameters"]["hybrid_keys"]
    for path in (genesis, home / "genesis.json"):
        path.write_text(json.dumps(written))
    result = careledger("network", "configure", home, genesis, *cards)
    assert (result.exit_code, "hybrid_keys is not true" in result.output) == (1, True)
    assert "hybrid_keys is not true" in refusal(home / "node")


def test_fingerprints_are_the_same_at_home_and_where_the_card_went(tmp_path: Path) -> None:
    made = done(
        *("network", "card", tmp_path / "home", "--member", "hospital", "--engine", "h:1"),
        *("--gateway", "http://h:2", "--node", "http://h:3"),
    )
    [fingerprint] = re.findall(r"Fingerprint  ([0-9a-f ]{39})", made)
    assert fingerprint in done(
        *("network", "found", tmp_path / "net", tmp_path / "home" / "card.json", "--name", "One")
    )
    result = careledger(
        *("network", "found", tmp_path / "net", tmp_path / "home" / "card.json", "--name", "One")
    )
    assert (result.exit_code, "is there already" in result.output) == (1, True)


def test_a_newcomer_asks_to_be_let_in_with_keys_that_prove_themselves(tmp_path: Path) -> None:
    first = card(tmp_path / "hospital-house", "hospital")
    done("network", "found", tmp_path / "net", first, "--name", "One")
    card(tmp_path / "lab-house", "city-lab")
    home, genesis = tmp_path / "lab-house" / "home", tmp_path / "net" / "genesis.json"
    motion = json.loads(done("network", "motion", home, genesis))
    assert (motion["type"], motion["member"], motion["roles"]) == (
        "admit",
        "city-lab",
        ["laboratory"],
    )
    assert {key["use"] for key in motion["keys"]} >= {"transaction", "consensus", "checkpoint"}
    assert all(key["proof"] for key in motion["keys"] if key["use"] != "sealing")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a node that can run."""
    port = free_port(*PORTS)
    done("network", "init", tmp_path / "net", "--members", "hospital,payer", "--port", port)
    return tmp_path / "net" / "members" / "hospital" / "node"


def refusal(*arguments: object) -> str:
    result = careledger("node", "run", *arguments)
    assert result.exit_code == 1, result.output
    return result.output


def test_a_node_does_not_run_an_engine_of_another_version(home: Path, tmp_path: Path) -> None:
    program = speaking(tmp_path / "cometbft", "0.37.2")
    text = (home / "node.toml").read_text()
    (home / "node.toml").write_text(f'{text}engine_program = "{program}"\n')
    said = refusal(home)
    assert "engine of another version: it says 0.37.2, and this network runs 0.38.25" in said
    assert not (home / "engine" / "data").exists()


def test_a_home_that_ran_another_chain_is_refused(home: Path, tmp_path: Path) -> None:
    engine_program()
    other = tmp_path / "other"
    port = free_port(*PORTS)
    done("network", "init", other, "--members", "hospital,payer", "--port", port)
    engine = home / "engine" / "config"
    engine.mkdir(parents=True)
    (home / "engine").chmod(0o700)
    (engine / "genesis.json").write_text('{"chain_id": "careledger-another"}')
    assert "wrong genesis" in refusal(home)
    shutil.rmtree(home / "engine")
    # The ledger that began under one genesis file, and another one beside it.
    shutil.copy(other / "genesis.json", home.parent / "genesis.json")
    assert "holds another chain" in refusal(home)


def test_without_keys_the_engine_cannot_be_chosen(tmp_path: Path) -> None:
    member = ("--member", "riverside:Riverside Hospital:provider")
    done("init", tmp_path / "net", *member, "--port", free_port())
    said = refusal(tmp_path / "net" / "node", "--engine", "cometbft")
    assert "needs `consensus_key` and `engine_key`" in said


def test_a_taken_engine_address_is_named(home: Path) -> None:
    engine_program()
    host, port = load_node(home).engine_listen.split(":")
    with socket.create_server((host, int(port))):
        assert "choose another `engine_listen`" in refusal(home)


def test_a_ledger_without_its_engine_does_not_begin(home: Path) -> None:
    """The engine would ask for the first block, which the ledger is past."""
    engine_program()
    data = (home.parent / "genesis.json").read_bytes()
    chain_id, genesis = load_genesis(data)
    applications = active_applications(genesis, installed(), 0)
    with Store.create(home / "ledger", data, applications) as store:
        chain = Chain(store, chain_id, genesis, installed())
        block = chain.prepare([], genesis.time + 5)
        chain.begin(block)
        chain.commit(block)
    assert "has blocks and the engine has none" in refusal(home)
