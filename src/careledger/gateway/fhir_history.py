"""The FHIR door's history: versions of a resource, a type or everything in reach, newest first.

FHIR R4 3.1.0.12. A version that is withheld is not there; a resource without one that may be seen
has no history, like one that never was.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.exchange.reach import Reach
from careledger.fhir.dates import instant_text
from careledger.fhir.responses import Version, history_bundle
from careledger.gateway.auth_bearer import caller_of, require_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_cursor import PARAMETER, fixed
from careledger.gateway.fhir_http import (
    answer,
    check_accept,
    etag,
    is_id,
    is_type,
    represented,
)
from careledger.gateway.fhir_query import Parameters, count_in, moment_in, parameters_of
from careledger.gateway.fhir_reach import is_everybody, reach_of, run
from careledger.gateway.outcome import Refused, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.ledger.record import Instant
from careledger.mechanisms.terms import Action
from careledger.vault.deposit import DIRECTORY_TYPES
from careledger.vault.opening import Opened

_KNOWN: Final = frozenset(("_count", "_since", "_at", PARAMETER))


class _Asked(msgspec.Struct, frozen=True, array_like=True):
    """What history is asked for; `before` is the number of the last version of the page before."""

    count: int
    since: Instant | None = None
    at: Instant | None = None
    before: bytes | None = None

    @property
    def end(self) -> int | None:
        """The number below which the page begins."""
        return None if self.before is None else int.from_bytes(self.before)


def routes(services: GatewayServices) -> list[Route]:
    """Where histories are read."""
    door = _Histories(services)
    return [
        Route(FHIR_PATH + "/_history", door.history, methods=["GET"]),
        Route(FHIR_PATH + "/{type}/_history", door.history, methods=["GET"]),
        Route(FHIR_PATH + "/{type}/{id}/_history", door.history, methods=["GET"]),
    ]


class _Histories:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def history(self, request: Request) -> Response:
        """Versions of one resource, of one type, or of all."""
        caller = caller_of(request, self._services)
        check_accept(request)
        type_, id_ = request.path_params.get("type"), request.path_params.get("id")
        if (type_ is not None and not is_type(type_)) or (id_ is not None and not is_id(id_)):
            return not_found()
        require_scope(caller, type_ or "*", "r" if id_ is not None else "s")
        place = "/".join(filter(None, (type_, id_, "_history")))
        given = parameters_of(request)
        asked = self._asked(caller, place, given)
        is_wide = id_ is None and type_ not in DIRECTORY_TYPES and is_everybody(caller)
        found = await run(
            self._services, lambda: self._find(caller, type_, id_, asked), is_wide=is_wide
        )
        if id_ is not None and not found and asked.before is None and asked.since is None:
            return not_found()
        return self._page(request, caller, place, asked, found)

    def _asked(self, caller: Caller, place: str, given: Parameters) -> _Asked:
        named = dict(given)
        if len(named) < len(given) or not set(named) <= _KNOWN:
            raise Refused(400, "not-supported", "history takes _count, _since and _at, each once")
        cursor = named.get(PARAMETER)
        if cursor is not None:
            now = self._services.organisation.clock()
            return self._services.cursors.open(caller, place, cursor, _Asked, now)
        since, at = named.get("_since"), named.get("_at")
        return _Asked(
            count=count_in(named.get("_count")),
            since=None if since is None else moment_in("_since", since)[0],
            at=None if at is None else moment_in("_at", at)[1],
        )

    def _find(
        self, caller: Caller, type_: str | None, id_: str | None, asked: _Asked
    ) -> list[Opened]:
        action: Action = "read" if id_ is not None else "search"
        with reach_of(self._services, caller, action) as reach:
            return list(islice(_versions(reach, type_, id_, asked), asked.count))

    def _page(
        self, request: Request, caller: Caller, place: str, asked: _Asked, found: list[Opened]
    ) -> Response:
        services, next_url = self._services, None
        now, url = services.organisation.clock(), f"{services.fhir_url}/{place}"
        if len(found) == asked.count:
            following = msgspec.structs.replace(asked, before=fixed(found[-1].seq))
            next_url = f"{url}?{PARAMETER}={services.cursors.seal(caller, place, following, now)}"
        said = [pair for pair in request.query_params.multi_items() if pair[0] in _KNOWN]
        body = history_bundle(
            (self._version(one) for one in found),
            self_url=f"{url}?{urlencode(said)}" if said else url,
            next_url=next_url,
            timestamp=instant_text(now),
        )
        return answer(request, body)

    def _version(self, opened: Opened) -> Version:
        return Version(
            full_url=f"{self._services.fhir_url}/{opened.type}/{opened.id}",
            url=f"{opened.type}/{opened.id}",
            is_first=opened.version == 1,
            resource=None if opened.deleted else represented(opened),
            etag=etag(opened.version),
            last_modified=instant_text(opened.stored),
        )


def _versions(reach: Reach, type_: str | None, id_: str | None, asked: _Asked) -> Iterator[Opened]:
    if asked.at is None:
        return reach.history(type_, id_, before=asked.end, since=asked.since)
    return reach.current_at(asked.at, type_, id_, before=asked.end, since=asked.since)
