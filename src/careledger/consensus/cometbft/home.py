"""An engine's home on disk, written from the node's own configuration each time it starts.

Only `data` is the engine's: blocks, votes, and what its validator signed last. Everything in
`config` is derived, so that nothing can be said in two places.
"""

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from careledger.ledger.errors import LedgerError
from careledger.ledger.membership import consensus_address
from careledger.ledger.signature import SigningKey
from careledger.ledger.transaction import MAX_TRANSACTION_BYTES
from careledger.vault.keystore import write_private

EMPTY_BLOCK_S = 5
"""How long a quiet chain waits before an empty block moves its time on, as the solo engine does."""

MOST_SOCKET_PATH = 100
"""Bytes that a socket's path may have: 103 on macOS, 107 on Linux."""

_FIRST_STATE = {"height": "0", "round": 0, "step": 0}


class BadEngineHome(LedgerError):
    """The engine's home is another chain's, or lacks what keeps its validator from voting twice."""


@dataclass(frozen=True, kw_only=True)
class StateSync:
    """How a newcomer takes the state from others instead of replaying every block."""

    servers: tuple[str, ...]
    """Two or more, URLs of other engines' RPC, by which a light client follows the chain."""
    height: int
    hash: bytes
    trust_s: int = 7 * 86_400


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """What one node's engine is told."""

    name: str
    """What it calls itself toward others: the member."""
    listen: str
    """HOST:PORT where the other members' engines reach it."""
    peers: tuple[str, ...]
    """ID@HOST:PORT of theirs."""
    silent_blocks: int = 10
    """A home that never voted waits until its key was silent for so long: another may have it."""
    sync: StateSync | None = None


