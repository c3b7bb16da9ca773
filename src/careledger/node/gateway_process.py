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
from careledger.exchange.crossing import start
from careledger.exchange.exchange import Exchange
from careledger.exchange.federated import Deadlines
from careledger.exchange.organisation import Organisation
from careledger.exchange.transport import HttpTransport
from careledger.exchange.workers import checking_processes
from careledger.fhir.search.table import IndexSet
from careledger.gateway.app import gateway_app
from careledger.gateway.auth_files import clients_in, read_secret, staff_in
from careledger.gateway.auth_provider import IdentityProvider, ProviderSettings
from careledger.gateway.auth_published import is_safe
from careledger.gateway.auth_settings import SignInSettings
from careledger.gateway.browsers import insist_on_tls, let_browsers_in
from careledger.ledger.errors import CorruptStore, LedgerError, Unavailable
from careledger.ledger.genesis import load_genesis
from careledger.ledger.record import Digest, Instant, MemberId, digest
from careledger.ledger.state import View
from careledger.node.collecting import settle
from careledger.node.config import BadConfiguration, GatewayConfig, load_gateway
from careledger.node.doors import Tls, check_origins, peer_context, tls_of
from careledger.node.keeping import check_indexed, places_of
from careledger.node.listening import serve
from careledger.node.logs import set_up
from careledger.node.serve import wall_clock
from careledger.node.upstream import upstream_of
from careledger.store.reader import StoreReader
from careledger.vault.files import open_vault
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
    tls: Tls | None = None


@asynccontextmanager
async def open_gateway(
    home: Path,
    config: GatewayConfig,
    clock: Callable[[], Instant] = wall_clock,
    *,
    follow: bool = True,
    early: bool = False,
) -> AsyncIterator[RunningGateway]:
    """Open the gateway in `home`; finish what an earlier run left, and close it afterwards.

    `follow`: also follow the organisation's own FHIR server, if bodies stay there. `early`: start
    the processes that check bundles now, not when they are first needed.

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
        tls = tls_of(home, config)
        check_origins(config.cors_origins)
        here = f"{'http' if tls is None else 'https'}://{config.host}:{config.port}"
        url = _address(reader, chain, mine) or here
        folder = home / config.vault
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keystore = FileKeyStore(home / config.organisation_key)
        vault = owned.enter_context(open_vault(places_of(home, config), keystore, mine))
        check_indexed(vault, config)
        node = await owned.enter_async_context(RemoteNode(config.node))
        transport = HttpTransport(context=peer_context(home, config, tls))
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
            indexed=IndexSet(config.index),
        )
        executor = checking_processes(config.workers) if config.workers else None
        if executor is not None:
            owned.callback(executor.shutdown, wait=False, cancel_futures=True)
            if early:
                start(executor, config.workers)
        upstream = upstream_of(home, config)
        exchange = Exchange(
            organisation,
            folder,
            transport,
            executor=executor,
            upstream=upstream,
            shadow=config.shadow,
            deadlines=Deadlines(
                source_s=config.federated_source_s, total_s=config.federated_total_s
            ),
        )
        owned.push_async_callback(exchange.close)
        await exchange.start(follow=follow)
        sign_in = _sign_in(home, config)
        if sign_in.provider is not None:
            owned.push_async_callback(sign_in.provider.close)
        app = gateway_app(exchange, url, here, sign_in=sign_in)
        let_browsers_in(app, config.cors_origins)
        if tls is not None:
            insist_on_tls(app)
        yield RunningGateway(exchange=exchange, app=app, url=url, tls=tls)


def _sign_in(home: Path, config: GatewayConfig) -> SignInSettings:
    """Whom the organisation's own files let in.

    Raises:
        BadRegistry: one of them is missing or wrong.
        BadConfiguration: a provider without its secret or staff.
    """
    provider = None
    if config.identity_provider is not None:
        if config.identity_provider_secret is None or config.staff is None:
            raise BadConfiguration("identity_provider goes with identity_provider_secret and staff")
        if not is_safe(config.identity_provider):
            raise BadConfiguration("identity_provider is on https, or on this machine")
        provider = IdentityProvider(
            ProviderSettings(
                issuer=config.identity_provider,
                client=config.identity_provider_client,
                secret=read_secret(home / config.identity_provider_secret),
            )
        )
    clients = None if config.clients is None else home / config.clients
    staff = None if config.staff is None else home / config.staff
    return SignInSettings(
        clients=clients_in(clients, MemberId(config.member)),
        staff=staff_in(staff),
        provider=provider,
    )


async def run_gateway(home: Path, ready: Callable[[RunningGateway], None]) -> None:
    """Run the gateway in `home` until it is told to stop.

    Raises:
        Exception: see `open_gateway`; or the port is taken (OSError).
    """
    config = load_gateway(home)
    set_up(config.log)
    async with open_gateway(home, config, early=True) as gateway:
        opened = lambda: ready(gateway)  # noqa: E731
        settle()
        await serve(gateway.app, config.host, config.port, opened, gateway.tls)


async def _reader(ledger: Path) -> StoreReader:
    """The node's store; a node that starts at the same time may still be making it."""
    end = time.monotonic() + NODE_WITHIN_S
    while True:
        try:
            return _founded(ledger)
        except (Unavailable, CorruptStore):
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)


def _founded(ledger: Path) -> StoreReader:
    """The node's store, which has its genesis.

    Raises:
        Unavailable: there is none yet.
        CorruptStore: there is none in it, perhaps not yet.
    """
    reader = StoreReader(ledger)
    try:
        with reader.snapshot() as committed:
            committed.genesis()
    except LedgerError:
        reader.close()
        raise
    return reader


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
