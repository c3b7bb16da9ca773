"""Founding a network in which each member has a node: cards in, genesis and configurations out.

Every member makes its keys at home and gives away its card. From the same cards, name and time
anybody makes the same genesis file, so that each member can see for itself what it agrees to.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from careledger.apps import installed
from careledger.apps.governance.commands import MemberAdmitted, PowerSet
from careledger.ledger.genesis import (
    Genesis,
    active_applications,
    genesis_changes,
    load_genesis,
)
from careledger.ledger.membership import NetworkParameters
from careledger.ledger.record import Digest, Instant
from careledger.ledger.signature import PublicKey
from careledger.node.card import CARD_FILE, NODE_FOLDER, Card, load_card, make_card
from careledger.node.config import (
    GATEWAY_FILE,
    NODE_FILE,
    BadConfiguration,
    GatewayConfig,
    NodeConfig,
    format_toml,
)
from careledger.node.founding import (
    FIRST_PORT,
    GENESIS_FILE,
    MEMBERS_FOLDER,
    TRUST_FILE,
    Founder,
    Network,
    check_founders,
    make_genesis,
)
from careledger.node.member_keys import (
    CHECKPOINT_KEY,
    CONSENSUS_KEY,
    ENGINE_KEY,
    ORGANISATION_KEY,
    RECEIPT_KEYS,
    SEALING_KEY,
    TRANSACTION_KEY,
)
from careledger.verify.trust import Trust, format_trust, make_trust

POWER = 10
"""Of each validator at the start: equal, and a vote can move a tenth of it."""

GATEWAY_OFFSET, ENGINE_OFFSET = 10, 20
MOST_ON_ONE_MACHINE = 10
"""The ports of nodes, gateways and engines begin at the first, ten above and twenty above it."""

ROLES: tuple[tuple[str, str], ...] = (
    ("pharmacy", "pharmacy"),
    ("payer|insurer|insurance|health-plan", "payer"),
    ("laboratory|lab", "laboratory"),
    ("manufacturer", "manufacturer"),
    ("distributor|wholesaler", "distributor"),
    ("sponsor", "sponsor"),
    ("research|university", "research"),
    ("regulator|authority", "regulator"),
    ("public-health", "public-health"),
    ("exchange", "exchange"),
)
"""What a member is taken for if only its id is given: the first that stands in it as words."""


def founder(text: str) -> Founder:
    """Who `ID` or `ID:NAME:ROLE,ROLE` is; a bare id names itself, and is a provider by default.

    Raises:
        BadConfiguration: it is neither.
    """
    id_, *rest = text.split(":")
    if not rest:
        named = (role for words, role in ROLES if re.search(rf"(^|-)({words})(-|$)", id_))
        name = id_.replace("-", " ").title()
        return Founder(id=id_, name=name, roles=(next(named, "provider"),))
    if len(rest) != 2 or not all((id_, *rest)):  # noqa: PLR2004 - name and roles
        raise BadConfiguration(
            f"{text!r} is neither ID nor ID:NAME:ROLES, such as "
            f"`riverside:Riverside Hospital:provider`"
        )
    return Founder(id=id_, name=rest[0], roles=tuple(rest[1].split(",")))


def genesis_of(
    cards: Sequence[Card], *, name: str, time: Instant, parameters: NetworkParameters
) -> bytes:
    """The genesis file of the network of these members, each with equal power over blocks.

    Raises:
        BadCard: a card has no consensus key.
        BadConfiguration: they could not begin: a member or a validator's key is there twice.
    """
    cards = sorted(cards, key=lambda card: card.face.member)
    for card in cards:
        card.validator_key()
    admitted = [card.admitted(time) for card in cards]
    powers = [PowerSet(member=card.face.member, power=POWER) for card in cards]
    return make_genesis(name, time, parameters, [*admitted, *powers])


def founding_members(genesis: Genesis) -> dict[str, MemberAdmitted]:
    """Whom a genesis file admits."""
    found: dict[str, MemberAdmitted] = {}
    for event in genesis.events:
        if msgspec.json.decode(event.event, type=_Tagged).type == "member-admitted":
            admitted = msgspec.json.decode(event.event, type=MemberAdmitted)
            found[admitted.member] = admitted
    return found


class _Tagged(msgspec.Struct):
    type: str


def trust_of(
    chain: Digest, members: Collection[MemberAdmitted], threshold: int | None = None
) -> Trust:
    """That more than two thirds of them, or `threshold`, are believed together."""
    keys = [
        (event.member, key.use, PublicKey(algorithm=key.algorithm, public=key.public))
        for event in members
        for key in event.keys
        if key.algorithm == "EdDSA" or key.algorithm == "ES256"  # noqa: PLR1714 - narrows the type
    ]
    return make_trust(chain, threshold or len(members) * 2 // 3 + 1, keys)


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Where one member's programs listen on its machine; others reach them as its card says."""

    host: str = "127.0.0.1"
    node_port: int = FIRST_PORT
    gateway_port: int = FIRST_PORT + GATEWAY_OFFSET
    engine: str = f"127.0.0.1:{FIRST_PORT + ENGINE_OFFSET}"


