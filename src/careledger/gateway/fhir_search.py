"""The FHIR door's search: on a type, on all types, in a patient's compartment, in pages.

Consent is decided again for every page. Matches, totals, includes and chains are all computed from
what the caller may see, so nothing that is withheld shows as a gap (FHIR R4 3.1.1).
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.exchange.held_terms import HeldTerms
from careledger.exchange.reach import Reach
from careledger.fhir.dates import instant_text
from careledger.fhir.errors import Issue
from careledger.fhir.responses import Found, searchset
from careledger.fhir.search.engine import run as search_in
from careledger.fhir.search.graph import Node
from careledger.fhir.search.operands import Setting
from careledger.fhir.search.parse import parse
from careledger.fhir.search.query import Position, Search
from careledger.fhir.search.subset import subset
from careledger.gateway.auth_bearer import caller_of, insufficient_scope, require_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_cursor import PARAMETER
from careledger.gateway.fhir_http import (
    answer,
    check_accept,
    is_id,
    is_strict,
    is_type,
)
from careledger.gateway.fhir_query import Parameters, form_of, parameters_of
from careledger.gateway.fhir_reach import entry, is_everybody, outcome_entry, partial, reach_of, run
from careledger.gateway.outcome import Refused, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.vault.deposit import DIRECTORY_TYPES
from careledger.vault.opening import Opened


class _Asked(msgspec.Struct, frozen=True, array_like=True):
    """What is asked for, from the start or from behind the last match of the page before."""

    given: Parameters
    is_strict: bool
    after: Position | None = None


class _Answer(NamedTuple):
    """One page, opened and in the journal."""

    matches: list[Opened]
    included: list[Opened]
    total: int | None
    after: Position | None
    issues: tuple[Issue, ...]
    unanswered: int = 0
    """How many are missing because who keeps them did not answer."""


def routes(services: GatewayServices) -> list[Route]:
    """Where resources are searched; to be put behind all routes that are more special."""
    door = _Searches(services)
    compartment = FHIR_PATH + "/Patient/{id}"
    return [
        Route(FHIR_PATH, door.search, methods=["GET"]),
        Route(FHIR_PATH + "/", door.search, methods=["GET"]),
        Route(FHIR_PATH + "/_search", door.search, methods=["POST"]),
        Route(FHIR_PATH + "/{type}/_search", door.search, methods=["POST"]),
        Route(FHIR_PATH + "/{type}", door.search, methods=["GET"]),
        Route(compartment + "/_search", door.search, methods=["POST"]),
        Route(compartment + "/{type}/_search", door.search, methods=["POST"]),
        Route(compartment + "/{type}", door.search, methods=["GET"]),
    ]


class _Searches:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def search(self, request: Request) -> Response:
        """What matches and the caller may see."""
        caller = caller_of(request, self._services, partners_too=True)
        check_accept(request)
        type_, local = request.path_params.get("type"), request.path_params.get("id")
        if type_ == "*" and local is not None:
            type_ = None
        if (type_ is not None and not is_type(type_)) or (local is not None and not is_id(local)):
            return not_found()
        place = "/".join(filter(None, ("Patient" if local else None, local, type_)))
        given = await form_of(request) if request.method == "POST" else parameters_of(request)
        asked = self._asked(request, caller, place, given)
        search = self._parsed(type_, local, asked)
        _check_scopes(caller, search)
        found = await run(
            self._services,
            lambda: self._find(caller, search, local, asked.after),
            is_wide=_is_wide(search, local) and is_everybody(caller),
        )
        return self._answer(request, caller, (place, asked, search), found)

    def _asked(self, request: Request, caller: Caller, place: str, given: Parameters) -> _Asked:
        cursors = [value for name, value in given if name == PARAMETER]
        if not cursors:
            return _Asked(given, is_strict(request))
        if len(given) > 1:
            raise Refused(400, "value", "follow the link as it was given")
        now = self._services.organisation.clock()
        return self._services.cursors.open(caller, place, cursors[0], _Asked, now)

    def _parsed(self, type_: str | None, local: str | None, asked: _Asked) -> Search:
        return parse(
            type_,
            asked.given,
            indexed=self._services.organisation.indexed,
            handling="strict" if asked.is_strict else "lenient",
            compartment=local,
            setting=Setting(self._services.fhir_url, self._services.organisation.clock()),
        )

    def _find(
        self, caller: Caller, search: Search, local: str | None, after: Position | None
    ) -> _Answer:
        named = search.patients or frozenset(filter(None, (local,)))
        with reach_of(self._services, caller, "search") as reach:
            page = search_in(search, reach, after, terminology=HeldTerms(reach))
            reach.expect((*page.matches, *page.included))
            matches, included = _opened(reach, page.matches), _opened(reach, page.included)
            reach.note(named, counted=search.counts_only)
            missing = reach.unanswered
            return _Answer(matches, included, page.total, page.after, page.issues, missing)

    def _answer(
        self,
        request: Request,
        caller: Caller,
        asked: tuple[str, _Asked, Search],
        found: _Answer,
    ) -> Response:
        services, (place, what, search) = self._services, asked
        now, url = services.organisation.clock(), f"{services.fhir_url}/{place}".rstrip("/")
        next_url = None
        if found.after is not None:
            following = msgspec.structs.replace(what, after=found.after)
            next_url = f"{url}?{PARAMETER}={services.cursors.seal(caller, place, following, now)}"
        body = searchset(
            [
                *(self._entry(one, search, "match") for one in found.matches),
                *(self._entry(one, search, "include") for one in found.included),
                *outcome_entry((*found.issues, *partial(found.unanswered))),
            ],
            total=found.total,
            self_url=f"{url}?{urlencode(search.applied)}" if search.applied else url,
            next_url=next_url,
            timestamp=instant_text(now),
        )
        return answer(request, body)

    def _entry(self, opened: Opened, search: Search, mode: Literal["match", "include"]) -> Found:
        whole = entry(self._services, opened)
        data = subset(whole.resource, elements=search.elements, summary=search.summary)
        return Found(whole.full_url, data, mode)


def _check_scopes(caller: Caller, search: Search) -> None:
    """Refuse what no scope is about; what is searched for beside it is left out silently."""
    for type_ in search.types:
        require_scope(caller, type_, "s")
    if not search.types and not any("s" in one.interactions for one in caller.scopes.granted):
        raise insufficient_scope()


def _is_wide(search: Search, local: str | None) -> bool:
    """Whether a search looks at the records of many."""
    is_directory = bool(search.types) and set(search.types) <= DIRECTORY_TYPES
    return local is None and search.patients is None and not is_directory


def _opened(reach: Reach, nodes: Sequence[Node]) -> list[Opened]:
    return [one for one in reach.open_each(nodes) if one is not None and not one.deleted]
