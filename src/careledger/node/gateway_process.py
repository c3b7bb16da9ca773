"""Composition root of a gateway: one organisation's vault, exchange and doors in one process."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.applications import Starlette

from careledger.apps.governance.queries import member
from careledger.consensus.remote import RemoteNode
from careledger.exchange.erasing import recorded_shreds
from careledger.exchange.exchange import Exchange
from careledger.exchange.organisation import Organisation
from careledger.exchange.transport import HttpTransport
from careledger.gateway.app import gateway_app
from careledger.ledger.errors import Unavailable
from careledger.ledger.genesis import load_genesis
from careledger.ledger.record import Digest, Instant, MemberId, digest
from careledger.ledger.state import View
from careledger.node.config import BadConfiguration, GatewayConfig, load_gateway
from careledger.node.serve import serve, wall_clock
from careledger.store.reader import StoreReader
from careledger.vault.files import VaultFiles, open_vault, restore
from careledger.vault.keyfile import load_sealing_key, load_signing_key
from careledger.vault.keystore import FileKeyStore

NODE_WITHIN_S: Final = 30.0
"""How long a gateway waits at its start for the node's ledger to be there."""


@dataclass(frozen=True, kw_only=True)
class RunningGateway:
    """A gateway that decides and answers."""

    exchange: Exchange
    app: Starlette
    url: str
    """Where clients reach it, as the ledger has it; tokens are for this address."""


@asynccontextmanager
async def open_gateway(
    home: Path, config: GatewayConfig, clock: Callable[[], Instant] = wall_clock
) -> AsyncIterator[RunningGateway]:
    """Open the gateway in `home`; finish what an earlier run left, and close it afterwards.

    Raises:
        BadConfiguration: the ledger is of another chain, or has no such member.
        Unavailable: the node's ledger is not there, or does not answer.
        VaultInUse: another process has the vault open.
    """
    chain, _ = load_genesis((home / config.genesis).read_bytes())
    mine = MemberId(config.member)
    async with AsyncExitStack() as owned:
        reader = await _reader(home / config.ledger)
        owned.callback(reader.close)
        here = f"http://{config.host}:{config.port}"
        url = _address(reader, chain, mine) or here
        folder = home / config.vault
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keystore = FileKeyStore(home / config.organisation_key)
        vault = owned.enter_context(open_vault(VaultFiles.under(folder), keystore, mine))
        node = await owned.enter_async_context(RemoteNode(config.node))
        transport = HttpTransport()
        owned.push_async_callback(transport.close)
        organisation = Organisation(
            member=mine,
            chain=chain,
            key=load_signing_key(home / config.transaction_key),
            sealing=(load_sealing_key(home / config.sealing_key),),
            keystore=keystore,
            vault=vault,
            committed=reader,
            ledger=node,
            clock=clock,
        )
        exchange = Exchange(organisation, folder, transport)
        owned.push_async_callback(exchange.close)
        await exchange.start()
        app = gateway_app(exchange, url, here)
        yield RunningGateway(exchange=exchange, app=app, url=url)


async def run_gateway(home: Path, ready: Callable[[RunningGateway], None]) -> None:
    """Run the gateway in `home` until it is told to stop.

    Raises:
        Exception: see `open_gateway`; or the port is taken (OSError).
    """
    config = load_gateway(home)
    async with open_gateway(home, config) as gateway:
        await serve(gateway.app, config.host, config.port, lambda: ready(gateway))


def back_up(home: Path, data: Path, keys: Path) -> None:
    """Copy the vault of the stopped gateway in `home` to two new files.

    Raises:
        VaultInUse: the gateway is running.
    """
    config = load_gateway(home)
    files = VaultFiles.under(home / config.vault)
    keystore = FileKeyStore(home / config.organisation_key)
    with open_vault(files, keystore, MemberId(config.member)) as vault:
        vault.backup_data(data)
        vault.backup_keys(keys)


def put_back(home: Path, data: Path, keys: Path) -> int:
    """Restore a vault that is gone; how many erasures of the ledger were done again.

    Raises:
        FileExistsError: there is a vault; nothing is overwritten.
        WrongVault: the backups do not belong together, or to this member.
        Unavailable: the node's ledger is not there.
    """
    config = load_gateway(home)
    mine, folder = MemberId(config.member), home / config.vault
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with StoreReader(home / config.ledger) as reader, reader.snapshot() as committed:
        shredded = list(recorded_shreds(committed, mine))
    keystore = FileKeyStore(home / config.organisation_key)
    restore(VaultFiles.under(folder), VaultFiles(data, keys), keystore, mine, shredded)
    return len(shredded)


async def _reader(ledger: Path) -> StoreReader:
    """The node's store; a node that starts at the same time may still be making it."""
    end = time.monotonic() + NODE_WITHIN_S
    while True:
        try:
            return StoreReader(ledger)
        except Unavailable:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)


def _address(reader: StoreReader, chain: Digest, mine: MemberId) -> str | None:
    """Where the ledger says that this member answers.

    Raises:
        BadConfiguration: another chain, or a stranger to it.
    """
    with reader.snapshot() as committed:
        actual = digest(committed.genesis())
        if actual != chain:
            raise BadConfiguration(f"the ledger is of chain {actual.hex()}, not {chain.hex()}")
        found = member(View(committed), mine)
    if found is None:
        raise BadConfiguration(f"{mine} is no member of this network")
    return found.gateway
