"""The ASGI application of one organisation's gateway: sign-in, FHIR, exchange and desk."""

from starlette.applications import Starlette

from careledger.exchange.exchange import Exchange
from careledger.exchange.shelf import Shelf
from careledger.gateway import (
    auth_approvals,
    auth_launches,
    auth_people,
    auth_routes,
    bulk_export,
    bulk_import,
    desk,
    exchange_routes,
    fhir_batch,
    fhir_capability,
    fhir_everything,
    fhir_federated,
    fhir_history,
    fhir_read,
    fhir_remote,
    fhir_search,
    fhir_summary,
    fhir_validate,
    fhir_write,
    shadow,
)
from careledger.gateway.auth_caller import Standings
from careledger.gateway.auth_id_token import IdTokens
from careledger.gateway.auth_settings import NOBODY, SignInSettings
from careledger.gateway.auth_tokens import SeenAssertions, Tokens
from careledger.gateway.doors import Doors
from careledger.gateway.failures import HANDLERS
from careledger.gateway.services import GatewayServices


def gateway_app(
    exchange: Exchange, base_url: str, *others: str, sign_in: SignInSettings = NOBODY
) -> Starlette:
    """The doors of the organisation that `exchange` belongs to.

    `base_url` is where clients reach them, such as `https://alpine.example`; clients
    may sign in for one of the `others` too, such as the address on this machine.
    """
    url, shelf = base_url.rstrip("/"), Shelf(exchange.sign_ins)
    services = GatewayServices(
        exchange=exchange,
        base_url=url,
        others=tuple(one.rstrip("/") for one in others),
        tokens=Tokens(shelf),
        seen=SeenAssertions(shelf),
        id_tokens=IdTokens(exchange.sign_ins, url),
        standings=Standings(exchange.organisation.member),
        clients=sign_in.clients,
        staff=sign_in.staff,
        provider=sign_in.provider,
    )
    routes = [
        *auth_routes.routes(services),
        *auth_people.routes(services),
        *auth_approvals.routes(services),
        *auth_launches.routes(services),
        *exchange_routes.routes(services),
        *desk.routes(services),
        *shadow.routes(services),
        *fhir_capability.routes(services),
        *fhir_federated.routes(services),
        *fhir_remote.routes(services),
        *bulk_export.routes(services),
        *bulk_import.routes(services),
        *fhir_summary.routes(services),
        *fhir_validate.routes(services),
        *fhir_everything.routes(services),
        *fhir_history.routes(services),
        *fhir_read.routes(services),
        *fhir_batch.routes(services),
        *fhir_write.routes(services),
        *fhir_search.routes(services),
    ]
    app = Starlette(exception_handlers=HANDLERS)
    app.router = Doors(routes)
    return app
