"""The FHIR door to other organisations: ask a custodian, answer what it released and we checked.

Every resource in the answer is byte for byte what its custodian committed to on the ledger; if one
were not, there would be no answer. Beside the resources stands one OperationOutcome with the
notice; its extension says where they come from, as of when, on which basis and under which number.
"""

import base64
import binascii
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.apps.governance.queries import member
from careledger.exchange.errors import AccessRefused
from careledger.exchange.remote_records import RemoteRecords
from careledger.fhir.dates import instant_text
from careledger.fhir.responses import Found, searchset
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
from careledger.gateway.outcome import Refused, fhir_response, forbidden, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.ledger.record import MEMBER_ID, MemberId
from careledger.mechanisms.messages import Query

DISCLOSURE: Final = "urn:careledger:fhir:disclosure"
"""URL of the extension that tells where an answer comes from."""

EMERGENCY_HEADER: Final = "emergency-statement"

_PATH: Final = FHIR_PATH + "/remote/{custodian}/Patient/{id}"
_MAX_STATEMENT: Final = 4_096


def routes(services: GatewayServices) -> list[Route]:
    """Where records of other organisations are read."""
    door = _Remote(services)
    return [
        Route(_PATH + "/$everything", door.everything, methods=["GET"]),
        Route(_PATH + "/{type}", door.search, methods=["GET"]),
    ]


class _Remote:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def everything(self, request: Request) -> Response:
        """All that the custodian holds and may release."""
        caller = self._reader(request)
        require_elsewhere(caller, request.path_params["id"], "*", "r")
        require_bare(parameters_of(request))
        return await self._read(request, caller, Query())

    async def search(self, request: Request) -> Response:
        """What the custodian holds of one type; with `_id` alone, one resource."""
        caller = self._reader(request)
        type_ = request.path_params["type"]
        if not is_type(type_):
            return not_found()
        given = parameters_of(request)
        require_no_pages(given)
        if len(given) == 1 and given[0][0] == "_id" and is_id(given[0][1]):
            require_elsewhere(caller, request.path_params["id"], type_, "r")
            return await self._read(request, caller, Query(type=type_, id=given[0][1]))
        require_elsewhere(caller, request.path_params["id"], type_, "s")
        return await self._read(request, caller, Query(type=type_, parameters=given))

    def _reader(self, request: Request) -> Caller:
        is_emergency = EMERGENCY_HEADER in request.headers
        return reader_of(request, self._services, is_emergency=is_emergency)

    async def _read(self, request: Request, caller: Caller, query: Query) -> Response:
        custodian, local = request.path_params["custodian"], request.path_params["id"]
        home = self._home(custodian)
        if home is None or not is_id(local):
            return not_found()
        emergency = _emergency(request)
        try:
            records = await self._services.exchange.requester.read(
                local, MemberId(custodian), query, caller.asker, emergency=emergency
            )
        except AccessRefused as error:
            return forbidden(error.dimensions)
        return fhir_response(_bundle(records, home, self_url(request, self._services)))

    def _home(self, custodian: str) -> str | None:
        """The custodian's FHIR address; None if it is no member with a gateway, or ourselves."""
        organisation = self._services.organisation
        if not MEMBER_ID.fullmatch(custodian) or custodian == organisation.member:
            return None
        with organisation.last() as last:
            found = member(last.view, MemberId(custodian))
        return None if found is None or found.gateway is None else found.gateway + FHIR_PATH


def _emergency(request: Request) -> bytes | None:
    """A practitioner's signed statement that there is an emergency, base64url in a header."""
    header = request.headers.get(EMERGENCY_HEADER)
    if header is None:
        return None
    try:
        if len(header) > _MAX_STATEMENT:
            raise ValueError  # noqa: TRY301
        return base64.b64decode(header + "=" * (-len(header) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise Refused(400, "value", "Emergency-Statement is base64url of a statement") from error


def _bundle(records: RemoteRecords, home: str, url: str) -> bytes:
    found = [Found(f"{home}/{one.type}/{one.id}", one.data) for one in records.resources]
    notice = Found(NOTICE_URL, _notice(records), mode="outcome")
    return searchset(
        [*found, notice],
        total=len(found),
        self_url=url,
        timestamp=instant_text(records.as_of),
    )


def _notice(records: RemoteRecords) -> bytes:
    transactions = sorted({one.transaction.hex() for one in records.resources})
    sources: list[dict[str, object]] = [
        {"url": "committed-by", "valueString": one} for one in transactions
    ]
    parts: list[dict[str, object]] = [
        {"url": "custodian", "valueString": records.custodian},
        {"url": "verified", "valueBoolean": True},
        {"url": "as-of", "valueInstant": instant_text(records.as_of)},
        {"url": "basis", "valueCode": records.basis},
        {"url": "number", "valueUnsignedInt": records.number},
        *([] if records.recorded else [{"url": "recorded", "valueBoolean": False}]),
        *sources,
    ]
    issue = {"severity": "information", "code": "incomplete", "diagnostics": records.notice}
    return msgspec.json.encode(
        {
            "resourceType": "OperationOutcome",
            "extension": [{"url": DISCLOSURE, "extension": parts}],
            "issue": [issue],
        }
    )
