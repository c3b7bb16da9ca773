"""What only this machine knows: `node.toml` and `gateway.toml`. Unknown keys are refused."""

import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from careledger.ledger.errors import LedgerError
from careledger.ledger.record import MemberName, Record

NODE_FILE, GATEWAY_FILE = "node.toml", "gateway.toml"

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
    """The file that loads as `config`; values are text, whole numbers and lists of text."""
    lines: list[str] = []
    for name, value in msgspec.to_builtins(config).items():
        lines.append(f"{name} = {msgspec.json.encode(value).decode()}")
    return "\n".join(lines) + "\n"
