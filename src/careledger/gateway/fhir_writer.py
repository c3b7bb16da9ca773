"""Who writes through the FHIR door, and what they may know of what is there."""

from contextlib import AbstractContextManager
from typing import Final

from starlette.requests import Request

from careledger.exchange.limits import Interaction, Limits
from careledger.exchange.reach import Reach
from careledger.exchange.writer import Writer
from careledger.fhir.bundle import Entry, Verb
from careledger.gateway.auth_bearer import caller_of, insufficient_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_http import check_accept
from careledger.gateway.services import GatewayServices
from careledger.mechanisms.terms import Action

NEEDS: Final[dict[Verb, tuple[Interaction, ...]]] = {
    "POST": ("c",),
    "PUT": ("u",),
    "PATCH": ("u", "r"),
    "DELETE": ("d",),
}
"""What a token must be for: whoever patches can find out what is there."""


def writing_caller(request: Request, services: GatewayServices) -> Caller:
    """Whoever may write at all: this member's own service and staff.

    Raises:
        Refused: 401, 403 or 406.
    """
    caller = caller_of(request, services)
    check_accept(request)
    if caller.account is not None or caller.partner is not None:
        raise insufficient_scope()
    return caller


def writer_of(caller: Caller, services: GatewayServices) -> Writer:
    """The caller, as what is written is planned for them."""

    def reach(action: Action, limits: Limits) -> AbstractContextManager[Reach]:
        return services.exchange.reach(caller.asker, limits, action)

    return Writer(caller.keeps_records, reach, caller.limits)


def is_allowed(caller: Caller, entry: Entry) -> bool:
    """Whether the token is for this change: criteria are a search, unless one keeps the records."""
    is_search = bool(entry.condition or entry.if_none_exist) and not caller.keeps_records
    needed = (*NEEDS[entry.method], *(("s",) if is_search else ()))
    return all(caller.scopes.allow(entry.type, one) for one in needed)
