"""What is done between a stopped gateway's vault and the organisation's own FHIR server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from careledger.exchange.exchange import Exchange
from careledger.exchange.upstream import moving
from careledger.exchange.upstream.intake import Tally
from careledger.exchange.upstream.moving import Move, Moved
from careledger.exchange.upstream.side import UpstreamSide
from careledger.exchange.upstream.sync import Progress
from careledger.node.config import BadConfiguration, load_gateway
from careledger.node.gateway_process import open_gateway

Place = Literal["here", "upstream"]


async def read_upstream(home: Path, progress: Progress) -> Tally:
    """Read all that the server has, or what changed since; on return it is on the ledger.

    Raises:
        BadConfiguration: no `upstream`.
        VaultInUse: the gateway is running.
        UpstreamDown, UpstreamLies: what was reached is kept; call it again.
    """
    async with _standing(home) as (exchange, upstream):
        tally = await upstream.sync.look(progress)
        tally += await upstream.sync.sweep()
        await exchange.ingestion.settled()
        return tally


async def move_bodies(home: Path, to: Place, progress: moving.Progress) -> Moved:
    """Move every body; on return what became a new version is on the ledger.

    Raises:
        Exception: see `read_upstream`.
    """
    async with _standing(home) as (exchange, upstream):
        move = Move(exchange.organisation, upstream.client, upstream.intake)
        moved = await (move.here(progress) if to == "here" else move.there(progress))
        await exchange.ingestion.settled()
        return moved


@asynccontextmanager
async def _standing(home: Path) -> AsyncIterator[tuple[Exchange, UpstreamSide]]:
    config = load_gateway(home)
    if config.upstream is None:
        raise BadConfiguration("name the organisation's own FHIR server: `upstream`")
    async with open_gateway(home, config, follow=False) as gateway:
        upstream = gateway.exchange.upstream
        assert upstream is not None  # noqa: S101 - the configuration has it
        yield gateway.exchange, upstream
