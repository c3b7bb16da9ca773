"""A third gateway: Hilltop keeps records of Ana as well, and may lie, be slow or be down."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from careledger.apps.consent.commands import GrantConsent
from careledger.exchange.answer import Custodian
from careledger.exchange.exchange import Exchange
from careledger.exchange.federated import Deadlines, Federation
from careledger.gateway.app import gateway_app
from careledger.ledger.record import AccountId
from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.delivery import TermsPackage
from careledger.mechanisms.messages import Ask
from careledger.mechanisms.request import VerifiedRequest
from tests.exchange import world as base
from tests.exchange.world import HILLTOP, LAKEVIEW, NOW
from tests.gateway.world import World

ANA_AT_HILLTOP, CARL_AT_HILLTOP = (AccountId("@" + letter * 26) for letter in "jk")
ANA_THERE, CARL_THERE = "HT-1", "HT-2"

Lie = Callable[[list[bytes]], list[bytes]]


class Liar(Custodian):
    """A custodian that records one answer and gives another."""

    lie: Lie = staticmethod(lambda parts: parts)

    async def _answer(
        self, ask: Ask, verified: VerifiedRequest, *, is_cut_off: bool
    ) -> Sequence[bytes]:
        return self.lie(list(await super()._answer(ask, verified, is_cut_off=is_cut_off)))


class Road(httpx2.AsyncBaseTransport):
    """The way to Hilltop's door: it may be long, or bring something else back."""

    def __init__(self, door: httpx2.AsyncBaseTransport) -> None:
        self._door, self.delay_s = door, 0.0
        self.meddle: Callable[[bytes], bytes] = lambda answer: answer

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(self.delay_s)
        answer = await self._door.handle_async_request(request)
        return httpx2.Response(answer.status_code, content=self.meddle(await answer.aread()))


@asynccontextmanager
async def hilltop(world: World) -> AsyncIterator[tuple[Exchange, Road, Liar]]:
    """Hilltop's gateway, with what it holds of Ana and of Carl."""
    async with base.gateway(world, HILLTOP) as exchange:
        liar = Liar(exchange.organisation, exchange.mailbox, exchange.journal, exchange.offline)
        exchange.custodian = liar
        road = Road(httpx2.ASGITransport(gateway_app(exchange, "http://hilltop.test")))
        async with httpx2.AsyncClient(transport=road, base_url="http://hilltop.test") as client:
            world.clients[HILLTOP] = client
            await world.enrol(HILLTOP, ANA_AT_HILLTOP, ANA_THERE)
            await world.enrol(HILLTOP, CARL_AT_HILLTOP, CARL_THERE)
            await exchange.ingestion.bundle(
                base.bundle(
                    base.patient(ANA_THERE),
                    base.medication("m1", ANA_THERE, "Amoxisol 250 mg"),
                    base.observation("o1", ANA_THERE, 6.9),
                    base.patient(CARL_THERE, "Quist"),
                    base.observation("oc", CARL_THERE, 5.5),
                )
            )
            await exchange.ingestion.settled()
            yield exchange, road, liar
            del world.clients[HILLTOP]


async def allow(world: World, **said: Any) -> TermsPackage:
    """Ana lets Lakeview see what Hilltop holds."""
    package = world.package(None, custodian=HILLTOP, custodian_account=ANA_AT_HILLTOP)
    fields: dict[str, Any] = {
        "consent_id": package.consent_id,
        "custodian": HILLTOP,
        "grantee": LAKEVIEW,
        "purposes": ("TREAT",),
        "actions": ("read", "search", "export"),
        "valid_from": day_of(NOW),
        "valid_until": day_of(NOW) + 365,
        "terms": None,
    }
    await world.submit(ANA_AT_HILLTOP, "consent", GrantConsent(**(fields | said)))
    for member in (HILLTOP, LAKEVIEW):
        await world.deliver(member, package)
    return package


def hurry(world: World, source_s: float = 0.5, total_s: float = 2.0) -> None:
    """Lakeview waits no longer than this."""
    exchange = world.lakeview
    exchange.federation = Federation(
        exchange.organisation,
        exchange.mailbox,
        exchange.requester,
        exchange.reach,
        Deadlines(source_s=source_s, total_s=total_s),
    )
