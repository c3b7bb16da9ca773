"""The FHIR door's `$validate`: would this resource do, and what is wrong with it (FHIR R4 2.33).

Nothing is stored. The answer is an OperationOutcome with status 200, whatever it says; a resource
that is none gets its refusal as an outcome too.
"""

import asyncio
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.fhir.errors import FhirError, MissingElement
from careledger.fhir.outcome import outcome_of
from careledger.fhir.resource import MAXIMUM_BYTES, resource_type
from careledger.fhir.validate.findings import Finding, outcome
from careledger.fhir.validate.validator import validate
from careledger.gateway.auth_bearer import caller_of, require_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.body import read_body
from careledger.gateway.fhir_http import check_accept, check_content_type, is_id, is_type
from careledger.gateway.fhir_reach import reach_of, run
from careledger.gateway.outcome import Refused, fhir_response, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.vault.opening import Opened

VALIDATE = "http://hl7.org/fhir/OperationDefinition/Resource-validate"

_MODES = ("create", "update", "delete", "profile")
_MOST_PROFILES = 16


class _Parameter(msgspec.Struct):
    name: str
    resource: msgspec.Raw = msgspec.Raw(b"")
    valueCode: str | None = None  # noqa: N815 - the names FHIR gives them
    valueUri: str | None = None  # noqa: N815
    valueCanonical: str | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815

    @property
    def text(self) -> str:
        """The value, of whichever type."""
        return self.valueCode or self.valueUri or self.valueCanonical or self.valueString or ""


class _Parameters(msgspec.Struct):
    parameter: list[_Parameter] = []


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be validated: a resource, for what, and against which profiles."""

    resource: bytes
    mode: str
    profiles: tuple[str, ...]


def routes(services: GatewayServices) -> list[Route]:
    """Where resources are validated."""
    door = _Validation(services)
    one = FHIR_PATH + "/{type}/{id}/$validate"
    return [
        Route(FHIR_PATH + "/{type}/$validate", door.validate, methods=["POST"]),
        Route(one, door.validate, methods=["POST"]),
        Route(one, door.validate_stored, methods=["GET"]),
    ]


class _Validation:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def validate(self, request: Request) -> Response:
        """The resource that comes with the request; without one, the stored one of this id."""
        caller = caller_of(request, self._services)
        check_accept(request)
        type_, id_ = request.path_params["type"], request.path_params.get("id")
        if not is_type(type_) or (id_ is not None and not is_id(id_)):
            return not_found()
        if not any(caller.scopes.allow(type_, one) for one in ("c", "r", "u")):
            require_scope(caller, type_, "r")
        check_content_type(request)
        asked = _asked(request, await read_body(request, MAXIMUM_BYTES))
        if asked.mode == "delete" or (not asked.resource and id_ is not None):
            return await self.validate_stored(request)
        return await _answer(asked, type_, id_)

    async def validate_stored(self, request: Request) -> Response:
        """The resource that is stored under this id, if the caller may see it."""
        caller = caller_of(request, self._services)
        check_accept(request)
        type_, id_ = request.path_params["type"], request.path_params.get("id", "")
        if not is_type(type_) or not is_id(id_):
            return not_found()
        require_scope(caller, type_, "r")
        opened = await run(self._services, lambda: self._open(caller, type_, id_), is_wide=False)
        if opened is None or opened.deleted:
            return not_found()
        profiles = tuple(request.query_params.getlist("profile"))
        return await _answer(_Asked(opened.data, "profile", profiles), type_, id_)

    def _open(self, caller: Caller, type_: str, id_: str) -> Opened | None:
        with reach_of(self._services, caller, "read") as reach:
            return reach.open_version(type_, id_)


def _asked(request: Request, data: bytes) -> _Asked:
    """The resource itself, or Parameters with it; mode and profiles may stand in the URL too.

    Raises:
        Refused: 400, a mode or more profiles than there are.
        FhirError: not a resource.
    """
    mode = request.query_params.get("mode", "profile")
    profiles = request.query_params.getlist("profile")
    if resource_type(data) == "Parameters" and request.path_params["type"] != "Parameters":
        try:
            given = msgspec.json.decode(data, type=_Parameters).parameter
        except msgspec.DecodeError:
            raise MissingElement("parameters with a name and a value", "Parameters") from None
        by_name = {one.name: one for one in given}
        data = bytes(by_name["resource"].resource) if "resource" in by_name else b""
        mode = by_name["mode"].text if "mode" in by_name else mode
        profiles += [one.text for one in given if one.name == "profile"]
    if mode not in _MODES or len(profiles) > _MOST_PROFILES:
        text = f"mode is one of {', '.join(_MODES)}; at most {_MOST_PROFILES} profiles"
        raise Refused(400, "value", text)
    return _Asked(data, mode, tuple(profiles))


async def _answer(asked: _Asked, type_: str, id_: str | None) -> Response:
    try:
        if not asked.resource:
            raise MissingElement("a resource to validate", "Parameters.parameter")
        findings = await asyncio.to_thread(validate, asked.resource, asked.profiles)
    except FhirError as error:
        return fhir_response(outcome_of(error))
    return fhir_response(outcome([*_misplaced(asked, type_, id_), *findings]))


def _misplaced(asked: _Asked, type_: str, id_: str | None) -> list[Finding]:
    """Whether type and id are those that the request, and the mode, ask for."""
    found: list[Finding] = []
    if resource_type(asked.resource) != type_:
        found.append(Finding("error", "invalid", type_, f"the URL is for {type_}"))
    actual = msgspec.json.decode(asked.resource, type=_Named).id
    if asked.mode == "create" and actual is not None:
        found.append(Finding("information", "value", f"{type_}.id", "a new id will be given"))
    if asked.mode == "update" and (actual is None or (id_ is not None and actual != id_)):
        found.append(Finding("error", "value", f"{type_}.id", "an update needs the id of the URL"))
    return found


class _Named(msgspec.Struct):
    id: str | None = None
