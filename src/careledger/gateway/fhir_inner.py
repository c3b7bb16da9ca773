"""Reads inside a bundle: each is asked of our own doors, as if its client had asked alone.

So a bundle can find out nothing that a request of its own could not, and every rule of the doors
holds here too.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from starlette.requests import Request
from starlette.types import Message

from careledger.fhir.bundle import Entry
from careledger.fhir.dates import instant
from careledger.fhir.outcome import FHIR_JSON, operation_outcome
from careledger.gateway.fhir_http import http_date
from careledger.gateway.services import FHIR_PATH

_KEPT: Final = ("authorization", "accept", "prefer", "host")
"""Headers of the bundle's request that count for the reads in it."""


MOST_READ_BYTES: Final = 100_000_000
"""What the reads of one request may answer, together."""

_NOT_FHIR: Final = operation_outcome("not-supported", "in a bundle everything is FHIR JSON")
_TOO_MUCH: Final = operation_outcome("too-costly", "the bundle is full: ask this one alone")
_FOUND, _NOT_ACCEPTABLE, _TOO_LARGE = range(200, 300), 406, 413


@dataclass(frozen=True, slots=True)
class Answered:
    """What a door answered: FHIR JSON, or nothing."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def ask(request: Request, entry: Entry, room: int) -> Answered:
    """Ask what an entry of the bundle in `request` asks.

    An answer that is no FHIR JSON would break out of its entry, one of more than `room` bytes fill
    the memory: an outcome takes the place of either.
    """
    path, _, query = entry.url.lstrip("/").partition("?")
    full = f"{FHIR_PATH}/{path}".rstrip("/")
    headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
    if entry.if_none_match is not None:
        headers["if-none-match"] = entry.if_none_match
    if entry.if_modified_since is not None:
        # What is before 1970 is as if it were then.
        headers["if-modified-since"] = http_date(max(0, instant(entry.if_modified_since)))
    scope = {
        key: request.scope[key]
        for key in ("type", "asgi", "http_version", "scheme", "client", "server")
        if key in request.scope
    } | {
        "method": entry.method,
        "path": unquote(full),
        "raw_path": full.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [
            (name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()
        ],
    }
    door = _Door(room)
    await request.app(scope, door.receive, door.send)
    return door.answered()


class _Door:
    """The near side of a door of ours: sends no body, and keeps what may stand in a bundle."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._has_asked = False
        self._status, self._headers = 500, dict[str, str]()
        self._body = bytearray()

    async def receive(self) -> Message:
        """An empty body. Nobody leaves before the answer is there."""
        if self._has_asked:
            await asyncio.Event().wait()
        self._has_asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in message["headers"]
            }
        elif message["type"] == "http.response.body" and self._is_fhir:
            # One byte too many is enough to know; the rest of it is not kept.
            self._body += message.get("body", b"")[: self._room + 1 - len(self._body)]

    def answered(self) -> Answered:
        """What came, or an outcome in its place."""
        if self._status in _FOUND and not self._is_fhir:
            return Answered(_NOT_ACCEPTABLE, {}, _NOT_FHIR)
        if len(self._body) > self._room:
            return Answered(_TOO_LARGE, {}, _TOO_MUCH)
        return Answered(self._status, self._headers, bytes(self._body))

    @property
    def _is_fhir(self) -> bool:
        return self._headers.get("content-type", "").partition(";")[0] == FHIR_JSON
