"""Founding a network: everyone's keys, the genesis file, a node's home and a home each member.

It is run once, by one person, for networks whose members share a machine (a trial, the demo). A
real consortium makes each member's keys at that member; only public halves meet in genesis.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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
from careledger.ledger.record import MEMBER_ID, Digest, Instant
from careledger.ledger.signature import Algorithm, PublicKey, SigningKey
from careledger.node.config import (
    GATEWAY_FILE,
    NODE_FILE,
    BadConfiguration,
    GatewayConfig,
    NodeConfig,
    format_toml,
)
from careledger.vault.keyfile import save_key
from careledger.vault.keystore import FileKeyStore
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
    node_home: Path
    node_url: str
    gateways: dict[str, str]
    """Member to the URL of its gateway."""

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
    if folder.exists() and any(folder.iterdir()):
        raise BadConfiguration(f"{folder} is not empty: choose another folder")
    _check(founders)
    node_url = f"http://127.0.0.1:{first_port}"
    gateways = {
        founder.id: f"http://127.0.0.1:{first_port + 10 + number}"
        for number, founder in enumerate(founders)
    }
    vouching = _node_keys(folder / NODE_FOLDER / "keys")
    events = tuple(
        _admit(folder, founder, gateways[founder.id], time, vouching if number == 0 else ())
        for number, founder in enumerate(founders)
    )
    genesis_file = _genesis(name, time, parameters or NetworkParameters(), events)
    chain, _ = load_genesis(genesis_file)
    (folder / GENESIS_FILE).write_bytes(genesis_file)
    (folder / TRUST_FILE).write_text(format_trust(_trust(chain, founders[0], vouching)))
    _configure(folder, founders, first_port, node_url)
    return Network(
        folder=folder,
        chain=chain,
        node_home=folder / NODE_FOLDER,
        node_url=node_url,
        gateways=gateways,
    )


def _check(founders: Sequence[Founder]) -> None:
    for founder in founders:
        if not MEMBER_ID.fullmatch(founder.id):
            raise BadConfiguration(f"{founder.id!r} is no member id: a-z, 0-9 and -, 2 to 40 long")
    if not founders or len({founder.id for founder in founders}) != len(founders):
        raise BadConfiguration("name at least one member, and each only once")


def _node_keys(folder: Path) -> tuple[PublishedKey, ...]:
    """The keys a node vouches with: one for checkpoints, two for receipts."""
    folder.mkdir(parents=True, mode=0o700)
    checkpoint = _signing_key(folder / "checkpoint.key", "EdDSA")
    receipts = [_signing_key(folder / f"receipt-{a.lower()}.key", a) for a in _RECEIPTS]
    return (
        PublishedKey(use="checkpoint", algorithm="EdDSA", public=checkpoint.public),
        *(
            PublishedKey(use="receipt", algorithm=key.algorithm, public=key.public)
            for key in receipts
        ),
    )


_RECEIPTS: tuple[Algorithm, ...] = ("EdDSA", "ES256")


def _signing_key(path: Path, algorithm: Algorithm) -> PublicKey:
    seed = secrets.token_bytes(32)
    save_key(path, algorithm, seed)
    return SigningKey(algorithm, seed).public


def _admit(
    folder: Path, founder: Founder, gateway: str, time: Instant, more: tuple[PublishedKey, ...]
) -> MemberAdmitted:
    keys = folder / MEMBERS_FOLDER / founder.id / "keys"
    keys.mkdir(parents=True, mode=0o700)
    signing = _signing_key(keys / "transaction.key", "EdDSA")
    client = _signing_key(keys / "client.key", "ES256")
    sealing = X25519PrivateKey.generate()
    save_key(keys / "sealing.key", "X25519", sealing.private_bytes_raw())
    FileKeyStore.create(keys / "organisation.key")
    public = sealing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return MemberAdmitted(
        member=founder.id,
        name=founder.name,
        roles=founder.roles,
        keys=(
            PublishedKey(use="transaction", algorithm="EdDSA", public=signing.public),
            PublishedKey(use="client", algorithm="ES256", public=client.public),
            PublishedKey(use="sealing", algorithm="X25519", public=public),
            *more,
        ),
        at=time,
        gateway=gateway,
    )


def _genesis(
    name: str, time: Instant, parameters: NetworkParameters, events: tuple[MemberAdmitted, ...]
) -> bytes:
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
        checkpoint_key="keys/checkpoint.key",
        receipt_keys=tuple(f"keys/receipt-{algorithm.lower()}.key" for algorithm in _RECEIPTS),
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
            transaction_key="keys/transaction.key",
            sealing_key="keys/sealing.key",
            organisation_key="keys/organisation.key",
            port=first_port + 10 + number,
        )
        (home / GATEWAY_FILE).write_text(format_toml(gateway))
