"""Founding, running, stopping and checking a node, and working at the desk."""

from pathlib import Path

from tests.cli.running import (
    BEN_AT_RIVERSIDE,
    Network,
    careledger,
    done,
    network,
    start,
    stop,
)
from tests.faults.node_process import free_port

MEMBER = ("--member", "riverside:Riverside Hospital:provider,payer")


def test_a_network_is_never_founded_over_another(tmp_path: Path) -> None:
    done("init", tmp_path / "net", *MEMBER)
    before = (tmp_path / "net" / "genesis.json").read_bytes()
    result = careledger("init", tmp_path / "net", *MEMBER)
    assert (result.exit_code, "is not empty" in result.output) == (1, True)
    assert (tmp_path / "net" / "genesis.json").read_bytes() == before


def test_a_node_stops_at_ctrl_c_and_its_ledger_is_sound(tmp_path: Path) -> None:
    done("init", tmp_path / "net", *MEMBER, "--port", free_port())
    home = tmp_path / "net" / "node"
    assert stop(start("node", "run", home)).endswith("Stopped.\n")
    assert "Sound" in done("fsck", home)


def test_damage_is_found(tmp_path: Path) -> None:
    done("init", tmp_path / "net", *MEMBER, "--port", free_port())
    home = tmp_path / "net" / "node"
    stop(start("node", "run", home))
    file = home / "ledger" / "data.mdb"
    data = bytearray(file.read_bytes())
    at = data.find(b"Riverside Hospital")
    data[at] ^= 1
    file.write_bytes(data)
    result = careledger("fsck", home)
    assert (result.exit_code, "DAMAGED" in result.output) == (1, True)


def test_a_gateway_answers_for_patients_it_ingested(network: Network) -> None:
    told = done("gateway", "patients", "--home", network.home("riverside"))
    assert BEN_AT_RIVERSIDE in told
    assert "nobody yet" in told


def test_a_credential_is_private_and_never_overwritten(network: Network) -> None:
    assert network.dr_cho.stat().st_mode & 0o077 == 0
    result = careledger(
        *("gateway", "enrol-practitioner", "--home", network.home("lakeview")),
        *("--name", "Dr Cho", "--role", "clinician", "--out", network.dr_cho),
    )
    assert (result.exit_code, "already" in result.output) == (1, True)


def test_a_gateway_needs_its_members_key(tmp_path: Path) -> None:
    here = network()
    (tmp_path / "keys").mkdir()
    (tmp_path / "gateway.toml").write_bytes((here.home("riverside") / "gateway.toml").read_bytes())
    stolen = (here.home("lakeview") / "keys" / "client.key").read_bytes()
    (tmp_path / "keys" / "client.key").write_bytes(stolen)
    (tmp_path / "keys" / "client.key").chmod(0o600)
    result = careledger("gateway", "patients", "--home", tmp_path)
    assert (result.exit_code, "not signed by a live client key" in result.output) == (1, True)
