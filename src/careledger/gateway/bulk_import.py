"""The FHIR door's `$import`: resources as lines, taken in while they arrive.

NDJSON in the body, of any length; memory stays flat. A line with an id stores a version of that
resource, one without creates it. Patients come before what is about them, as bulk files allow.
Addresses to fetch from are refused: this server fetches nothing.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.exchange.outcome import Outcome
from careledger.fhir.bundle import Bundle, Entry, is_open
from careledger.fhir.errors import DanglingReference, FhirError, NotJson, TooLarge
from careledger.fhir.references import references
from careledger.fhir.resource import resource_type
from careledger.gateway.auth_bearer import insufficient_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_writer import writing_caller
from careledger.gateway.outcome import Refused, fhir_response
from careledger.gateway.services import FHIR_PATH, GatewayServices

IMPORT: Final = "https://careledger.example/OperationDefinition/import"
MOST_LINE_BYTES: Final = 10_000_000
AT_ONCE: Final = 250
"""Lines that are stored in one durable write."""

_AHEAD: Final = 3
_MOST_ISSUES: Final = 100
_TYPES: Final = frozenset(("application/fhir+ndjson", "application/ndjson", "application/x-ndjson"))


class _Named(msgspec.Struct):
    id: str | None = None


@dataclass(slots=True)
class _Tally:
    """What became of the lines so far."""

    stored: int = 0
    refused: int = 0
    issues: list[dict[str, object]] = field(default_factory=list)

    def refuse(self, line: int, error: FhirError) -> None:
        """Count a line that was refused; the first of them are told."""
        self.refused += 1
        for one in error.issues if len(self.issues) < _MOST_ISSUES else ():
            place = [f"line[{line}]", *([one.location] if one.location else [])]
            self.issues.append(
                {
                    "severity": "error",
                    "code": one.code,
                    "diagnostics": f"line {line}: expected {one.expected}",
                    "expression": place[-1:],
                }
            )

    def parameters(self) -> bytes:
        """The answer."""
        told: list[dict[str, object]] = [
            {"name": "stored", "valueInteger": self.stored},
            {"name": "refused", "valueInteger": self.refused},
        ]
        if self.issues:
            outcome = {"resourceType": "OperationOutcome", "issue": self.issues}
            told.append({"name": "outcome", "resource": outcome})
        return msgspec.json.encode({"resourceType": "Parameters", "parameter": told})


def routes(services: GatewayServices) -> list[Route]:
    """Where lines come in."""
    return [Route(FHIR_PATH + "/$import", _Import(services).take, methods=["POST"])]


class _Import:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def take(self, request: Request) -> Response:
        """Every line, in order; what was refused is told with its number, counted from 1."""
        caller = writing_caller(request, self._services)
        if not caller.keeps_records:
            raise insufficient_scope()
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in _TYPES or "content-encoding" in request.headers:
            text = "send the resources themselves, as application/fhir+ndjson: nothing is fetched"
            raise Refused(415, "not-supported", text)
        tally = _Tally()
        waiting: deque[asyncio.Task[None]] = deque()
        try:
            async for entries in self._batches(request, caller, tally):
                waiting.append(asyncio.create_task(self._store(entries, tally)))
                if len(waiting) > _AHEAD:
                    await waiting.popleft()
            while waiting:
                await waiting.popleft()
        finally:
            await asyncio.gather(*waiting, return_exceptions=True)
        return fhir_response(tally.parameters())

    async def _batches(
        self, request: Request, caller: Caller, tally: _Tally
    ) -> AsyncIterator[list[Entry]]:
        entries: list[Entry] = []
        number = 0
        async for line in _lines(request):
            number += 1
            if not line.strip():
                continue
            try:
                entries.append(_entry(number, line, caller))
            except FhirError as error:
                tally.refuse(number, error)
            if len(entries) == AT_ONCE:
                yield entries
                entries = []
        if entries:
            yield entries

    async def _store(self, entries: list[Entry], tally: _Tally) -> None:
        numbered = tuple(
            msgspec.structs.replace(one, position=place) for place, one in enumerate(entries)
        )
        outcomes: list[Outcome] = await self._services.exchange.ingestion.take(
            Bundle("batch", numbered)
        )
        for entry, one in zip(entries, outcomes, strict=True):
            if one.error is None:
                tally.stored += 1
            else:
                tally.refuse(entry.position, one.error)


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """The lines of the body.

    Raises:
        TooLarge: one is longer than a resource may be here.
    """
    rest = bytearray()
    async for part in request.stream():
        *whole, last = part.split(b"\n")
        for line in whole:
            yield bytes(rest + line) if rest else line
            rest.clear()
        rest += last
        if len(rest) > MOST_LINE_BYTES:
            raise TooLarge(f"lines of at most {MOST_LINE_BYTES} bytes")
    if rest:
        yield bytes(rest)


def _entry(number: int, line: bytes, caller: Caller) -> Entry:
    """A line as a request; `position` is its number."""
    type_ = resource_type(line)
    try:
        id_ = msgspec.json.decode(line, type=_Named).id
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise NotJson("one resource in a line, with a text as its id") from None
    if not caller.scopes.allow(type_, "c" if id_ is None else "u"):
        raise DanglingReference("a type that the token's scopes reach", type_)
    if any(map(is_open, references(line))):
        raise DanglingReference("references that need no transaction to be resolved", type_)
    return Entry(
        position=number,
        full_url=None,
        method="POST" if id_ is None else "PUT",
        url=type_ if id_ is None else f"{type_}/{id_}",
        type=type_,
        id=id_,
        resource=line,
    )
