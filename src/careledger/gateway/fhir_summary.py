"""The FHIR door's `$summary` (IPS) and `$docref` (US Core): what of a record is wanted first.

Both are made from what the caller may see at this moment, and noted like any other read.
"""

import uuid
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.exchange.reach import Reach
from careledger.fhir.dates import instant_text
from careledger.fhir.patient_summary import Heading, Piece, summary_document
from careledger.fhir.responses import searchset
from careledger.fhir.search.engine import run as search_in
from careledger.fhir.search.graph import Node
from careledger.fhir.search.parse import parse
from careledger.gateway.auth_bearer import caller_of, require_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.body import read_body
from careledger.gateway.fhir_http import answer, check_accept, check_content_type, is_id
from careledger.gateway.fhir_query import Parameters, parameters_of
from careledger.gateway.fhir_reach import entry, reach_of, run
from careledger.gateway.outcome import Refused, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.ledger.errors import Unavailable
from careledger.mechanisms.messages import NOTICE
from careledger.vault.opening import Opened

SUMMARY: Final = "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"
DOCREF: Final = "http://hl7.org/fhir/us/core/OperationDefinition/docref"

_MOST_BODY: Final = 100_000
_DOCREF: Final = frozenset(("patient", "start", "end", "type", "on-demand", "profile"))


class _Coding(msgspec.Struct):
    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct):
    coding: list[_Coding] = []


class _Parameter(msgspec.Struct):
    name: str
    valueId: str | None = None  # noqa: N815 - the names FHIR gives them
    valueDate: str | None = None  # noqa: N815
    valueDateTime: str | None = None  # noqa: N815
    valueString: str | None = None  # noqa: N815
    valueCanonical: str | None = None  # noqa: N815
    valueBoolean: bool | None = None  # noqa: N815
    valueCoding: _Coding | None = None  # noqa: N815
    valueCodeableConcept: _Concept | None = None  # noqa: N815

    @property
    def text(self) -> str:
        """The value as it would stand in a URL."""
        concept = self.valueCodeableConcept or _Concept(list(filter(None, [self.valueCoding])))
        if concept.coding:
            return ",".join(f"{one.system}|{one.code}" for one in concept.coding)
        if self.valueBoolean is not None:
            return str(self.valueBoolean).lower()
        plain = (self.valueId, self.valueDate, self.valueDateTime, self.valueString)
        return next(filter(None, plain), self.valueCanonical or "")


class _Parameters(msgspec.Struct, tag="Parameters", tag_field="resourceType"):
    parameter: list[_Parameter] = []


def routes(services: GatewayServices) -> list[Route]:
    """Where summaries and documents are asked for."""
    door = _Summaries(services)
    both = ["GET", "POST"]
    return [
        Route(FHIR_PATH + "/Patient/{id}/$summary", door.summary, methods=both),
        Route(FHIR_PATH + "/DocumentReference/$docref", door.docref, methods=both),
    ]


class _Summaries:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def summary(self, request: Request) -> Response:
        """The International Patient Summary of one patient."""
        caller = caller_of(request, self._services)
        check_accept(request)
        require_scope(caller, "Patient", "r")
        local = request.path_params["id"]
        if not is_id(local):
            return not_found()
        opened = await run(self._services, lambda: self._record(caller, local), is_wide=False)
        pieces = [self._piece(one) for one in opened]
        own = f"{self._services.fhir_url}/Patient/{local}"
        first = next((one for one in pieces if one.full_url == own), None)
        if first is None:
            return not_found()
        heading = Heading(
            id=str(uuid.uuid4()),
            made=instant_text(self._services.organisation.clock()),
            author=self._services.organisation.member,
            notice=NOTICE,
        )
        rest = [one for one in pieces if one is not first]
        return answer(request, summary_document(first, rest, heading))

    async def docref(self, request: Request) -> Response:
        """The documents of one patient; none is made on demand (US Core 6.1, $docref)."""
        caller = caller_of(request, self._services)
        check_accept(request)
        require_scope(caller, "DocumentReference", "s")
        given = await self._given(request)
        named = dict(given)
        if (
            len(named) < len(given)
            or not set(named) <= _DOCREF
            or not is_id(named.get("patient", ""))
        ):
            text = f"$docref takes {', '.join(sorted(_DOCREF))}, each once; patient is an id"
            raise Refused(400, "required", text)
        found: list[Opened] = []
        if named.get("on-demand") != "true":
            found = await run(self._services, lambda: self._documents(caller, named), is_wide=False)
        url = f"{self._services.fhir_url}/DocumentReference/$docref"
        body = searchset(
            [entry(self._services, one) for one in found],
            total=len(found),
            self_url=f"{url}?{urlencode(given)}",
            timestamp=instant_text(self._services.organisation.clock()),
        )
        return answer(request, body)

    def _record(self, caller: Caller, local: str) -> list[Opened]:
        """The whole record, if the person is in reach."""
        with reach_of(self._services, caller, "export") as reach:
            nodes = list(reach.of_type(None, frozenset((local,)), lambda _: True))
            is_known = any(one.name == f"Patient/{local}" for one in nodes)
            opened = _opened(reach, nodes if is_known else ())
            reach.note([local])
        return opened

    def _documents(self, caller: Caller, named: dict[str, str]) -> list[Opened]:
        asked = [("patient", named["patient"]), ("_count", "1000")]
        asked += [("period", f"ge{named['start']}")] if "start" in named else []
        asked += [("period", f"le{named['end']}")] if "end" in named else []
        asked += [("type", named["type"])] if "type" in named else []
        asked += [("_profile", named["profile"])] if "profile" in named else []
        indexed = self._services.organisation.indexed
        search = parse("DocumentReference", asked, indexed=indexed)
        with reach_of(self._services, caller, "search") as reach:
            opened = _opened(reach, search_in(search, reach).matches)
            reach.note([named["patient"]])
        return opened

    async def _given(self, request: Request) -> Parameters:
        if request.method == "GET":
            return parameters_of(request)
        check_content_type(request)
        try:
            body = await read_body(request, _MOST_BODY)
            given = msgspec.json.decode(body, type=_Parameters)
        except msgspec.DecodeError as error:
            raise Refused(400, "structure", "send Parameters") from error
        return tuple((one.name, one.text) for one in given.parameter)

    def _piece(self, opened: Opened) -> Piece:
        found = entry(self._services, opened)
        return Piece(found.full_url, found.resource, opened.facts.start or opened.stored)


def _opened(reach: Reach, nodes: Sequence[Node]) -> list[Opened]:
    """What is behind the nodes.

    Raises:
        Unavailable: who keeps some of it does not answer; part of a summary would mislead.
    """
    reach.expect(nodes)
    found = list(reach.open_each(nodes))
    if reach.unanswered:
        raise Unavailable("what another server keeps is missing: ask again")
    return [one for one in found if one is not None and not one.deleted]