@dataclass(frozen=True)
class EngineHome:
    """Where things lie in one engine's home."""

    folder: Path

    @property
    def config(self) -> Path:
        """Derived files."""
        return self.folder / "config"

    @property
    def data(self) -> Path:
        """What only the engine writes."""
        return self.folder / "data"

    @property
    def genesis(self) -> Path:
        """The chain in the engine's words."""
        return self.config / "genesis.json"

    @property
    def validator_state(self) -> Path:
        """What its validator voted for last: with another file it could vote twice."""
        return self.data / "priv_validator_state.json"

    @property
    def log(self) -> Path:
        """What the engine says."""
        return self.folder / "engine.log"

    @property
    def application_socket(self) -> Path:
        """Where the application answers the engine."""
        return self._sockets / "application.sock"

    @property
    def rpc_socket(self) -> Path:
        """Where the engine answers this node, and nobody else."""
        return self._sockets / "rpc.sock"

    @property
    def _sockets(self) -> Path:
        """The folder itself; one in the system's temporary folder if its path is too long."""
        if len(os.fsencode(self.folder / "application.sock")) <= MOST_SOCKET_PATH:
            return self.folder
        name = hashlib.sha256(os.fsencode(self.folder.resolve())).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"careledger-{os.getuid()}-{name}"

    def has_voted(self) -> bool:
        """Whether its validator ever voted from this home."""
        return self.last_vote() > 0

    def last_vote(self) -> int:
        """The height of the block on which its validator voted last from this home; 0: none.

        The engine writes it down before the vote leaves, so no vote from here is above it.

        Raises:
            BadEngineHome: the file is missing or damaged.
        """
        try:
            return int(json.loads(self.validator_state.read_bytes())["height"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadEngineHome(
                f"{self.validator_state} is missing or damaged, and without it this validator "
                f"might vote twice. Put it back, or begin anew with `careledger node set-aside`"
            ) from error


def peer_id(key: SigningKey) -> str:
    """How engines name one another: the address of the key that they connect with."""
    return consensus_address(key.public.public).hex()


def write_home(
    home: EngineHome,
    settings: EngineSettings,
    *,
    genesis: bytes,
    consensus: SigningKey,
    peer: SigningKey,
) -> None:
    """Write what is derived; `data` is begun if there is none, and else left alone.

    Raises:
        BadEngineHome: it is another chain's, or its validator's state is missing.
    """
    _make_private(home.folder)
    _make_private(home.application_socket.parent)
    home.config.mkdir(mode=0o700, exist_ok=True)
    _check_chain(home, genesis)
    if not home.data.exists():
        home.data.mkdir(mode=0o700)
        write_private(home.validator_state, _json(_FIRST_STATE))
    write_private(home.genesis, genesis)
    write_private(home.config / "node_key.json", _json({"priv_key": _private(peer)}))
    write_private(home.config / "priv_validator_key.json", _json(_validator_key(consensus)))
    text = format_sections(_configuration(home, settings))
    write_private(home.config / "config.toml", text.encode())


def _make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter, or see that it is one.

    Raises:
        BadEngineHome: others may enter it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise BadEngineHome(f"others may enter {folder}: chmod 700 {folder}")


def _check_chain(home: EngineHome, genesis: bytes) -> None:
    """The engine keeps the genesis that it began with, whatever a later file says."""
    if not home.genesis.exists():
        return
    before, now = _chain(home.genesis.read_bytes()), _chain(genesis)
    if before != now:
        raise BadEngineHome(
            f"wrong genesis: {home.folder} is the engine of chain {before}, and the genesis file "
            f"is that of {now}. Put the right genesis file back, or begin a new home"
        )


def _chain(genesis: bytes) -> str:
    try:
        return str(json.loads(genesis)["chain_id"])
    except (ValueError, KeyError, TypeError):
        return "(unreadable)"


def _private(key: SigningKey) -> Mapping[str, str]:
    """An Ed25519 key as Go has it: seed, then public key."""
    both = key.seed + key.public.public
    return {"type": "tendermint/PrivKeyEd25519", "value": base64.b64encode(both).decode()}


def _validator_key(key: SigningKey) -> Mapping[str, object]:
    public = key.public.public
    return {
        "address": consensus_address(public).hex().upper(),
        "pub_key": {
            "type": "tendermint/PubKeyEd25519",
            "value": base64.b64encode(public).decode(),
        },
        "priv_key": _private(key),
    }


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


Section = Mapping[str, str | int]
"""Truth values are whole numbers to Python, and `true` and `false` to JSON and TOML."""


def _configuration(home: EngineHome, settings: EngineSettings) -> Mapping[str, Section]:
    """By section; what is not said here is the engine's default."""
    return {
        "": {
            "proxy_app": f"unix://{home.application_socket}",
            "moniker": settings.name,
            "abci": "socket",
            "log_format": "json",
            "log_level": "p2p:info,blocksync:info,statesync:info,*:error",
        },
        "rpc": {
            "laddr": f"unix://{home.rpc_socket}",
            "max_request_batch_size": 1_000,
            "max_body_bytes": 32_000_000,
            # Nobody else reaches the socket; it lets the supervisor call peers that it lost.
            "unsafe": True,
        },
        "p2p": _peers(settings),
        "mempool": {
            "recheck": True,  # or what has expired stands there for ever, and is offered first
            "size": 50_000,
            "max_txs_bytes": 128_000_000,
            "cache_size": 100_000,
            "max_tx_bytes": MAX_TRANSACTION_BYTES,
        },
        "statesync": _state_sync(settings.sync),
        "consensus": {
            "timeout_propose": "1500ms",
            "timeout_propose_delta": "500ms",
            "timeout_commit": "50ms",
            "peer_gossip_sleep_duration": "20ms",
            "create_empty_blocks": False,
            "create_empty_blocks_interval": f"{EMPTY_BLOCK_S}s",
            "double_sign_check_height": 0 if home.has_voted() else settings.silent_blocks,
        },
        "tx_index": {"indexer": "null"},
        "instrumentation": {"prometheus": False},
    }


def _peers(settings: EngineSettings) -> Section:
    """Members know one another by configuration; nobody is told of anybody else."""
    return {
        "laddr": f"tcp://{settings.listen}",
        "persistent_peers": ",".join(settings.peers),
        "unconditional_peer_ids": ",".join(peer.partition("@")[0] for peer in settings.peers),
        "pex": False,
        "addr_book_strict": False,
        "allow_duplicate_ip": True,
        "send_rate": 51_200_000,
        "recv_rate": 51_200_000,
        "flush_throttle_timeout": "10ms",
    }


def _state_sync(sync: StateSync | None) -> Section:
    if sync is None:
        return {"enable": False}
    return {
        "enable": True,
        "rpc_servers": ",".join(sync.servers),
        "trust_height": sync.height,
        "trust_hash": sync.hash.hex().upper(),
        "trust_period": f"{sync.trust_s}s",
        "discovery_time": "5s",
    }


def format_sections(sections: Mapping[str, Section]) -> str:
    """TOML: text, whole numbers and truth values, in sections; the nameless one comes first."""
    lines = ["# Written from node.toml at each start: what is changed here is lost."]
    for name, values in sections.items():
        lines += ["", f"[{name}]"] if name else []
        lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _toml(value: str | int) -> str:
    """A JSON string is a TOML basic string, but for DEL, which TOML wants escaped (1.0, String)."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
