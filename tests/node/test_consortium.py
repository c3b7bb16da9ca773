"""Founding a network in which each member has a node."""

from pathlib import Path

import msgspec
import pytest

from careledger.apps import installed
from careledger.apps.governance.queries import active_members
from careledger.ledger.genesis import active_applications, genesis_changes, load_genesis
from careledger.ledger.membership import VALIDATORS, NetworkParameters
from careledger.ledger.state import View
from careledger.node.card import CARD_FILE, BadCard, Card, load_card, make_card
from careledger.node.config import BadConfiguration, load_gateway, load_node
from careledger.node.consortium import (
    Doors,
    found_consortium,
    founder,
    founding_members,
    genesis_of,
    settle,
    trust_of,
)
from careledger.node.founding import Founder, Network
from careledger.verify.trust import parse_trust

MEMBERS = ("hospital", "clinic", "payer", "pharmacy")
TIME = 1_700_000_000


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    folder = tmp_path_factory.mktemp("network") / "net"
    return found_consortium(folder, [founder(one) for one in MEMBERS], name="trial", time=TIME)


def cards(network: Network) -> list[Card]:
    return [load_card(network.home(member) / CARD_FILE) for member in MEMBERS]


def again(network: Network, cards: list[Card]) -> bytes:
    return genesis_of(cards, name="trial", time=TIME, parameters=NetworkParameters())


def test_everyone_has_a_node_that_votes_with_equal_power(network: Network) -> None:
    chain, genesis = load_genesis((network.folder / "genesis.json").read_bytes())
    view = View(None, genesis_changes(genesis, active_applications(genesis, installed(), 0)))
    assert chain == network.chain
    assert set(active_members(view)) == set(MEMBERS)
    powers = {str(member): row for (member,), row in view.scan(VALIDATORS)}
    assert {row.power for row in powers.values()} == {10}
    assert {one: row.public for one, row in powers.items()} == {
        card.face.member: card.validator_key() for card in cards(network)
    }


def test_each_member_s_folder_holds_all_it_needs_and_nothing_of_the_others(
    network: Network,
) -> None:
    for member in MEMBERS:
        home = network.home(member)
        node, gateway = load_node(network.node_homes[member]), load_gateway(home)
        assert (node.member, node.engine, gateway.member) == (member, "cometbft", member)
        assert gateway.node == network.nodes[member] == f"http://127.0.0.1:{node.port}"
        assert (home / gateway.ledger).resolve() == (home / "node" / node.ledger).resolve()
        assert len(node.cosigners) == len(node.engine_peers) == 3
        assert network.nodes[member] not in node.cosigners
        own = load_card(home / CARD_FILE)
        assert own.peer not in node.engine_peers
        for text in (*node.receipt_keys, node.consensus_key, node.engine_key, node.genesis):
            assert home.resolve() in (home / "node" / str(text)).resolve().parents
    ports = [load_node(home).port for home in network.node_homes.values()]
    ports += [load_gateway(network.home(one)).port for one in MEMBERS]
    ports += [int(load_node(home).engine_listen[-4:]) for home in network.node_homes.values()]
    assert len(set(ports)) == 12


def test_three_of_four_are_believed_together(network: Network) -> None:
    for path in (network.trust_file, network.home("payer") / "trust.json"):
        trust = parse_trust(path.read_bytes())
        assert (trust.chain, trust.threshold) == (network.chain.hex(), 3)
        assert {one.member for one in trust.members} == set(MEMBERS)


def test_the_same_cards_in_any_order_make_the_same_genesis(network: Network) -> None:
    data = (network.folder / "genesis.json").read_bytes()
    assert again(network, cards(network)) == data
    assert again(network, cards(network)[::-1]) == data


def test_a_validator_s_key_used_twice_is_refused(network: Network, tmp_path: Path) -> None:
    first = cards(network)[0]
    second = make_card(
        tmp_path / "lab",
        member="lab",
        name="Lab",
        roles=("laboratory",),
        gateway="http://h:1",
        node="http://h:2",
        engine="h:3",
    )
    keys = (*second.face.keys[:-1], first.face.keys[-1])
    twin = msgspec.structs.replace(second, face=msgspec.structs.replace(second.face, keys=keys))
    with pytest.raises(BadConfiguration, match="lab and hospital have the same consensus key"):
        again(network, [first, twin])


