"""The FHIR door for bundles: a transaction, done whole or not at all, or a batch.

FHIR R4 3.1.0.11. Changes come first, in the order of R4; then the reads, each answered by the door
that would have answered it alone.
"""

from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.exchange.outcome import Outcome
from careledger.fhir.bundle import READS, Bundle, Entry
from careledger.fhir.dates import instant_text
from careledger.fhir.errors import InvalidBundle
from careledger.fhir.outcome import outcome_of
from careledger.fhir.resource import MAXIMUM_BYTES
from careledger.fhir.responses import Answer, response_bundle
from careledger.gateway.auth_bearer import caller_of, insufficient_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.body import read_body
from careledger.gateway.fhir_http import check_accept, check_content_type, etag
from careledger.gateway.fhir_inner import MOST_READ_BYTES, ask
from careledger.gateway.fhir_prefer import done, preferred, representation
from careledger.gateway.fhir_writer import is_allowed, writer_of, writing_caller
from careledger.gateway.outcome import Refused, fhir_response
from careledger.gateway.services import FHIR_PATH, GatewayServices

MOST_READS: Final = 200
"""Reads in one bundle: each may be answered with a page."""

_NO_CONTENT: Final = 204


class Forbidden(InvalidBundle):
    """An entry of a batch that the token's scopes do not reach."""

    code = "forbidden"
    status = 403


def routes(services: GatewayServices) -> list[Route]:
    """Where bundles come in."""
    door = _Bundles(services)
    return [
        Route(FHIR_PATH, door.bundle, methods=["POST"]),
        Route(FHIR_PATH + "/", door.bundle, methods=["POST"]),
    ]


class _Bundles:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def bundle(self, request: Request) -> Response:
        """A transaction, or a batch."""
        caller = caller_of(request, self._services)
        check_accept(request)
        check_content_type(request)
        data = await read_body(request, MAXIMUM_BYTES)
        bundle = _allowed(caller, await self._services.exchange.ingestion.parsed(data))
        reads = [one for one in bundle.entries if one.method in READS and one.error is None]
        if len(reads) > MOST_READS:
            raise Refused(400, "too-costly", f"at most {MOST_READS} reads in one bundle")
        if len(reads) < len(bundle.entries):
            writing_caller(request, self._services)
        outcomes = [Outcome(_NO_CONTENT, "")] * len(bundle.entries)
        if len(reads) < len(bundle.entries):
            writer = writer_of(caller, self._services)
            outcomes = await self._services.exchange.ingestion.take(bundle, writer)
        answers, room = list[Answer](), MOST_READ_BYTES
        for entry, outcome in zip(bundle.entries, outcomes, strict=True):
            if entry in reads:
                answers.append(await self._read(request, entry, room))
                room -= len(answers[-1].resource or b"")
            else:
                answers.append(_answer(request, entry, outcome))
        return fhir_response(response_bundle(bundle.type, answers))

    async def _read(self, request: Request, entry: Entry, room: int) -> Answer:
        answered = await ask(request, entry, room)
        modified = answered.headers.get("last-modified")
        is_good = answered.status < HTTPStatus.BAD_REQUEST
        body = answered.body if entry.method == "GET" else b""
        return Answer(
            status=_status(answered.status),
            etag=answered.headers.get("etag"),
            last_modified=_instant(modified) if modified is not None else None,
            resource=body or None if is_good else None,
            outcome=None if is_good else body or None,
        )


def _allowed(caller: Caller, bundle: Bundle) -> Bundle:
    """The bundle, with what the token does not reach refused: of a transaction all of it.

    Raises:
        Refused: 403.
    """
    entries = list[Entry]()
    for entry in bundle.entries:
        beyond = entry.error is None and entry.method not in READS and not is_allowed(caller, entry)
        if beyond and bundle.type == "transaction":
            raise insufficient_scope()
        refusal = Forbidden("what the token's scope reaches", f"{entry.place}.request")
        entries.append(replace(entry, error=refusal) if beyond else entry)
    return Bundle(bundle.type, tuple(entries))


def _answer(request: Request, entry: Entry, outcome: Outcome) -> Answer:
    if outcome.error is not None:
        return Answer(status=_status(outcome.error.status), outcome=outcome_of(outcome.error))
    location, tag = None, None
    if outcome.id is not None and entry.method != "DELETE":
        location = f"{outcome.type}/{outcome.id}"
        if outcome.version is not None:
            location += f"/_history/{outcome.version}"
            tag = etag(outcome.version)
    wanted = preferred(request) if "prefer" in request.headers else "minimal"
    return Answer(
        status=_status(outcome.status),
        location=location,
        etag=tag,
        last_modified=None if outcome.stored is None else instant_text(outcome.stored),
        resource=representation(outcome) if wanted == "representation" else None,
        outcome=done(outcome) if wanted == "operationoutcome" else None,
    )


def _status(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"


def _instant(modified: str) -> str:
    """A FHIR instant of an HTTP date."""
    return instant_text(int(parsedate_to_datetime(modified).timestamp()))
