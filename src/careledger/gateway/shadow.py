"""Shadow mode: the FHIR door passes everything to the organisation's own server, unfiltered.

Only for the organisation's own staff and systems, who have that server's records anyway: nothing is
withheld here. Beside each answer the policy runs, and `/desk/shadow` says what it would have
refused, to whom and why. Patients, partners and the doors between organisations are not shadowed:
they are decided as always, or refused. Nor are changes: a token makes those that its scopes name,
for it is with this gateway's credentials that they are made there.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import Final, cast

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.exchange.limits import Interaction
from careledger.exchange.upstream.client import Answer
from careledger.exchange.upstream.errors import UpstreamLies
from careledger.exchange.upstream.fetching import read_bundle
from careledger.exchange.upstream.shadow import Asking, Shadow
from careledger.exchange.upstream.side import UpstreamSide
from careledger.fhir.bundle import READS, Verb, parse_bundle
from careledger.fhir.errors import FhirError
from careledger.fhir.r4.registry import MODULES
from careledger.fhir.resource import MAXIMUM_BYTES, resource_type
from careledger.gateway.auth_bearer import caller_of, insufficient_scope, require_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.body import read_body
from careledger.gateway.fhir_writer import NEEDS, is_allowed
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.ledger.errors import LedgerError
from careledger.mechanisms.terms import Action

REPORT_PATH: Final = "/desk/shadow"

_PASSED: Final = frozenset(
    (
        "accept",
        "content-type",
        "if-match",
        "if-modified-since",
        "if-none-exist",
        "if-none-match",
        "prefer",
    )
)
"""Headers of a request that go on; never the token, which is for this gateway."""

_ANSWERED: Final = frozenset(
    ("content-location", "content-type", "etag", "last-modified", "location", "retry-after")
)
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_CHANGES: Final[tuple[Interaction, ...]] = ("c", "u", "d")
_ASKED: Final = frozenset(
    ("_search", "$everything", "$export", "$validate", "$summary", "$docref", "$lookup", "$expand")
)
"""What is asked by POST and changes nothing; of other operations nobody knows."""

_OK: Final = 200
_READ_SEGMENTS: Final = 2

_log = logging.getLogger(__name__)


def routes(services: GatewayServices) -> list[Route]:
    """In front of all FHIR doors, where the gateway is in shadow mode; else none."""
    exchange = services.exchange
    if exchange.shadow is None or exchange.upstream is None:
        return []
    door = _Shadowed(services, exchange.upstream, exchange.shadow)
    return [
        Route(REPORT_PATH, door.report, methods=["GET"]),
        Route(FHIR_PATH, door.passed, methods=list(_METHODS)),
        Route(FHIR_PATH + "/{path:path}", door.passed, methods=list(_METHODS)),
    ]


class _Shadowed:
    def __init__(self, services: GatewayServices, upstream: UpstreamSide, shadow: Shadow) -> None:
        self._services, self._upstream, self._shadow = services, upstream, shadow

    async def passed(self, request: Request) -> Response:
        """That server's own answer, with links that lead back here."""
        caller = caller_of(request, self._services)
        if caller.account is not None or caller.partner is not None:
            raise insufficient_scope()
        body = await read_body(request, MAXIMUM_BYTES)
        if not _may_change(caller, request, body):
            raise insufficient_scope()
        answer = await asyncio.to_thread(self._ask, request, body)
        try:
            await asyncio.to_thread(self._look, request, caller, answer)
        except LedgerError as error:
            _log.warning("an answer was not looked at: %s", type(error).__name__)
        headers = {name: answer.headers[name] for name in _ANSWERED if name in answer.headers}
        return Response(
            self._turned(answer.body), answer.status, {k: self._here(v) for k, v in headers.items()}
        )

    async def report(self, request: Request) -> Response:
        """What would have been refused so far; `details=true` names the resources."""
        caller = caller_of(request, self._services)
        require_scope(caller, "Patient", "r")
        if caller.identity.kind != "member":
            raise insufficient_scope()
        details = request.query_params.get("details") == "true"
        found = await asyncio.to_thread(self._shadow.report, details=details)
        return Response(msgspec.json.encode(found), media_type="application/json")

    def _ask(self, request: Request, body: bytes) -> Answer:
        path = request.path_params.get("path", "")
        headers = {k: v for k, v in request.headers.items() if k in _PASSED}
        return self._upstream.client.send(
            request.method,
            path,
            request.query_params.multi_items(),
            body=body or None,
            headers=headers,
            as_it_is=True,
        )

    def _look(self, request: Request, caller: Caller, answer: Answer) -> None:
        asking = Asking(
            kind=caller.identity.kind,
            app=caller.client or "",
            asker=caller.asker,
            limits=caller.limits,
            action=_action(request),
        )
        if answer.ok:
            self._shadow.look(asking, _resources(answer.body))

    def _turned(self, body: bytes) -> bytes:
        there, here = self._upstream.client.base, self._services.fhir_url
        return body.replace(there.encode(), here.encode())

    def _here(self, header: str) -> str:
        return header.replace(self._upstream.client.base, self._services.fhir_url)


def _may_change(caller: Caller, request: Request, body: bytes) -> bool:
    """Whether the token's scopes name every change that the request makes, or could make."""
    if request.method in READS:
        return True
    type_, *rest = request.path_params.get("path", "").strip("/").split("/")
    last = rest[-1] if rest else type_
    if request.method == "POST" and last in _ASKED:
        return True
    if request.method == "POST" and not type_:
        return _may_change_all(caller, body)
    if type_ not in MODULES or "$" in last:
        return all(caller.scopes.allow_whole("*", one) for one in _CHANGES)
    return all(caller.scopes.allow(type_, one) for one in NEEDS[cast("Verb", request.method)])


def _may_change_all(caller: Caller, body: bytes) -> bool:
    """The same of a bundle; one that we do not understand could change anything."""
    try:
        entries = parse_bundle(body).entries
    except FhirError:
        return all(caller.scopes.allow_whole("*", one) for one in _CHANGES)
    changes = [one for one in entries if one.error is not None or one.method not in READS]
    return all(one.error is None and is_allowed(caller, one) for one in changes)


def _action(request: Request) -> Action:
    path = request.path_params.get("path", "")
    if "$everything" in path or "$export" in path:
        return "export"
    parts = path.strip("/").split("/")
    is_search = len(parts) < _READ_SEGMENTS or "_search" in parts
    return "search" if is_search else "read"


def _resources(body: bytes) -> Iterator[bytes]:
    """Every resource in an answer: itself, or what a bundle holds."""
    try:
        type_ = resource_type(body)
    except FhirError:
        return
    if type_ != "Bundle":
        if type_ not in ("OperationOutcome", "CapabilityStatement"):
            yield body
        return
    try:
        bundle = read_bundle(body)
    except UpstreamLies:
        return
    for entry in bundle.entry:
        data = bytes(entry.resource)
        if data:
            yield from _resources(data)
