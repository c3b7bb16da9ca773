import json
from pathlib import Path

import msgspec
import pytest

from careledger.apps import installed
from careledger.apps.governance.queries import active_members
from careledger.ledger.genesis import active_applications, genesis_changes, load_genesis
from careledger.ledger.membership import live_keys
from careledger.ledger.record import MemberId
from careledger.ledger.state import View
from careledger.node.config import (
    BadConfiguration,
    GatewayConfig,
    NodeConfig,
    format_toml,
    load_gateway,
    load_node,
)
from careledger.node.founding import Founder, found
from careledger.vault.keyfile import BadKeyFile, load_sealing_key, load_signing_key, save_key
from careledger.verify.trust import parse_trust

NODE = """member = "riverside"
genesis = "genesis.json"
ledger = "ledger"
checkpoint_key = "checkpoint.key"
receipt_keys = []
"""

FOUNDERS = (
    Founder(id="riverside", name="Riverside Hospital", roles=("provider",)),
    Founder(id="unity-health", name="Unity Health", roles=("payer",)),
)


def test_a_founded_network_can_begin_and_everyone_can_act(tmp_path: Path) -> None:
    network = found(tmp_path / "net", FOUNDERS, name="trial", time=1_700_000_000)
    chain, genesis = load_genesis((network.folder / "genesis.json").read_bytes())
    view = View(None, genesis_changes(genesis, active_applications(genesis, installed(), 0)))
    assert chain == network.chain
    assert set(active_members(view)) == {"riverside", "unity-health"}
    for founder in FOUNDERS:
        config = load_gateway(network.home(founder.id))
        home = network.home(founder.id)
        signing = load_signing_key(home / config.transaction_key)
        [(_, row)] = live_keys(view, MemberId(founder.id), "transaction")
        assert row.public == signing.public.public
        assert len(load_sealing_key(home / config.sealing_key)) == 32
    trust = parse_trust(network.trust_file.read_bytes())
    assert (trust.chain, [one.member for one in trust.members]) == (chain.hex(), ["riverside"])
    assert load_node(network.node_home).member == "riverside"


def test_no_secret_is_in_a_public_file_and_none_is_readable_by_others(tmp_path: Path) -> None:
    network = found(tmp_path / "net", FOUNDERS, name="trial", time=1_700_000_000)
    public = (network.folder / "genesis.json").read_text() + network.trust_file.read_text()
    files = [path for path in network.folder.rglob("*.key") if path.name != "organisation.key"]
    assert len(files) == 3 + 3 * len(FOUNDERS)
    for path in files:
        assert path.stat().st_mode & 0o077 == 0
        assert json.loads(path.read_text())["secret"] not in public


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(BadConfiguration, match="not empty"):
        found(tmp_path, FOUNDERS, name="trial", time=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "founders",
    [(), (FOUNDERS[0], FOUNDERS[0]), (Founder(id="Bad Name", name="x", roles=()),)],
)
def test_founders_who_could_not_act_are_refused(
    tmp_path: Path, founders: tuple[Founder, ...]
) -> None:
    with pytest.raises(BadConfiguration):
        found(tmp_path / "net", founders, name="trial", time=0)
    assert not (tmp_path / "net").exists()


def test_configurations_load_as_they_were_written(tmp_path: Path) -> None:
    node = NodeConfig(
        member="riverside", genesis="g", ledger="l", checkpoint_key="c", receipt_keys=("a", "b")
    )
    (tmp_path / "node.toml").write_text(format_toml(node))
    assert load_node(tmp_path) == node


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "member"),
        ('member = "riverside"\nunknown = 1\n', "unknown"),
        ("= nonsense", "node.toml"),
        ('member = "riverside"\nport = 0\n', "port"),
        (f'{NODE}engine = "tendermint"\n', "engine"),
        (f'{NODE}engine_listen = "7420"\n', "engine_listen"),
        (f'{NODE}engine_peers = ["clinic.example:7420"]\n', "engine_peers"),
    ],
)
def test_a_wrong_configuration_names_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(BadConfiguration, match=says):
        load_node(tmp_path)


def test_a_missing_configuration_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="careledger init"):
        load_gateway(tmp_path)


def test_every_option_is_in_the_reference() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
    text = page.read_text()
    for config in (NodeConfig, GatewayConfig):
        for field in msgspec.structs.fields(config):
            assert f"`{field.name}`" in text


def test_key_files_are_private_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "one.key"
    save_key(path, "EdDSA", bytes(32))
    assert load_signing_key(path).seed == bytes(32)
    with pytest.raises(FileExistsError):
        save_key(path, "EdDSA", bytes(32))
    with pytest.raises(BadKeyFile, match="signs"):
        load_sealing_key(path)
    path.chmod(0o644)
    with pytest.raises(BadKeyFile, match="chmod 600"):
        load_signing_key(path)
    with pytest.raises(BadKeyFile, match="no key file"):
        load_signing_key(tmp_path / "two.key")
    (tmp_path / "three.key").write_bytes(b"\xff")
    (tmp_path / "three.key").chmod(0o600)
    with pytest.raises(BadKeyFile, match="not a key file"):
        load_signing_key(tmp_path / "three.key")
