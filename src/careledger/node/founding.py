"""Founding a network on one node: everyone's keys, the genesis file, a node's home and a home each.

It is run once, by one person, for networks whose members share a machine (a trial, the demo). Where
each member has a node, `consortium` founds; there only public halves of keys meet in genesis.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from careledger.apps import installed
from careledger.apps.governance.commands import MemberAdmitted
from careledger.apps.governance.founding import founding_faults
from careledger.ledger.genesis import (
    Activation,
    Genesis,
    GenesisEvent,
    active_applications,
    genesis_changes,
    load_genesis,
)
from careledger.ledger.membership import NetworkParameters
from careledger.ledger.possession import PublishedKey
from careledger.ledger.record import MEMBER_ID, Digest, Instant, Record
from careledger.ledger.signature import PublicKey
from careledger.node.config import (
    GATEWAY_FILE,
    NODE_FILE,
    BadConfiguration,
    GatewayConfig,
    NodeConfig,
    format_toml,
)
from careledger.node.member_keys import (
    CHECKPOINT_KEY,
    ORGANISATION_KEY,
    RECEIPT_KEYS,
    SEALING_KEY,
    TRANSACTION_KEY,
    make_member_keys,
    make_node_keys,
)
from careledger.verify.trust import Trust, TrustedMember, format_trust

GENESIS_FILE, TRUST_FILE = "genesis.json", "trust.json"
NODE_FOLDER, MEMBERS_FOLDER = "node", "members"
FIRST_PORT = 7_400


@dataclass(frozen=True, kw_only=True)
class Founder:
    """An organisation that is a member from the start."""

    id: str
    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Network:
    """Where a founded network lies, and where its doors are."""

    folder: Path
    chain: Digest
    node_homes: dict[str, Path]
    """Member to the home of the node that it operates; not every member need have one."""
    nodes: dict[str, str]
    """Member to the URL of the node that its gateway uses: its own, if it has one."""
    gateways: dict[str, str]
    """Member to the URL of its gateway."""

    @property
    def node_home(self) -> Path:
        """The home of the first node."""
        return next(iter(self.node_homes.values()))

    @property
    def node_url(self) -> str:
        """The URL of the first node."""
        return next(iter(self.nodes.values()))

    def home(self, member: str) -> Path:
        """A member's home."""
        return self.folder / MEMBERS_FOLDER / member

    @property
    def trust_file(self) -> Path:
        """What `careledger-verify --trust` takes."""
        return self.folder / TRUST_FILE


def found(
    folder: Path,
    founders: Sequence[Founder],
    *,
    name: str,
    time: Instant,
    parameters: NetworkParameters | None = None,
    first_port: int = FIRST_PORT,
) -> Network:
    """Write a network of `founders` to `folder`; the first of them operates the node.

    Raises:
        BadConfiguration: the folder is in use, or the founders could not act.
    """
    check_founders(folder, founders)
    node_url = f"http://127.0.0.1:{first_port}"
    gateways = {
        founder.id: f"http://127.0.0.1:{first_port + 10 + number}"
        for number, founder in enumerate(founders)
    }
    vouching = make_node_keys(folder / NODE_FOLDER)
    events = tuple(
        MemberAdmitted(
            member=founder.id,
            name=founder.name,
            roles=founder.roles,
            keys=(
                *make_member_keys(folder / MEMBERS_FOLDER / founder.id),
                *(vouching if number == 0 else ()),
            ),
            at=time,
            gateway=gateways[founder.id],
        )
        for number, founder in enumerate(founders)
    )
    genesis_file = make_genesis(name, time, parameters or NetworkParameters(), events)
    chain, _ = load_genesis(genesis_file)
    (folder / GENESIS_FILE).write_bytes(genesis_file)
    (folder / TRUST_FILE).write_text(format_trust(_trust(chain, founders[0], vouching)))
    _configure(folder, founders, first_port, node_url)
    return Network(
        folder=folder,
        chain=chain,
        node_homes={founders[0].id: folder / NODE_FOLDER},
        nodes=dict.fromkeys(gateways, node_url),
        gateways=gateways,
    )


def check_founders(folder: Path, founders: Sequence[Founder]) -> None:
    """Refuse founders who could not act, before anything is written.

    Raises:
        BadConfiguration: the folder is in use, or a name is no member's or is given twice.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BadConfiguration(f"{folder} is not empty: choose another folder")
    for founder in founders:
        if not MEMBER_ID.fullmatch(founder.id):
            raise BadConfiguration(f"{founder.id!r} is no member id: a-z, 0-9 and -, 2 to 40 long")
    if not founders or len({founder.id for founder in founders}) != len(founders):
        raise BadConfiguration("name at least one member, and each only once")


def make_genesis(
    name: str, time: Instant, parameters: NetworkParameters, events: Sequence[Record]
) -> bytes:
    """The genesis file of a network that begins with these governance events.

    Raises:
        BadConfiguration: it would begin locked.
    """
    genesis = Genesis(
        name=name,
        time=time,
        activations=tuple(
            Activation(application=name, version=version) for name, version in sorted(installed())
        ),
        parameters=parameters,
        events=tuple(
            GenesisEvent(application="governance", event=msgspec.Raw(msgspec.json.encode(event)))
            for event in events
        ),
    )
    faults = founding_faults(events)
    if faults:
        raise BadConfiguration("; ".join(faults))
    genesis_changes(genesis, active_applications(genesis, installed(), 0))
    return msgspec.json.format(msgspec.json.encode(genesis), indent=2) + b"\n"


def _trust(chain: Digest, operator: Founder, keys: tuple[PublishedKey, ...]) -> Trust:
    return Trust(
        chain=chain.hex(),
        threshold=1,
        members=(
            TrustedMember(
                member=operator.id,
                checkpoint=tuple(key.public for key in keys if key.use == "checkpoint"),
                receipt=tuple(
                    PublicKey(algorithm=key.algorithm, public=key.public)  # type: ignore[arg-type] # receipt keys sign
                    for key in keys
                    if key.use == "receipt"
                ),
            ),
        ),
    )


def _configure(folder: Path, founders: Sequence[Founder], first_port: int, node_url: str) -> None:
    node = NodeConfig(
        member=founders[0].id,
        genesis=f"../{GENESIS_FILE}",
        ledger="ledger",
        checkpoint_key=CHECKPOINT_KEY,
        receipt_keys=RECEIPT_KEYS,
        port=first_port,
    )
    (folder / NODE_FOLDER / NODE_FILE).write_text(format_toml(node))
    for number, founder in enumerate(founders):
        home = folder / MEMBERS_FOLDER / founder.id
        gateway = GatewayConfig(
            member=founder.id,
            genesis=f"../../{GENESIS_FILE}",
            ledger=f"../../{NODE_FOLDER}/ledger",
            node=node_url,
            vault="vault",
            transaction_key=TRANSACTION_KEY,
            sealing_key=SEALING_KEY,
            organisation_key=ORGANISATION_KEY,
            port=first_port + 10 + number,
        )
        (home / GATEWAY_FILE).write_text(format_toml(gateway))
