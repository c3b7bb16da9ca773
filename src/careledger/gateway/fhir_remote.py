"""The FHIR door to other organisations: ask a custodian, answer what it released and we checked.

Every resource in the answer is byte for byte what its custodian committed to on the ledger; if one
were not, there would be no answer. Beside the resources stands one OperationOutcome with the
notice; its extension says where they come from, as of when, on which basis and under which number.
"""

import base64
import binascii
from typing import Final
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.apps.governance.queries import member
from careledger.exchange.ask import RemoteRecords
from careledger.exchange.errors import AccessRefused
from careledger.exchange.limits import Interaction
from careledger.fhir.responses import Found, searchset
from careledger.gateway.auth_bearer import caller_of, insufficient_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_http import check_accept, instant, is_id, is_type
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
        if parameters_of(request):
            raise Refused(400, "not-supported", "$everything takes no parameters here")
        return await self._read(request, caller, Query())

    async def search(self, request: Request) -> Response:
        """What the custodian holds of one type; with `_id` alone, one resource."""
        caller = self._reader(request)
        type_ = request.path_params["type"]
        if not is_type(type_):
            return not_found()
        given = parameters_of(request)
        if any(name in {"patient", "_count"} for name, _ in given):
            raise Refused(400, "not-supported", "the patient is in the path, and there is one page")
        if len(given) == 1 and given[0][0] == "_id" and is_id(given[0][1]):
            require_elsewhere(caller, request.path_params["id"], type_, "r")
            return await self._read(request, caller, Query(type=type_, id=given[0][1]))
        require_elsewhere(caller, request.path_params["id"], type_, "s")
        return await self._read(request, caller, Query(type=type_, parameters=given))

    def _reader(self, request: Request) -> Caller:
        caller = caller_of(request, self._services)
        check_accept(request)
        if caller.account is not None:
            raise insufficient_scope()
        return caller

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
        return fhir_response(_bundle(records, home, self._self_url(request)))

    def _self_url(self, request: Request) -> str:
        given = parameters_of(request)
        url = self._services.base_url + request.url.path
        return f"{url}?{urlencode(given)}" if given else url

    def _home(self, custodian: str) -> str | None:
        """The custodian's FHIR address; None if it is no member with a gateway, or ourselves."""
        organisation = self._services.organisation
        if not MEMBER_ID.fullmatch(custodian) or custodian == organisation.member:
            return None
        with organisation.now() as now:
            found = member(now.view, MemberId(custodian))
        return None if found is None or found.gateway is None else found.gateway + FHIR_PATH


def require_elsewhere(caller: Caller, local: str, type_: str, interaction: Interaction) -> None:
    """Refuse what no scope names as a whole; where a patient is in context, only of that one.

    A scope that reaches some resources of a type does not reach other organisations: what would
    hold its restriction against theirs is not indexed here.

    Raises:
        Refused: 403.
    """
    for scope in caller.scopes.granted:
        is_hers = scope.context != "patient" or caller.patient == local
        if is_hers and not scope.restriction and scope.covers(type_, interaction):
            return
    raise insufficient_scope()


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


def _bundle(records: RemoteRecords, home: str, self_url: str) -> bytes:
    found = [Found(f"{home}/{one.type}/{one.id}", one.data) for one in records.resources]
    notice = Found("urn:careledger:notice", _notice(records), mode="outcome")
    return searchset(
        [*found, notice],
        total=len(found),
        self_url=self_url,
        timestamp=instant(records.as_of),
    )


def _notice(records: RemoteRecords) -> bytes:
    transactions = sorted({one.transaction.hex() for one in records.resources})
    sources: list[dict[str, object]] = [
        {"url": "committed-by", "valueString": one} for one in transactions
    ]
    parts: list[dict[str, object]] = [
        {"url": "custodian", "valueString": records.custodian},
        {"url": "verified", "valueBoolean": True},
        {"url": "as-of", "valueInstant": instant(records.as_of)},
        {"url": "basis", "valueCode": records.basis},
        {"url": "number", "valueUnsignedInt": records.number},
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
