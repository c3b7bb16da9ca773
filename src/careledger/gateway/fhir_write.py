"""The FHIR door, inwards: single resources, taken in as they are or refused whole.

Conditional or not (FHIR R4 3.1.0.3 to 3.1.0.7). For whoever does not keep the organisation's
records, what consent withholds is absent: not to be changed, not matched, not referred to.
"""

import dataclasses
from collections.abc import Awaitable
from typing import Final
from urllib.parse import parse_qsl, urlencode

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.exchange.outcome import Outcome
from careledger.fhir.bundle import Entry, PatchKind, Verb, is_open
from careledger.fhir.errors import DanglingReference, FhirError, WrongType
from careledger.fhir.patch.json_patch import JSON_PATCH
from careledger.fhir.references import references
from careledger.fhir.resource import MAXIMUM_BYTES, resource_type
from careledger.gateway.auth_bearer import insufficient_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.body import read_body
from careledger.gateway.fhir_http import check_content_type, is_id, is_type
from careledger.gateway.fhir_inner import MOST_READ_BYTES, ask
from careledger.gateway.fhir_prefer import deleted_response, preferred, stored_response
from careledger.gateway.fhir_writer import is_allowed, writer_of, writing_caller
from careledger.gateway.outcome import Refused, fhir_response, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices

_NOT_FOUND: Final = 404
_IN_BUNDLE: Final = "Bundle.entry[0].resource"
_OF_THE_ANSWER: Final = frozenset(("_format", "_pretty"))
"""Parameters that are no condition."""


def routes(services: GatewayServices) -> list[Route]:
    """Where single resources come in."""
    door = _Writes(services)
    type_, one = FHIR_PATH + "/{type}", FHIR_PATH + "/{type}/{id}"
    return [
        Route(type_, door.create, methods=["POST"]),
        Route(type_, door.change, methods=["PUT", "PATCH", "DELETE"]),
        Route(one, door.change, methods=["PUT", "PATCH", "DELETE"]),
    ]


class _Writes:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def create(self, request: Request) -> Response:
        """A new resource; its id is given here (FHIR R4 3.1.0.8).

        Criteria in the URL count as those of `If-None-Exist` do: fhirpy sends them so.
        """
        caller = writing_caller(request, self._services)
        type_ = request.path_params["type"]
        if not is_type(type_):
            return not_found()
        condition = request.headers.get("if-none-exist") or request.url.query
        entry = Entry(
            position=0,
            full_url=None,
            method="POST",
            url=type_,
            type=type_,
            if_none_exist=_criteria(condition) or None,
        )
        _require(caller, entry)
        entry = replace(entry, resource=await _resource(request, type_))
        return await self._stored(request, caller, entry)

    async def change(self, request: Request) -> Response:
        """An update, patch or deletion, of the resource with an id or of the one that matches."""
        caller = writing_caller(request, self._services)
        type_, id_ = request.path_params["type"], request.path_params.get("id")
        if not is_type(type_) or (id_ is not None and not is_id(id_)):
            return not_found()
        verb: Verb = {"PUT": "PUT", "PATCH": "PATCH"}.get(request.method, "DELETE")  # type: ignore[assignment] # the three that are routed here
        condition = None if id_ is not None else _criteria(request.url.query)
        if condition == "":
            raise Refused(400, "required", "name the resource, or a condition that it meets")
        entry = Entry(
            position=0,
            full_url=None,
            method=verb,
            url=f"{type_}/{id_}" if id_ is not None else f"{type_}?{condition}",
            type=type_,
            id=id_,
            condition=condition,
            if_match=request.headers.get("if-match"),
        )
        _require(caller, entry)
        if verb == "PATCH":
            resource, patch = await _patch(request)
            entry = replace(entry, resource=resource, patch=patch)
        elif verb == "PUT":
            entry = replace(entry, resource=await _resource(request, type_))
        return await self._stored(request, caller, entry)

    async def _stored(self, request: Request, caller: Caller, entry: Entry) -> Response:
        writer = writer_of(caller, self._services)
        try:
            outcome = await _alone(self._services.exchange.ingestion.one(entry, writer), entry.type)
        except FhirError as error:
            if error.status == _NOT_FOUND:
                return not_found()
            raise
        if entry.method == "DELETE":
            return deleted_response(request)
        answer = stored_response(request, self._services.fhir_url, outcome)
        if entry.method == "POST" and outcome.version is None and not answer.body:
            return await self._met(request, outcome, answer)
        return answer

    async def _met(self, request: Request, outcome: Outcome, answer: Response) -> Response:
        """The answer to a conditional create that met something; with it, if it may be read."""
        if outcome.id is None or preferred(request) != "representation":
            return answer
        url = f"{outcome.type}/{outcome.id}"
        found = await ask(request, Entry(0, None, "GET", url, outcome.type), MOST_READ_BYTES)
        if found.status != answer.status_code:
            return answer
        said = {"location": answer.headers["location"]}
        kept = {name: found.headers[name] for name in ("etag", "last-modified")}
        return fhir_response(found.body, found.status, said | kept)


def _require(caller: Caller, entry: Entry) -> None:
    if not is_allowed(caller, entry):
        raise insufficient_scope()


async def _resource(request: Request, type_: str) -> bytes:
    check_content_type(request)
    data = await read_body(request, MAXIMUM_BYTES)
    if resource_type(data) != type_:
        raise WrongType("the resource type of the URL", "resourceType")
    if any(map(is_open, references(data))):  # R4 3.1.0.11.2
        raise DanglingReference("references that need no transaction to be resolved", type_)
    return data


async def _patch(request: Request) -> tuple[bytes, PatchKind]:
    """A patch in one of the two forms that there are (FHIR R4 3.1.0.6)."""
    media, _, _ = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() == JSON_PATCH:
        return await read_body(request, MAXIMUM_BYTES), "json"
    check_content_type(request)
    return await read_body(request, MAXIMUM_BYTES), "fhirpath"


def _criteria(query: str) -> str:
    """The condition in a query, without what only says how to answer."""
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [pair for pair in pairs if pair[0] not in _OF_THE_ANSWER]
    return query if len(kept) == len(pairs) else urlencode(kept)


async def _alone(put: Awaitable[Outcome], type_: str) -> Outcome:
    """The outcome of a resource that came alone: its places are not those of a bundle."""
    try:
        return await put
    except FhirError as error:
        error.issues = tuple(
            dataclasses.replace(one, location=one.location.replace(_IN_BUNDLE, type_, 1))
            for one in error.issues
        )
        raise
