"""Which engine a node orders with, as its configuration says, made ready to start."""

from collections.abc import Callable, Mapping
from pathlib import Path

from careledger.apps import installed
from careledger.consensus.chain import Chain
from careledger.consensus.cometbft.engine import CometEngine
from careledger.consensus.cometbft.genesis import engine_genesis
from careledger.consensus.cometbft.home import (
    BadEngineHome,
    EngineHome,
    EngineSettings,
    write_home,
)
from careledger.consensus.cometbft.home import StateSync as EngineStart
from careledger.consensus.cometbft.pair import Pair, rpc_client
from careledger.consensus.cometbft.process import EngineProcess
from careledger.consensus.cometbft.program import find_engine
from careledger.consensus.cometbft.snapshot_calls import Snapshots
from careledger.consensus.engine import Engine
from careledger.consensus.solo import SoloEngine
from careledger.consensus.verification import Workers
from careledger.ledger.genesis import active_applications, genesis_changes
from careledger.ledger.record import Instant
from careledger.ledger.state import View
from careledger.node.config import BadConfiguration, NodeConfig
from careledger.node.listening import check_free
from careledger.vault.keyfile import load_signing_key


def make_engine(
    home: Path,
    config: NodeConfig,
    chain: Chain,
    *,
    clock: Callable[[], Instant],
    workers: Workers | None,
    snapshots: Snapshots | None = None,
    start: EngineStart | None = None,
) -> Engine:
    """The engine that orders for `chain`; whoever starts it closes it.

    Raises:
        BadEngineHome: its home is another chain's, or lacks what the ledger has.
        BadConfiguration: it needs keys that are not configured.
        NoEngine: the engine program is not here, or is of another version.
        PortTaken: another program answers where the engine should.
        WrongGenesis: nobody in the genesis file has power over blocks.
    """
    match config.engine:
        case "solo":
            return SoloEngine(chain, clock=clock, workers=workers)
        case "cometbft":
            return _pair(home, config, chain, clock, workers, snapshots, start)


def engine_facts(engine: Engine) -> Mapping[str, object]:
    """What the health page says of the engine."""
    return engine.facts() if isinstance(engine, Pair) else {"name": "solo"}


def _pair(
    home: Path,
    config: NodeConfig,
    chain: Chain,
    clock: Callable[[], Instant],
    workers: Workers | None,
    snapshots: Snapshots | None,
    start: EngineStart | None,
) -> Pair:
    if config.consensus_key is None or config.engine_key is None:
        raise BadConfiguration(
            "engine cometbft needs `consensus_key` and `engine_key` in node.toml: `careledger "
            "network card` makes the keys, and `careledger network configure` the file"
        )
    program = find_engine(home / config.engine_program if config.engine_program else None)
    consensus = load_signing_key(home / config.consensus_key)
    peer = load_signing_key(home / config.engine_key)
    check_free(*_address(config.engine_listen), "engine_listen")
    settings = EngineSettings(
        name=config.member,
        listen=config.engine_listen,
        peers=config.engine_peers,
        silent_blocks=config.engine_silent_blocks,
        sync=start,
    )
    genesis = _genesis(chain)
    engine_home = EngineHome((home / config.engine_home).resolve())

    if chain.store.latest.height and not (engine_home.data / "blockstore.db").exists():
        raise BadEngineHome(
            f"{home / config.ledger} has blocks and the engine has none: it would begin with the "
            f"first one. Put {engine_home.data} back, or let both begin together: `careledger node "
            f"set-aside {home}` moves the ledger away and says what comes next"
        )

    def prepare() -> None:
        write_home(engine_home, settings, genesis=genesis, consensus=consensus, peer=peer)

    prepare()
    rpc = rpc_client(engine_home)
    application = CometEngine(
        chain,
        clock=clock,
        socket=engine_home.application_socket,
        rpc=rpc,
        workers=workers,
        snapshots=snapshots,
    )
    return Pair(application, EngineProcess(program, engine_home, prepare), rpc, settings.peers)


def _genesis(chain: Chain) -> bytes:
    """The engine's genesis file, made of what the ledger was before its first block."""
    applications = active_applications(chain.genesis, installed(), 0)
    view = View(None, genesis_changes(chain.genesis, applications))
    return engine_genesis(chain.id, chain.genesis, view)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
