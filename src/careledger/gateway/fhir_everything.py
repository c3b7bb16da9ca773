"""`$everything`: a patient's record as far as it is in reach, with the directory it refers to.

http://hl7.org/fhir/R4/patient-operation-everything.html. Paged by a sealed cursor; each page brings
along the practitioners, organisations, places and medications that it refers to.
"""

from collections.abc import Iterable
from operator import attrgetter
from re import compile as regex
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.exchange.reach import Reach
from careledger.fhir.dates import instant_text
from careledger.fhir.references import references
from careledger.fhir.responses import Found, searchset
from careledger.fhir.search.graph import Node
from careledger.fhir.search.query import MAXIMUM_COUNT
from careledger.gateway.auth_bearer import caller_of, require_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_cursor import PARAMETER, fixed
from careledger.gateway.fhir_http import answer, check_accept, is_id, is_type
from careledger.gateway.fhir_query import (
    Parameters,
    count_in,
    moment_in,
    parameters_of,
)
from careledger.gateway.fhir_reach import entry, is_everybody, outcome_entry, partial, reach_of, run
from careledger.gateway.outcome import Refused, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.ledger.record import Instant
from careledger.vault.deposit import DIRECTORY_TYPES
from careledger.vault.objects import DIRECTORY
from careledger.vault.opening import Opened

_KNOWN: Final = frozenset(("start", "end", "_since", "_type", "_count", PARAMETER))
_LOCAL: Final = regex(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


class _Asked(msgspec.Struct, frozen=True, array_like=True):
    """What of the record is asked for; `after` is the number of the last of the page before."""

    count: int
    types: frozenset[str] = frozenset()
    start: Instant | None = None
    end: Instant | None = None
    since: Instant | None = None
    after: bytes = b""
    said: Parameters = ()

    def wants(self, node: Node) -> bool:
        """Whether it is of a type, stored and dated as asked; without a date it is of any time."""
        facts = node.facts
        return (
            (not self.types or node.type in self.types)
            and (self.since is None or node.stored >= self.since)
            and (self.end is None or facts.start is None or facts.start <= self.end)
            and (self.start is None or facts.end is None or facts.end >= self.start)
        )


class _Page(NamedTuple):
    matches: list[Opened]
    included: list[Opened]
    total: int
    last: int | None
    """The number of the last match, if there are more."""
    unanswered: int
    """How many are missing because who keeps them did not answer."""


def routes(services: GatewayServices) -> list[Route]:
    """Where whole records are read."""
    door = _Everything(services)
    return [
        Route(FHIR_PATH + "/Patient/$everything", door.everything, methods=["GET"]),
        Route(FHIR_PATH + "/Patient/{id}/$everything", door.everything, methods=["GET"]),
    ]


class _Everything:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def everything(self, request: Request) -> Response:
        """All of a record that the caller may see; without an id, of the one patient in reach."""
        caller = caller_of(request, self._services, partners_too=True)
        check_accept(request)
        require_scope(caller, "Patient", "r")
        local = request.path_params.get("id")
        if local is None and is_everybody(caller):
            raise Refused(400, "too-costly", "name one patient, or ask for a bulk export")
        if local is not None and not is_id(local):
            return not_found()
        place = "Patient/$everything" if local is None else f"Patient/{local}/$everything"
        asked = self._asked(caller, place, parameters_of(request))
        page = await run(self._services, lambda: self._find(caller, local, asked), is_wide=False)
        return not_found() if page is None else self._answer(request, caller, place, asked, page)

    def _asked(self, caller: Caller, place: str, given: Parameters) -> _Asked:
        named = dict(given)
        if len(named) < len(given) or not set(named) <= _KNOWN:
            known = "start, end, _since, _type and _count"
            raise Refused(400, "not-supported", f"$everything takes {known}, each once")
        cursor = named.get(PARAMETER)
        if cursor is not None:
            now = self._services.organisation.clock()
            return self._services.cursors.open(caller, place, cursor, _Asked, now)
        types = frozenset(filter(None, named.get("_type", "").split(",")))
        if not all(map(is_type, types)):
            raise Refused(400, "value", "_type lists resource types of R4")
        start, end, since = (
            moment_in(name, named[name]) if name in named else None
            for name in ("start", "end", "_since")
        )
        return _Asked(
            count=count_in(named["_count"]) if "_count" in named else MAXIMUM_COUNT,
            types=types,
            start=start and start[0],
            end=end and end[1],
            since=since and since[0],
            said=given,
        )

    def _find(self, caller: Caller, local: str | None, asked: _Asked) -> _Page | None:
        """A page; None if nothing of the record is in reach, whatever is asked for."""
        patients = None if local is None else frozenset((local,))
        with reach_of(self._services, caller, "export") as reach:
            nodes = [
                node
                for node in reach.of_type(None, patients, _anything)
                if patients is not None or node.owner != DIRECTORY
            ]
            if not nodes:
                return None
            wanted = sorted(filter(asked.wants, nodes), key=attrgetter("seq"))
            before = int.from_bytes(asked.after) if asked.after else -1
            left = [node for node in wanted if node.seq > before]
            reach.expect(left[: asked.count])
            opened = reach.open_each(left[: asked.count])
            matches = [one for one in opened if one is not None and not one.deleted]
            last = left[asked.count - 1].seq if len(left) > asked.count else None
            included = _included(reach, matches, asked)
            return _Page(matches, included, len(wanted), last, reach.unanswered)

    def _answer(
        self, request: Request, caller: Caller, place: str, asked: _Asked, page: _Page
    ) -> Response:
        services, next_url = self._services, None
        now, url = services.organisation.clock(), f"{services.fhir_url}/{place}"
        if page.last is not None:
            following = msgspec.structs.replace(asked, after=fixed(page.last))
            next_url = f"{url}?{PARAMETER}={services.cursors.seal(caller, place, following, now)}"
        found = [entry(services, one) for one in page.matches]
        included = [entry(services, one) for one in page.included]
        body = searchset(
            [
                *found,
                *(Found(one.full_url, one.resource, "include") for one in included),
                *outcome_entry(partial(page.unanswered)),
            ],
            total=page.total,
            self_url=f"{url}?{urlencode(asked.said)}" if asked.said else url,
            next_url=next_url,
            timestamp=instant_text(now),
        )
        return answer(request, body)


def _included(reach: Reach, matches: Iterable[Opened], asked: _Asked) -> list[Opened]:
    """What belongs to nobody and the page refers to, each once."""
    named = dict.fromkeys(
        (found[1], found[2])
        for one in matches
        for found in map(_LOCAL.fullmatch, references(one.data))
        if found is not None and found[1] in DIRECTORY_TYPES
    )
    opened = (
        reach.open_version(type_, id_)
        for type_, id_ in named
        if not asked.types or type_ in asked.types
    )
    return [one for one in opened if one is not None and not one.deleted]


def _anything(_: Node) -> bool:
    return True
