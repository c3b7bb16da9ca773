"""Whose token a request carries. Each request looks at committed state again."""

from typing import Final

from starlette.requests import Request

from careledger.exchange.limits import Interaction
from careledger.gateway.auth_caller import Caller
from careledger.gateway.outcome import Refused
from careledger.gateway.services import GatewayServices
from careledger.ledger.record import Instant

_NO_TOKEN: Final = {"WWW-Authenticate": "Bearer"}
_BAD_TOKEN: Final = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
_SCOPE: Final = {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}


def caller_of(
    request: Request,
    services: GatewayServices,
    *,
    partners_too: bool = False,
    is_emergency: bool = False,
) -> Caller:
    """Who asks; rotation and suspension end a token with the block that orders them.

    Other members get through only the doors that say `partners_too`, in an open session. In an
    emergency what was committed last is enough to go on with, however old; the custodian decides.

    Raises:
        Refused: 401, no token, or one that counts no more; 403, another member's.
        Stale: the newest block is too old to know.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused(401, "login", "send an access token", _NO_TOKEN)
    look = services.organisation.last if is_emergency else services.organisation.now
    with look() as now:
        caller = services.tokens.find(token.strip(), now.time)
        if (
            caller is None
            or not services.lets(caller, now)
            or not _is_session_open(services, caller, now.time)
        ):
            raise Refused(401, "expired", "the access token does not count any more", _BAD_TOKEN)
    partner = caller.partner
    if partner is not None and not (partners_too and partner.session is not None):
        raise insufficient_scope()
    return caller


def _is_session_open(services: GatewayServices, caller: Caller, now: Instant) -> bool:
    """Whether what the token reads in is not over; only other members read in a session."""
    if caller.partner is None or caller.partner.session is None:
        return True
    return services.exchange.partners.is_open(caller.partner.session, now)


def require_scope(caller: Caller, type_: str, *interactions: Interaction) -> None:
    """Refuse what none of the token's scopes names.

    Raises:
        Refused: 403.
    """
    if not all(caller.scopes.allow(type_, one) for one in interactions):
        raise insufficient_scope()


def insufficient_scope() -> Refused:
    """403: the token is not for this."""
    return Refused(403, "forbidden", "the token's scope does not reach this", _SCOPE)
