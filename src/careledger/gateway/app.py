"""The ASGI application of one organisation's gateway: sign-in, FHIR, exchange and desk."""

from starlette.applications import Starlette

from careledger.exchange.exchange import Exchange
from careledger.gateway import (
    auth_routes,
    desk,
    exchange_routes,
    fhir_capability,
    fhir_read,
    fhir_remote,
    fhir_search,
    fhir_write,
)
from careledger.gateway.auth_tokens import SeenAssertions, Tokens
from careledger.gateway.failures import HANDLERS
from careledger.gateway.services import GatewayServices


def gateway_app(exchange: Exchange, base_url: str, *others: str) -> Starlette:
    """The doors of the organisation that `exchange` belongs to.

    `base_url` is where clients reach them, such as `https://alpine.example`; clients
    may sign in for one of the `others` too, such as the address on this machine.
    """
    services = GatewayServices(
        exchange=exchange,
        base_url=base_url.rstrip("/"),
        others=tuple(one.rstrip("/") for one in others),
        tokens=Tokens(),
        seen=SeenAssertions(exchange.organisation.clock()),
    )
    routes = [
        *auth_routes.routes(services),
        *exchange_routes.routes(services),
        *desk.routes(services),
        *fhir_capability.routes(services),
        *fhir_remote.routes(services),
        *fhir_read.routes(services),
        *fhir_write.routes(services),
        *fhir_search.routes(services),
    ]
    app = Starlette(routes=routes, exception_handlers=HANDLERS)
    app.router.redirect_slashes = False
    return app
