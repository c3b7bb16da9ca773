"""Composition root of a node: its store, its engine and its HTTP API in one process."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette

from careledger.apps import installed
from careledger.consensus.chain import Chain
from careledger.consensus.cometbft.home import StateSync as EngineStart
from careledger.consensus.cometbft.pair import Pair
from careledger.consensus.engine import Engine
from careledger.consensus.verification import Workers
from careledger.gateway.node_api import node_app
from careledger.gateway.node_followers import Followers
from careledger.gateway.node_metrics import metrics_app
from careledger.gateway.node_services import NodeServices
from careledger.ledger.genesis import Installed, active_applications, load_genesis
from careledger.ledger.membership import TABLES
from careledger.ledger.record import Instant, MemberId, digest
from careledger.ledger.state import Table
from careledger.node.beginning import load_beginning
from careledger.node.collecting import settle
from careledger.node.config import NodeConfig, OrderWith, load_node
from careledger.node.cosigning import Cosigning, open_cosigning
from careledger.node.elsewhere import watch_key, watched
from careledger.node.gathering import Gathering
from careledger.node.history import History
from careledger.node.holding import hold_home
from careledger.node.listening import Door, serve
from careledger.node.logs import set_up
from careledger.node.ordering import engine_facts, make_engine
from careledger.node.state_sync import StateSync
from careledger.store.store import Store
from careledger.vault.keyfile import load_signing_key
from careledger.verify.trust import Trust

_log = logging.getLogger(__name__)


def wall_clock() -> Instant:
    """Whole UTC seconds, as this machine has them."""
    return int(time.time())


@dataclass(frozen=True, kw_only=True)
class RunningNode:
    """A node that orders and answers."""

    engine: Engine
    store: Store
    services: NodeServices
    app: Starlette


@asynccontextmanager
async def open_node(
    home: Path, config: NodeConfig, clock: Callable[[], Instant] = wall_clock
) -> AsyncIterator[RunningNode]:
    """Open the node in `home`, beginning its chain if there is none yet; close it afterwards.

    Raises:
        BadGenesis: the genesis file is not one that this program can run.
        KeyInTwoHomes: another home votes with this validator's key.
        CorruptStore: the ledger is of another chain, or damaged.
        Unavailable: another process has it open, or the disk does not answer.
    """
    genesis_file = (home / config.genesis).read_bytes()
    chain_id, genesis = load_genesis(genesis_file)
    applications = active_applications(genesis, installed(), 0)
    ledger = home / config.ledger
    watch = watch_key(home, config, chain_id)
    if watch is not None:
        await watch.check()
    with contextlib.ExitStack() as owned:
        store = owned.enter_context(Store.create(ledger, genesis_file, applications))
        workers: Workers | None = None
        if config.workers:
            workers = Workers(ledger, chain_id, config.workers)
            owned.callback(workers.close)
        chain = Chain(store, chain_id, genesis, installed())
        history = History(home, config, store)
        beginning = load_beginning(home) if config.engine == "cometbft" else None
        syncing = _syncing(home, config, store, history, beginning, clock)
        owned.callback(syncing.close)
        engine = make_engine(
            home,
            config,
            chain,
            clock=clock,
            workers=workers,
            snapshots=syncing,
            start=beginning[0] if beginning else None,
        )
        cosigning = open_cosigning(home, config, store, chain_id, clock)
        services = _services(home, config, genesis_file, chain, engine, cosigning)
        services = replace(services, snapshots=history.kept, snapshot_taken=history.taken)
        gathering = Gathering(cosigning, config.cosigners, services.wait_for_block)
        await engine.start()
        gathering.start()
        history.start()
        app = node_app(services, engine)
        try:
            async with watched(watch, engine):
                yield RunningNode(engine=engine, store=store, services=services, app=app)
        finally:
            await history.close()
            await gathering.close()
            await engine.close()


def _syncing(
    home: Path,
    config: NodeConfig,
    store: Store,
    history: History,
    beginning: tuple[EngineStart, Trust] | None,
    clock: Callable[[], Instant],
) -> StateSync:
    """What the engine carries of snapshots, to others and from them."""
    loop = asyncio.get_running_loop()
    return StateSync(
        store,
        home / config.ledger,
        history.kept,
        installed(),
        trust=beginning[1] if beginning else None,
        peers=config.cosigners,
        clock=clock,
        adopted=lambda: loop.call_soon_threadsafe(history.fill),
    )


def _services(
    home: Path,
    config: NodeConfig,
    genesis_file: bytes,
    chain: Chain,
    engine: Engine,
    cosigning: Cosigning,
) -> NodeServices:
    """What the node API answers from; the clock is the engine's."""
    keys = [load_signing_key(home / path) for path in config.receipt_keys]
    return NodeServices(
        genesis=genesis_file,
        chain=digest(genesis_file),
        member=MemberId(config.member),
        reader=chain.store,
        checkpoints=cosigning,
        receipt_keys={key.algorithm: key for key in keys},
        tables=_tables(installed()),
        clock=engine.clock,
        trouble=lambda: engine.trouble,
        wait_for_block=lambda seconds: _wait_for_block(engine, seconds),
        missing_versions=chain.missing_versions,
        followers=Followers(config.followers),
        usage=chain.store.usage,
        engine_facts=lambda: engine_facts(engine),
        engine_rpc=engine.ask if isinstance(engine, Pair) else None,
        metrics_here=config.metrics_port is None,
    )


