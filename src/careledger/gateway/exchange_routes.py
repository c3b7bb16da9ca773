"""The doors that other gateways and wallets knock at: sealed messages in, sealed answers out."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careledger.exchange.errors import DeliveryRefused
from careledger.exchange.organisation import STALE_S
from careledger.exchange.transport import ASK_PATH, MAILBOX_PATH, MEDIA_TYPE
from careledger.gateway.body import read_body
from careledger.gateway.problem import problem
from careledger.gateway.services import GatewayServices
from careledger.ledger.errors import Malformed
from careledger.mechanisms.messages import MAX_ASK_BYTES
from careledger.vault.errors import Tampered

_ACKNOWLEDGEMENT = "application/vnd.careledger.terms+cbor"


def routes(services: GatewayServices) -> list[Route]:
    """Where sealed messages come in, and where it is seen that the gateway is well."""
    doors = _Doors(services)
    return [
        Route(ASK_PATH, doors.ask, methods=["POST"]),
        Route(MAILBOX_PATH, doors.mailbox, methods=["POST"]),
        Route("/health", doors.health, methods=["GET"]),
    ]


class _Doors:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def ask(self, request: Request) -> Response:
        """Another organisation, or a patient, asks for records."""
        sealed = await read_body(request, MAX_ASK_BYTES)
        try:
            answer = await self._services.exchange.custodian.receive(sealed)
        except (Malformed, Tampered):
            return _unreadable()
        return Response(answer, media_type=MEDIA_TYPE)

    async def mailbox(self, request: Request) -> Response:
        """A patient delivers terms; the answer is the signed acknowledgement."""
        sealed = await read_body(request, MAX_ASK_BYTES)
        try:
            acknowledgement = await self._services.exchange.mailbox.receive(sealed)
        except (Malformed, Tampered):
            return _unreadable()
        except DeliveryRefused as error:
            return problem(422, "DeliveryRefused", error.reason)
        return Response(acknowledgement, media_type=_ACKNOWLEDGEMENT)

    async def health(self, _: Request) -> Response:
        """Whether this gateway can decide now."""
        organisation = self._services.organisation
        with organisation.committed.snapshot() as committed:
            latest = committed.latest()
        age = max(0, organisation.clock() - latest.time)
        offline = self._services.exchange.offline
        is_well = age <= STALE_S and offline.trouble is None
        body = {
            "status": "pass" if is_well else "fail",
            "member": organisation.member,
            "chain": organisation.chain.hex(),
            "height": latest.height,
            "block_age_s": age,
            "offline_waiting": offline.waiting,
        }
        if offline.trouble is not None:
            body["trouble"] = offline.trouble
        return JSONResponse(body, status_code=200 if is_well else 503)


def _unreadable() -> Response:
    return problem(400, "Malformed", "not a message sealed to this organisation")
