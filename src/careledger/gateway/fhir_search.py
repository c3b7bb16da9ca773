"""The FHIR door's search: one patient's records, or the directory, in pages.

Consent is decided again for every page. Totals count what the caller may see, so that nothing
that is withheld shows as a gap (FHIR R4 3.1.1).
"""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.exchange.errors import AccessRefused
from careledger.fhir.query import MAXIMUM_COUNT, parse_query
from careledger.fhir.query import Query as Parsed
from careledger.fhir.responses import Found, searchset
from careledger.gateway.auth_bearer import caller_of, require_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_http import check_accept, instant, is_type
from careledger.gateway.fhir_query import OFFSET, Paging, Parameters, offset_in, parameters_of
from careledger.gateway.outcome import Refused, fhir_response, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.mechanisms.messages import Query
from careledger.vault.deposit import DIRECTORY_TYPES
from careledger.vault.opening import Opened

DEFAULT_COUNT = 100


def routes(services: GatewayServices) -> list[Route]:
    """Where resources are searched."""
    return [Route(FHIR_PATH + "/{type}", _Search(services).search, methods=["GET"])]


class _Search:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def search(self, request: Request) -> Response:
        """What matches and the caller may see."""
        caller = caller_of(request, self._services)
        check_accept(request)
        type_ = request.path_params["type"]
        if not is_type(type_):
            return not_found()
        require_scope(caller, type_, "s")
        given = parameters_of(request)
        asked = tuple(pair for pair in given if pair[0] != OFFSET)
        parsed = parse_query(type_, asked)
        criteria = tuple(pair for pair in asked if pair[0] != "_count")
        found = self._find(caller, parsed, Query(type=type_, parameters=criteria))
        count = min(parsed.count or DEFAULT_COUNT, MAXIMUM_COUNT)
        return self._page(type_, given, Paging(offset_in(given), count), found)

    def _find(self, caller: Caller, parsed: Parsed, query: Query) -> list[Opened]:
        local = _patient(parsed)
        exchange = self._services.exchange
        if local is None and parsed.type in DIRECTORY_TYPES:
            return exchange.local.directory(query)
        if local is None and caller.account is None:
            raise Refused(400, "required", "name one patient: patient=id, or _id of a Patient")
        try:
            return exchange.local.search(caller.asker, local, query)
        except AccessRefused:
            return []

    def _page(self, type_: str, given: Parameters, paging: Paging, found: list[Opened]) -> Response:
        base = self._services.fhir_url
        page = found[paging.offset : paging.offset + paging.count]
        url = f"{base}/{type_}"
        body = searchset(
            [Found(f"{url}/{one.id}", one.data) for one in page],
            total=len(found),
            self_url=f"{url}?{urlencode(given)}" if given else url,
            next_url=paging.next_url(url, given, len(found)),
            timestamp=instant(self._services.organisation.clock()),
        )
        return fhir_response(body)


def _patient(parsed: Parsed) -> str | None:
    """The one patient that a search names; each search is about one, or about the directory."""
    named = parsed.ids if parsed.type == "Patient" else parsed.patients
    if not named:
        return None
    if len(named) > 1 or len(named[0]) > 1:
        raise Refused(400, "too-costly", "ask about one patient at a time")
    return named[0][0]
