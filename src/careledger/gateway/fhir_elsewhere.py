"""What is the same at the doors to other organisations: who may ask, and how an answer is named."""

from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request

from careledger.exchange.limits import Interaction
from careledger.gateway.auth_bearer import caller_of, insufficient_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_http import check_accept
from careledger.gateway.fhir_query import Parameters, parameters_of
from careledger.gateway.outcome import Refused
from careledger.gateway.services import GatewayServices

NOTICE_URL: Final = "urn:careledger:notice"
"""`fullUrl` of the entry with the notice."""


def reader_of(request: Request, services: GatewayServices, *, is_emergency: bool = False) -> Caller:
    """Who asks: never with an account of their own, since their wallet asks for them.

    Raises:
        Refused: 401, 403, 406.
    """
    caller = caller_of(request, services, is_emergency=is_emergency)
    check_accept(request)
    if caller.account is not None:
        raise insufficient_scope()
    return caller


def require_elsewhere(caller: Caller, local: str, type_: str, interaction: Interaction) -> None:
    """Refuse what no scope names as a whole; where a patient is in context, only of that one.

    A scope that reaches some resources of a type does not reach other organisations: what would
    hold its restriction against theirs is not indexed here.

    Raises:
        Refused: 403.
    """
    for scope in caller.scopes.granted:
        is_hers = scope.context != "patient" or caller.patient == local
        if is_hers and not scope.restriction and scope.covers(type_, interaction):
            return
    raise insufficient_scope()


def require_bare(given: Parameters) -> None:
    """Refuse parameters of `$everything`, which takes none here.

    Raises:
        Refused: 400.
    """
    if given:
        raise Refused(400, "not-supported", "$everything takes no parameters here")


def require_no_pages(given: Parameters) -> None:
    """Refuse the parameters that a search of one patient's records in one page does not take.

    Raises:
        Refused: 400.
    """
    if any(name in {"patient", "_count"} for name, _ in given):
        raise Refused(400, "not-supported", "the patient is in the path, and there is one page")


def self_url(request: Request, services: GatewayServices) -> str:
    """The question as it was understood."""
    given = parameters_of(request)
    url = services.base_url + request.url.path
    return f"{url}?{urlencode(given)}" if given else url