def _tables(programs: Installed) -> dict[str, Table[Any]]:  # Any: rows of every type
    """Every table of the core and of the applications, as their newest versions have them."""
    found: dict[str, Table[Any]] = {table.name: table for table in TABLES}
    for _, application in sorted(programs.items()):
        found.update((table.name, table) for table in application.tables)
    return found


async def _wait_for_block(engine: Engine, seconds: float) -> None:
    """Wait for the next block; from the call on, so that none is missed after a look."""
    with contextlib.suppress(TimeoutError):
        # Not wait_for: before Python 3.12 it begins a moment later, in a task of its own.
        async with asyncio.timeout(seconds), engine.new_block:
            await engine.new_block.wait()


def _metrics_door(config: NodeConfig, node: RunningNode) -> list[Door]:
    """A door for metrics alone, if `config` asks for one."""
    if config.metrics_port is None:
        return []
    app = metrics_app(node.services, node.engine)
    return [Door(app, config.metrics_host, config.metrics_port)]


async def run_node(
    home: Path, ready: Callable[[RunningNode], None], order_with: OrderWith | None = None
) -> None:
    """Run the node in `home` until it is told to stop, or halts.

    `order_with` is an engine other than the configured one.

    Raises:
        HomeInUse: it is running already.
        Exception: whatever halted the engine; see `open_node` for what may stop it at the start.
    """
    config = load_node(home)
    if order_with is not None:
        config = msgspec.structs.replace(config, engine=order_with)
    set_up(config.log)
    with hold_home(home):
        await _run(home, config, ready)


async def _run(home: Path, config: NodeConfig, ready: Callable[[RunningNode], None]) -> None:
    def opened() -> None:
        height, chain = node.store.latest.height, node.services.chain.hex()
        where = {"member": config.member, "height": height, "chain": chain}
        _log.info("the node answers", extra=where)
        ready(node)

    async with open_node(home, config) as node:
        settle()
        serving = asyncio.create_task(
            serve(
                node.app,
                config.host,
                config.port,
                opened,
                closing=node.services.followers.close,
                beside=_metrics_door(config, node),
            )
        )
        done, _ = await asyncio.wait(
            {serving, node.engine.halted}, return_when=asyncio.FIRST_COMPLETED
        )
        _log.info("the node stops", extra={"height": node.store.latest.height})
        if serving not in done:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        for one in done:
            one.result()
