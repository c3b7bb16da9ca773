"""The FHIR door, inwards: bundles and single resources, taken in as they are or refused whole."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.exchange.outcome import Conflict, Outcome
from careledger.fhir.bundle import Verb, is_open, parse_bundle
from careledger.fhir.errors import DanglingReference, FhirError, WrongType
from careledger.fhir.outcome import outcome_of
from careledger.fhir.references import references, with_id
from careledger.fhir.resource import MAXIMUM_BYTES, resource_type
from careledger.fhir.responses import Answer, response_bundle
from careledger.gateway.auth_bearer import caller_of, insufficient_scope, require_scope
from careledger.gateway.auth_caller import Caller
from careledger.exchange.limits import Interaction
from careledger.gateway.body import read_body
from careledger.gateway.fhir_http import (
    check_accept,
    check_content_type,
    etag,
    if_match,
    is_id,
    is_type,
)
from careledger.gateway.outcome import fhir_response, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices

_NEEDS: Final[dict[Verb, Interaction]] = {"POST": "c", "PUT": "u", "DELETE": "d", "GET": "r"}

_STATUS: Final = {200: "200 OK", 201: "201 Created", 204: "204 No Content"}
_NO_CONTENT: Final = 204
_WHOLE: Final = "return=representation"
_IN_BUNDLE: Final = "Bundle.entry[0].resource"


def routes(services: GatewayServices) -> list[Route]:
    """Where records come in."""
    door = _Writes(services)
    one = FHIR_PATH + "/{type}/{id}"
    return [
        Route(FHIR_PATH, door.bundle, methods=["POST"]),
        Route(FHIR_PATH + "/", door.bundle, methods=["POST"]),
        Route(FHIR_PATH + "/{type}", door.create, methods=["POST"]),
        Route(one, door.update, methods=["PUT"]),
        Route(one, door.delete, methods=["DELETE"]),
    ]


class _Writes:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def bundle(self, request: Request) -> Response:
        """A transaction, or a batch (FHIR R4 3.1.0.11)."""
        caller = self._writer(request)
        check_content_type(request)
        data = await read_body(request, MAXIMUM_BYTES)
        bundle = await asyncio.to_thread(parse_bundle, data)
        for entry in bundle.entries:
            if entry.error is None:
                require_scope(caller, entry.type, _NEEDS[entry.method])
        outcomes = await self._services.exchange.ingestion.take(bundle)
        return fhir_response(response_bundle(bundle.type, [_answer(one) for one in outcomes]))

    async def create(self, request: Request) -> Response:
        """A new resource; its id is given here."""
        caller = self._writer(request)
        type_ = request.path_params["type"]
        if not is_type(type_):
            return not_found()
        require_scope(caller, type_, "c")
        data = await self._resource(request, type_)
        condition = request.headers.get("if-none-exist")
        put = self._services.exchange.ingestion.put(data, type=type_, if_none_exist=condition)
        return self._stored(request, await _alone(put, type_), data)

    async def update(self, request: Request) -> Response:
        """A version of the resource with this id, the first one included."""
        caller = self._writer(request)
        type_, id_ = request.path_params["type"], request.path_params["id"]
        if not is_type(type_) or not is_id(id_):
            return not_found()
        require_scope(caller, type_, "u")
        data = await self._resource(request, type_)
        version = if_match(request)
        put = self._services.exchange.ingestion.put(data, type=type_, id=id_, if_match=version)
        return self._stored(request, await _alone(put, type_), data)

    async def delete(self, request: Request) -> Response:
        """From now on there is no such resource; its versions stay in the vault."""
        caller = self._writer(request)
        type_, id_ = request.path_params["type"], request.path_params["id"]
        if not is_type(type_) or not is_id(id_):
            return not_found()
        require_scope(caller, type_, "d")
        try:
            await self._services.exchange.ingestion.delete(type_, id_)
        except Conflict:
            return not_found()
        return fhir_response(b"", _NO_CONTENT)

    def _writer(self, request: Request) -> Caller:
        """Whoever may write at all: this member's own service and staff."""
        caller = caller_of(request, self._services)
        check_accept(request)
        if caller.account is not None:
            raise insufficient_scope()
        return caller

    async def _resource(self, request: Request, type_: str) -> bytes:
        check_content_type(request)
        data = await read_body(request, MAXIMUM_BYTES)
        if resource_type(data) != type_:
            raise WrongType("the resource type of the URL", "resourceType")
        if any(map(is_open, references(data))):  # R4 3.1.0.11.2
            raise DanglingReference("references that need no transaction to be resolved", type_)
        return data

    def _stored(self, request: Request, outcome: Outcome, data: bytes) -> Response:
        headers: dict[str, str] = {}
        if outcome.id is not None:
            place = f"{self._services.fhir_url}/{outcome.type}/{outcome.id}"
            if outcome.version is not None:
                place += f"/_history/{outcome.version}"
                headers["ETag"] = etag(outcome.version)
            headers["Location"] = place
        return fhir_response(_echo(request, outcome, data), outcome.status, headers)


def _echo(request: Request, outcome: Outcome, data: bytes) -> bytes:
    """What was just stored, unless the client prefers less (FHIR R4 3.1.0.1.8)."""
    if request.headers.get("prefer", _WHOLE) != _WHOLE or outcome.version is None:
        return b""
    return with_id(data, outcome.id or "") if request.method == "POST" else data


async def _alone(put: Awaitable[Outcome], type_: str) -> Outcome:
    """The outcome of a resource that came alone: its places are not those of a bundle."""
    try:
        return await put
    except FhirError as error:
        error.issues = tuple(
            replace(one, location=one.location.replace(_IN_BUNDLE, type_, 1))
            for one in error.issues
        )
        raise


def _answer(outcome: Outcome) -> Answer:
    if outcome.error is not None:
        error = outcome.error
        return Answer(status=str(error.status), outcome=outcome_of(error))
    location, tag = None, None
    if outcome.id is not None and outcome.version is not None and outcome.status != _NO_CONTENT:
        location = f"{outcome.type}/{outcome.id}/_history/{outcome.version}"
        tag = etag(outcome.version)
    elif outcome.id is not None:
        location = f"{outcome.type}/{outcome.id}"
    return Answer(
        status=_STATUS.get(outcome.status, str(outcome.status)), location=location, etag=tag
    )
