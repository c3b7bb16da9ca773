"""The FHIR door's `$export`: order, poll, fetch, cancel (FHIR Bulk Data Access 2.0).

For the organisation's own systems, within their scopes. Each patient's part is decided when it is
written and once more when it is fetched. Nobody but whoever ordered an export learns of it.
"""

import re
from email.utils import formatdate
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from careledger.exchange.bulk.jobs import TooMany
from careledger.exchange.bulk.order import Job, Level, Output, Phase
from careledger.fhir.dates import instant_text
from careledger.gateway.auth_bearer import caller_of, insufficient_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.body import read_body
from careledger.gateway.bulk_order import (
    Recipe,
    asked_in,
    bound_to,
    check,
    order_again,
    order_of,
    pairs_in,
)
from careledger.gateway.fhir_http import check_accept, check_content_type, is_id
from careledger.gateway.fhir_reach import reach_of
from careledger.gateway.outcome import Refused, not_found, outcome
from careledger.gateway.services import FHIR_PATH, GatewayServices

EXPORT: Final = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
JOBS: Final = FHIR_PATH + "/bulk"
NDJSON: Final = "application/fhir+ndjson"

_MOST_BODY: Final = 100_000
_POLL_S: Final = "1"
_ASYNC: Final = re.compile(r"(?:^|[,;\s])respond-async(?:$|[,;\s])")
_PATIENT: Final = re.compile(r"(?:(.+)/)?Patient/([A-Za-z0-9\-.]{1,64})")


def routes(services: GatewayServices) -> list[Route]:
    """Where exports are ordered and fetched; those of an earlier run go on."""
    door, indexed = _Exports(services), services.organisation.indexed
    services.exchange.exports.resume(lambda asked: order_again(asked, indexed))
    both = ["GET", "POST"]
    job = JOBS + "/{job}"
    return [
        Route(FHIR_PATH + "/$export", door.everything, methods=both),
        Route(FHIR_PATH + "/Patient/$export", door.patients, methods=both),
        Route(FHIR_PATH + "/Group/{id}/$export", door.group, methods=both),
        Route(job, door.status, methods=["GET"]),
        Route(job, door.end, methods=["DELETE"]),
        Route(job + "/{name}", door.file, methods=["GET"]),
    ]


class _Exports:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def everything(self, request: Request) -> Response:
        """Everything in reach, the directory included."""
        return await self._begin(request, "system")

    async def patients(self, request: Request) -> Response:
        """The records of all patients in reach, or of those that `patient` names."""
        return await self._begin(request, "patient")

    async def group(self, request: Request) -> Response:
        """The records of the members of a Group."""
        caller = self._caller(request)
        id_ = request.path_params["id"]
        members = self._members(caller, id_) if is_id(id_) else None
        return not_found() if members is None else await self._begin(request, "group", members)

    async def status(self, request: Request) -> Response:
        """How far it is: 202 with `X-Progress`, or the manifest."""
        job = self._job(request)
        if job is None:
            return not_found()
        if job.phase is Phase.FAILED:
            return outcome(500, "exception", "the export failed: order it again")
        if job.phase is Phase.RUNNING:
            part = f"{job.written} resources so far"
            return Response(b"", 202, headers={"X-Progress": part, "Retry-After": _POLL_S})
        ends = {"Expires": formatdate(job.ends, usegmt=True), "Cache-Control": "no-store"}
        return JSONResponse(self._manifest(job), headers=ends)

    async def end(self, request: Request) -> Response:
        """Cancel it, or say that its files are not needed any more."""
        job = self._job(request)
        if job is None:
            return not_found()
        self._services.exchange.exports.end(job)
        return Response(b"", 202)

    async def file(self, request: Request) -> Response:
        """One file, line by line."""
        job, name = self._job(request), request.path_params["name"]
        found = None if job is None else next((o for o in job.outputs if o.name == name), None)
        if job is None or found is None or job.phase is not Phase.DONE:
            return not_found()
        lines = self._services.exchange.exports.lines(job, found)
        return StreamingResponse(lines, media_type=NDJSON, headers={"Cache-Control": "no-store"})

    def _caller(self, request: Request) -> Caller:
        caller = caller_of(request, self._services)
        if not any(one.context == "system" for one in caller.scopes.granted):
            raise insufficient_scope()
        return caller

    async def _begin(
        self, request: Request, level: Level, members: tuple[str, ...] | None = None
    ) -> Response:
        caller = self._caller(request)
        check_accept(request)
        if not _ASYNC.search(request.headers.get("prefer", "").lower()):
            raise Refused(400, "invalid", "an export is ordered with Prefer: respond-async")
        body = await read_body(request, _MOST_BODY) if request.method == "POST" else b""
        if body:
            check_content_type(request)
        pairs, indexed = pairs_in(request, body), self._services.organisation.indexed
        check(request, pairs)
        recipe = Recipe(level=level, caller=caller, pairs=pairs, members=members)
        order = order_of(recipe, indexed)
        if any(not caller.scopes.allow(type_, "r") for type_ in order.types or ()):
            raise insufficient_scope()
        try:
            asked = asked_in(request, _owner(caller), recipe)
            job = self._services.exchange.exports.begin(asked, order)
        except TooMany:
            text = "you have as many exports as you may: end one, or wait"
            return outcome(429, "throttled", text, {"Retry-After": "60"})
        return Response(b"", 202, headers={"Content-Location": self._url(job)})

    def _members(self, caller: Caller, id_: str) -> tuple[str, ...] | None:
        """Local ids of the patients in a Group; None if there is none that the caller may see.

        A member at another server is nobody's here, whatever the end of the address.
        """
        with reach_of(self._services, caller, "read") as reach:
            opened = reach.open_version("Group", id_)
        if opened is None or opened.deleted:
            return None
        found = msgspec.json.decode(opened.data, type=_Group).member
        named = (_PATIENT.fullmatch(one.entity.reference) for one in found if not one.inactive)
        upstream = self._services.exchange.upstream
        ours = {None, *self._services.addresses(FHIR_PATH), upstream and upstream.client.base}
        return tuple(dict.fromkeys(one[2] for one in named if one is not None and one[1] in ours))

    def _job(self, request: Request) -> Job | None:
        """The export, if it is this client's, for this person and with the scopes of this token."""
        caller = self._caller(request)
        job = self._services.exchange.exports.find(_owner(caller), request.path_params["job"])
        return job if job is not None and job.asked.bound == bound_to(caller) else None

    def _url(self, job: Job) -> str:
        return f"{self._services.base_url}{JOBS}/{job.id}"

    def _manifest(self, job: Job) -> dict[str, object]:
        def listed(kind: str) -> list[dict[str, object]]:
            return [
                {"type": _type(one), "url": f"{self._url(job)}/{one.name}", "count": one.count}
                for one in job.outputs
                if one.kind == kind
            ]

        return {
            "transactionTime": instant_text(job.started),
            "request": self._services.base_url + job.asked.url,
            "requiresAccessToken": True,
            "output": listed("output"),
            "deleted": listed("deleted"),
            "error": [],
        }


def _type(one: Output) -> str:
    return one.type if one.kind == "output" else "Bundle"


def _owner(caller: Caller) -> str:
    """Whose share of the exports that there can be at once."""
    who = caller.identity
    return "|".join((who.signer, who.kind, who.subject or "", caller.client or "", caller.purpose))


class _Entity(msgspec.Struct):
    reference: str = ""


class _Member(msgspec.Struct):
    entity: _Entity
    inactive: bool = False


class _Group(msgspec.Struct):
    member: list[_Member] = []