def test_a_member_there_twice_or_without_a_vote_is_refused(network: Network) -> None:
    first = cards(network)[0]
    with pytest.raises(BadConfiguration, match="hospital is admitted twice"):
        again(network, [first, first])
    mute = msgspec.structs.replace(first.face, keys=first.face.keys[:-1])
    with pytest.raises(BadCard, match="needs one consensus key"):
        again(network, [msgspec.structs.replace(first, face=mute)])


def test_another_network_s_genesis_is_refused(network: Network, tmp_path: Path) -> None:
    other = found_consortium(
        tmp_path / "other", [founder(one) for one in MEMBERS], name="other", time=TIME
    )
    home = other.home("clinic")
    before = (home / "node" / "node.toml").read_bytes()
    with pytest.raises(BadConfiguration, match="wrong genesis: it admits clinic with other keys"):
        settle(home, (network.folder / "genesis.json").read_bytes(), cards(network), Doors())
    assert (home / "node" / "node.toml").read_bytes() == before


def test_a_newcomer_is_configured_for_a_network_that_began_without_it(
    network: Network, tmp_path: Path
) -> None:
    home = tmp_path / "lab"
    make_card(
        home,
        member="lab",
        name="Lab",
        roles=("laboratory",),
        gateway="https://gateway.lab.example",
        node="https://node.lab.example",
        engine="node.lab.example:7420",
    )
    doors = Doors(host="0.0.0.0", node_port=8001, gateway_port=8002, engine="0.0.0.0:8003")
    settle(home, (network.folder / "genesis.json").read_bytes(), cards(network), doors)
    node, gateway = load_node(home / "node"), load_gateway(home)
    assert len(node.engine_peers) == len(node.cosigners) == 4
    assert (gateway.node, node.engine_listen) == ("http://127.0.0.1:8001", "0.0.0.0:8003")
    assert parse_trust((home / "trust.json").read_bytes()).threshold == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hospital", Founder(id="hospital", name="Hospital", roles=("provider",))),
        (
            "corner-pharmacy",
            Founder(id="corner-pharmacy", name="Corner Pharmacy", roles=("pharmacy",)),
        ),
        ("labour-ward", Founder(id="labour-ward", name="Labour Ward", roles=("provider",))),
        ("city-lab", Founder(id="city-lab", name="City Lab", roles=("laboratory",))),
        ("payer", Founder(id="payer", name="Payer", roles=("payer",))),
        (
            "unity:Unity Health:payer,provider",
            Founder(id="unity", name="Unity Health", roles=("payer", "provider")),
        ),
    ],
)
def test_who_a_member_is_follows_from_its_id_or_is_said(text: str, expected: Founder) -> None:
    assert founder(text) == expected


@pytest.mark.parametrize("text", ["unity:Unity Health", "unity::payer", ":x:y", "a:b:c:d"])
def test_half_a_description_is_refused(text: str) -> None:
    with pytest.raises(BadConfiguration, match="neither ID nor ID:NAME:ROLES"):
        founder(text)


def test_what_cannot_be_founded_leaves_nothing_behind(tmp_path: Path) -> None:
    many = [founder(f"member-{number}") for number in range(11)]
    for founders, says in (
        ([], "at least one"),
        (many, "at most 10"),
        ([many[0]] * 2, "only once"),
    ):
        with pytest.raises(BadConfiguration, match=says):
            found_consortium(tmp_path / "net", founders, name="trial", time=TIME)
        assert not (tmp_path / "net").exists()


def test_a_trust_file_may_ask_for_fewer(network: Network) -> None:
    _, genesis = load_genesis((network.folder / "genesis.json").read_bytes())
    assert trust_of(network.chain, founding_members(genesis).values(), 2).threshold == 2
