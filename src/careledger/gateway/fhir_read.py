"""The FHIR door, outwards: single resources and whole records, each decided anew.

What is absent, deleted, withheld or another's looks the same: the same 404, byte for byte.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.exchange.errors import AccessRefused
from careledger.fhir.responses import Found, searchset
from careledger.gateway.auth_bearer import caller_of, require_scope
from careledger.gateway.fhir_http import check_accept, instant, is_id, is_type, resource
from careledger.gateway.fhir_query import parameters_of
from careledger.gateway.outcome import Refused, fhir_response, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.mechanisms.messages import Query

_LONGEST_VERSION = 15


def routes(services: GatewayServices) -> list[Route]:
    """Where resources are read."""
    door = _Reads(services)
    one = FHIR_PATH + "/{type}/{id}"
    return [
        Route(FHIR_PATH + "/Patient/{id}/$everything", door.everything, methods=["GET"]),
        Route(one, door.read, methods=["GET"]),
        Route(one + "/_history/{version}", door.read, methods=["GET"]),
    ]


class _Reads:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def read(self, request: Request) -> Response:
        """A resource, or one version of it (FHIR R4 3.1.0.1, 3.1.0.2)."""
        caller = caller_of(request, self._services)
        check_accept(request)
        type_, id_ = request.path_params["type"], request.path_params["id"]
        version = _version(request.path_params.get("version"))
        if not is_type(type_) or not is_id(id_) or version == 0:
            return not_found()
        require_scope(caller, type_, "r")
        try:
            opened = self._services.exchange.local.open(caller.asker, type_, id_, version)
        except AccessRefused:
            return not_found()
        return not_found() if opened is None or opened.deleted else resource(request, opened)

    async def everything(self, request: Request) -> Response:
        """All of a patient's record that the caller may see (FHIR R4 Patient $everything)."""
        caller = caller_of(request, self._services)
        check_accept(request)
        if parameters_of(request):
            raise Refused(400, "not-supported", "$everything takes no parameters here")
        require_scope(caller, "Patient", "r")
        local = request.path_params["id"]
        if not is_id(local):
            return not_found()
        try:
            found = self._services.exchange.local.search(caller.asker, local, Query())
        except AccessRefused:
            return not_found()
        base = self._services.fhir_url
        matches = [
            Found(f"{base}/{one.type}/{one.id}", one.data)
            for one in found
            if caller.scopes.allow(one.type, "r")
        ]
        if not matches:
            return not_found()
        self_url = f"{base}/Patient/{local}/$everything"
        time = instant(self._services.organisation.clock())
        body = searchset(matches, total=len(matches), self_url=self_url, timestamp=time)
        return fhir_response(body)


def _version(text: str | None) -> int | None:
    """The version asked for; 0 for what can be none; None if none is named."""
    if text is None:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_VERSION
    return int(text) if is_number else 0
