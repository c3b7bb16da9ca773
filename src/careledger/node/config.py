"""What only this machine knows: `node.toml` and `gateway.toml`. Unknown keys are refused."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from careledger.ledger.errors import LedgerError
from careledger.ledger.record import MemberName, Record
from careledger.node.logs import LogFormat

NODE_FILE, GATEWAY_FILE = "node.toml", "gateway.toml"

OrderWith = Literal["solo", "cometbft"]

Address = Annotated[str, msgspec.Meta(pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.\-]+):[0-9]{1,5}\Z")]
"""HOST:PORT."""

EnginePeer = Annotated[
    str,
    msgspec.Meta(pattern=r"^[0-9a-f]{40}@(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.\-]+):[0-9]{1,5}\Z"),
]
"""ID@HOST:PORT, as a card has it."""

Port = Annotated[int, msgspec.Meta(ge=1, lt=65_536)]

T = TypeVar("T")


class BadConfiguration(LedgerError):
    """A configuration file is missing or wrong; the message names the first wrong key."""


class NodeConfig(Record):
    """One node. Paths are relative to the file's folder."""

    member: MemberName
    """Which member operates it: its checkpoint key signs."""
    genesis: str
    ledger: str
    checkpoint_key: str
    receipt_keys: tuple[str, ...]
    host: str = "127.0.0.1"
    port: Port = 7400
    workers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 1
    """Processes that check signatures; 0 checks them in a thread."""
    cosigners: tuple[str, ...] = ()
    """URLs of the other members' nodes, whose signatures on checkpoints are gathered, and from
    which the past is fetched if this node began from a snapshot."""
    followers: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 64
    """How many may follow the log over an open connection at a time."""
    metrics_host: str = "127.0.0.1"
    metrics_port: Port | None = None
    """Where metrics have a door of their own; else the node API serves them, to this machine."""
    log: LogFormat = "text"
    """What standard error gets: lines for people, or a JSON object a line."""
    snapshot_every: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] = 10_000
    """Heights from one snapshot for nodes that join to the next; 0 takes none."""
    snapshots_kept: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    engine: OrderWith = "solo"
    """Who orders: this node alone, or the validators of the network together."""
    engine_home: str = "engine"
    engine_program: str | None = None
    """The engine to run; without it the project's own, else the one on PATH."""
    engine_listen: Address = "127.0.0.1:7420"
    """HOST:PORT where the other members' engines reach this one's."""
    engine_peers: tuple[EnginePeer, ...] = ()
    """ID@HOST:PORT of theirs."""
    engine_silent_blocks: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 10
    """A home that never voted waits until its key was silent for so many blocks."""
    consensus_key: str | None = None
    """Key file with which the engine votes on blocks: the member's registered consensus key."""
    engine_key: str | None = None
    """Key file with which the engine connects to others."""


class GatewayConfig(Record):
    """One organisation's gateway. Paths are relative to the file's folder."""

    member: MemberName
    genesis: str
    ledger: str
    """The node's ledger folder on this machine, read directly."""
    node: str
    """URL of the node, where transactions go."""
    vault: str
    transaction_key: str
    sealing_key: str
    organisation_key: str
    host: str = "127.0.0.1"
    port: Port = 7410
    tls_certificate: str | None = None
    """Certificate and chain in PEM; with `tls_key` the doors speak TLS, without them HTTP."""
    tls_key: str | None = None
    client_authorities: str | None = None
    """Authorities in PEM that sign clients' certificates; then every client must show one."""
    peer_authorities: str | None = None
    """Authorities in PEM by which other gateways are trusted, beside those of the system."""
    cors_origins: tuple[str, ...] = ()
    """Origins of pages that may call from a browser; `*` is any."""
    workers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 1
    """Processes that check bundles; 0 checks them in a thread."""
    federated_source_s: Annotated[int, msgspec.Meta(ge=1, le=120)] = 10
    """How long one organisation may take over a question that goes to many."""
    federated_total_s: Annotated[int, msgspec.Meta(ge=1, le=120)] = 20
    """How long all of them may take together."""
    index: Literal["small", "all"] = "all"
    """Which search parameters are indexed; `careledger gateway reindex` after a change."""
    postgres: str | None = None
    """A file with the connection string of the database that holds the sealed records."""
    postgres_keys: str | None = None
    """Likewise for the wrapped keys, which are in keys.sqlite otherwise."""
    clients: str | None = None
    """The applications that people and programs of the organisation may use (TOML)."""
    staff: str | None = None
    """Who the staff is at the identity provider, and in which role (TOML)."""
    identity_provider: str | None = None
    """Issuer of the OpenID Connect provider where the staff signs in."""
    identity_provider_client: str = "careledger"
    identity_provider_secret: str | None = None
    """File with the gateway's secret at the provider."""
    upstream: str | None = None
    """Base URL of the organisation's own FHIR server; with it, bodies stay there."""
    upstream_headers: str | None = None
    """File of headers to send there, one `Name: value` on a line."""
    upstream_token_url: str | None = None
    """Where that server's access tokens come from (OAuth 2.0 client credentials)."""
    upstream_client: str | None = None
    upstream_secret: str | None = None
    """File with the secret of `upstream_client`."""
    upstream_timeout_s: Annotated[int, msgspec.Meta(ge=1, le=20)] = 10
    """How long that server may take."""
    upstream_poll_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 5
    """How long after a look for changes there the next one begins."""
    log: LogFormat = "text"
    """What standard error gets: lines for people, or a JSON object a line."""
    shadow: bool = False
    """Pass everything through to `upstream` unfiltered, and report what would be refused."""


def load_node(home: Path) -> NodeConfig:
    """The node's configuration in the folder `home`.

    Raises:
        BadConfiguration: missing, not TOML, an unknown key or a wrong value.
    """
    return _load(home / NODE_FILE, NodeConfig)


def load_gateway(home: Path) -> GatewayConfig:
    """The gateway's configuration in the folder `home`.

    Raises:
        BadConfiguration: missing, not TOML, an unknown key or a wrong value.
    """
    return _load(home / GATEWAY_FILE, GatewayConfig)


def _load(path: Path, type_: type[T]) -> T:
    try:
        with path.open("rb") as file:
            return msgspec.convert(tomllib.load(file), type_)
    except FileNotFoundError as error:
        raise BadConfiguration(f"no {path}: `careledger init` makes one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise BadConfiguration(f"{path}: {error}") from error


def format_toml(config: Record) -> str:
    """The file that loads as `config`: text, whole numbers, lists of text; None is left out."""
    lines: list[str] = []
    for name, value in msgspec.to_builtins(config).items():
        if value is None:
            continue
        lines.append(f"{name} = {msgspec.json.encode(value).decode()}")
    return "\n".join(lines) + "\n"
