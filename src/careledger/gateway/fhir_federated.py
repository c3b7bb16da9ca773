"""The FHIR door to every organisation that a patient allows: one question, one searchset.

Each entry says who holds it, as of when, on which basis, whether it is what was committed to on
the ledger, and by which transaction. The last entry has the notice that goes with every answer,
and every source, those that did not answer too. Whether anything was withheld is not among it.
"""

import base64
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.apps.governance.queries import member
from careledger.exchange.federated import FederatedAnswer, Found, Source
from careledger.fhir.dates import instant_text
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_elsewhere import (
    NOTICE_URL,
    reader_of,
    require_bare,
    require_elsewhere,
    require_no_pages,
    self_url,
)
from careledger.gateway.fhir_http import is_id, is_type
from careledger.gateway.fhir_query import parameters_of
from careledger.gateway.outcome import DIMENSIONS, Refused, fhir_response, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.ledger.record import MemberId
from careledger.mechanisms.messages import Query

SOURCE: Final = "urn:careledger:fhir:source"
"""URL of the extension that says where an entry comes from, and of a source in the last entry."""

TAMPERED: Final = "_tampered"
"""With the value `include`, what was altered comes along, in base64 and out of the way."""

_PATH: Final = FHIR_PATH + "/federated/Patient/{id}"

Json = dict[str, Any]  # Any: FHIR JSON


def routes(services: GatewayServices) -> list[Route]:
    """Where all sources are asked at once."""
    door = _Federated(services)
    return [
        Route(_PATH + "/$everything", door.everything, methods=["GET"]),
        Route(_PATH + "/{type}", door.search, methods=["GET"]),
    ]


class _Federated:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def everything(self, request: Request) -> Response:
        """All that anybody holds of the patient and may release."""
        caller = reader_of(request, self._services)
        require_elsewhere(caller, request.path_params["id"], "*", "r")
        given, altered = _parameters(request)
        require_bare(given)
        return await self._read(request, caller, Query(), altered=altered)

    async def search(self, request: Request) -> Response:
        """What anybody holds of one type."""
        caller = reader_of(request, self._services)
        type_ = request.path_params["type"]
        if not is_type(type_):
            return not_found()
        require_elsewhere(caller, request.path_params["id"], type_, "s")
        given, altered = _parameters(request)
        require_no_pages(given)
        query = Query(type=type_, parameters=given)
        return await self._read(request, caller, query, altered=altered)

    async def _read(
        self, request: Request, caller: Caller, query: Query, *, altered: bool
    ) -> Response:
        local = request.path_params["id"]
        if not is_id(local):
            return not_found()
        federation = self._services.exchange.federation
        answer = await federation.read(local, query, caller.asker, caller.limits)
        homes = self._homes(answer)
        entries = [_entry(one, homes[one.source.member], altered=altered) for one in answer.found]
        bundle = {
            "resourceType": "Bundle",
            "type": "searchset",
            "timestamp": instant_text(self._services.organisation.clock()),
            "total": sum(one["search"]["mode"] == "match" for one in entries),
            "link": [{"relation": "self", "url": self_url(request, self._services)}],
            "entry": [*entries, _last(answer)],
        }
        return fhir_response(msgspec.json.encode(bundle))

    def _homes(self, answer: FederatedAnswer) -> dict[MemberId, str]:
        """The FHIR address of every source, as the ledger has it; our own as clients know it."""
        organisation = self._services.organisation
        homes: dict[MemberId, str] = {}
        with organisation.now() as now:
            for source in answer.sources:
                found = member(now.view, source.member)
                gateway = None if found is None else found.gateway
                homes[source.member] = (gateway or f"urn:careledger:{source.member}") + FHIR_PATH
        return homes | {organisation.member: self._services.fhir_url}


def _parameters(request: Request) -> tuple[tuple[tuple[str, str], ...], bool]:
    """What is searched for; and whether altered bytes are wanted."""
    given = parameters_of(request)
    wanted = [value for name, value in given if name == TAMPERED]
    if wanted and wanted != ["include"]:
        raise Refused(400, "value", f"{TAMPERED} is include, or left out")
    return tuple(pair for pair in given if pair[0] != TAMPERED), bool(wanted)


def _entry(found: Found, home: str, *, altered: bool) -> Json:
    """A resource as it came, or, where it is not what was committed to, an outcome in its place."""
    source = found.source
    parts: list[Json] = [
        {"url": "member", "valueString": source.member},
        {"url": "as-of", "valueInstant": instant_text(source.as_of or 0)},
        {"url": "basis", "valueCode": source.basis},
        {"url": "mark", "valueCode": found.mark},
    ]
    if found.why is not None:
        parts.append({"url": "why", "valueCode": found.why})
    if found.transaction is not None:
        parts.append({"url": "committed-by", "valueString": found.transaction.hex()})
    if altered and found.mark == "tampered" and found.data:
        body = base64.b64encode(found.data).decode()
        parts.append({"url": "altered", "valueBase64Binary": body})
    tampered = found.mark == "tampered"
    return {
        "extension": [{"url": SOURCE, "extension": parts}],
        "fullUrl": f"{home}/{found.type}/{found.id}",
        "resource": _in_its_place(found) if tampered else msgspec.Raw(found.data),
        "search": {"mode": "outcome" if tampered else "match"},
    }


def _in_its_place(found: Found) -> Json:
    """No client that merges what it is sent can take this for the resource."""
    what = f"{found.type}/{found.id} version {found.version} from {found.source.member}"
    said = "cannot be opened there any more" if found.why == "spoilt" else "was altered"
    text = f"tampered: {what} is not what was committed to; it {said}, and is left out"
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "security", "diagnostics": text}],
    }


def _last(answer: FederatedAnswer) -> Json:
    """The notice, and how each source answered."""
    issue = {"severity": "information", "code": "incomplete", "diagnostics": answer.notice}
    outcome = {
        "resourceType": "OperationOutcome",
        "extension": [
            {"url": SOURCE, "extension": _source(source, answer)} for source in answer.sources
        ],
        "issue": [issue],
    }
    return {"fullUrl": NOTICE_URL, "resource": outcome, "search": {"mode": "outcome"}}


def _source(source: Source, answer: FederatedAnswer) -> list[Json]:
    parts: list[Json] = [
        {"url": "member", "valueString": source.member},
        {"url": "standing", "valueCode": source.standing},
    ]
    if source.as_of is not None:
        parts.append({"url": "as-of", "valueInstant": instant_text(source.as_of)})
    if source.basis is not None:
        parts.append({"url": "basis", "valueCode": source.basis})
    if source.number is not None:
        parts.append({"url": "number", "valueUnsignedInt": source.number})
    if source.trouble is not None:
        parts.append({"url": "trouble", "valueCode": source.trouble})
    for dimension in source.dimensions:
        coding = {"system": DIMENSIONS, "code": dimension}
        parts.append({"url": "refused", "valueCoding": coding})
    if source.standing == "answered":
        entries = sum(one.source.member == source.member for one in answer.found)
        parts.append({"url": "entries", "valueUnsignedInt": entries})
    return parts