def settle(home: Path, genesis_file: bytes, cards: Sequence[Card], doors: Doors) -> None:
    """Write the configurations of a member's node and gateway, for the network of these members.

    What is configured is replaced; keys, ledger and vault are left alone.

    Whoever was not there at the start is configured like everybody: the vote that lets it in, and
    gives it power over blocks, is on the ledger.

    Raises:
        BadCard: the member's own card is not in its home.
        BadConfiguration: the genesis file admits one of them with other keys than its card has.
        BadGenesis: no network can begin with the genesis file.
    """
    own = load_card(home / CARD_FILE)
    chain, genesis = load_genesis(genesis_file)
    genesis_changes(genesis, active_applications(genesis, installed(), 0))
    admitted = founding_members(genesis)
    others = [card for card in cards if card.face.member != own.face.member]
    for card in (own, *others):
        member = card.face.member
        if member in admitted and admitted[member].keys != card.face.keys:
            raise BadConfiguration(
                f"wrong genesis: it admits {member} with other keys than those on its card. Get "
                f"the genesis file and the cards again from whoever founded the network"
            )
    (home / GENESIS_FILE).write_bytes(genesis_file)
    (home / TRUST_FILE).write_text(format_trust(trust_of(chain, admitted.values())))
    node, gateway = _configurations(own, others, doors)
    (home / NODE_FOLDER / NODE_FILE).write_text(format_toml(node))
    (home / GATEWAY_FILE).write_text(format_toml(gateway))


def _configurations(
    own: Card, others: Sequence[Card], doors: Doors
) -> tuple[NodeConfig, GatewayConfig]:
    node = NodeConfig(
        member=own.face.member,
        genesis=f"../{GENESIS_FILE}",
        ledger="ledger",
        checkpoint_key=CHECKPOINT_KEY,
        receipt_keys=RECEIPT_KEYS,
        host=doors.host,
        port=doors.node_port,
        cosigners=tuple(card.face.node for card in others),
        engine="cometbft",
        engine_listen=doors.engine,
        engine_peers=tuple(card.peer for card in others),
        consensus_key=CONSENSUS_KEY,
        engine_key=ENGINE_KEY,
    )
    gateway = GatewayConfig(
        member=own.face.member,
        genesis=GENESIS_FILE,
        ledger=f"{NODE_FOLDER}/ledger",
        node=f"http://{_local(doors.host)}:{doors.node_port}",
        vault="vault",
        transaction_key=TRANSACTION_KEY,
        sealing_key=SEALING_KEY,
        organisation_key=ORGANISATION_KEY,
        host=doors.host,
        port=doors.gateway_port,
    )
    return node, gateway


def _local(host: str) -> str:
    """How the gateway beside it reaches a node that listens at `host`."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - looked up, not opened
    return everywhere.get(host, host)


def found_consortium(
    folder: Path,
    founders: Sequence[Founder],
    *,
    name: str,
    time: Instant,
    parameters: NetworkParameters | None = None,
    first_port: int = FIRST_PORT,
) -> Network:
    """Play every member on this machine: a home with a node, an engine and a gateway for each.

    Raises:
        BadConfiguration: the folder is in use, or the founders could not act.
    """
    check_founders(folder, founders)
    if len(founders) > MOST_ON_ONE_MACHINE:
        raise BadConfiguration(f"at most {MOST_ON_ONE_MACHINE} members fit on one machine's ports")
    doors = {
        founder.id: Doors(
            node_port=first_port + number,
            gateway_port=first_port + GATEWAY_OFFSET + number,
            engine=f"127.0.0.1:{first_port + ENGINE_OFFSET + number}",
        )
        for number, founder in enumerate(founders)
    }
    homes = {founder.id: folder / MEMBERS_FOLDER / founder.id for founder in founders}
    cards = [_card(homes[founder.id], founder, doors[founder.id]) for founder in founders]
    genesis_file = genesis_of(
        cards, name=name, time=time, parameters=parameters or NetworkParameters()
    )
    chain, genesis = load_genesis(genesis_file)
    for member, home in homes.items():
        settle(home, genesis_file, cards, doors[member])
    (folder / GENESIS_FILE).write_bytes(genesis_file)
    (folder / TRUST_FILE).write_text(
        format_trust(trust_of(chain, founding_members(genesis).values()))
    )
    return Network(
        folder=folder,
        chain=chain,
        node_homes={member: home / NODE_FOLDER for member, home in homes.items()},
        nodes={card.face.member: card.face.node for card in cards},
        gateways={card.face.member: card.face.gateway for card in cards},
    )


def _card(home: Path, founder: Founder, doors: Doors) -> Card:
    return make_card(
        home,
        member=founder.id,
        name=founder.name,
        roles=founder.roles,
        gateway=f"http://{doors.host}:{doors.gateway_port}",
        node=f"http://{doors.host}:{doors.node_port}",
        engine=doors.engine,
    )
