"""Reads inside a bundle: each is asked of our own doors, as if its client had asked alone.

So a bundle can find out nothing that a request of its own could not, and every rule of the doors
holds here too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from starlette.requests import Request
from starlette.types import Message

from careledger.fhir.bundle import Entry
from careledger.gateway.services import FHIR_PATH

_KEPT: Final = ("authorization", "accept", "prefer", "host")
"""Headers of the bundle's request that count for the reads in it."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a door answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def ask(request: Request, entry: Entry) -> Answered:
    """Ask what an entry of the bundle in `request` asks."""
    path, _, query = entry.url.lstrip("/").partition("?")
    full = f"{FHIR_PATH}/{path}".rstrip("/")
    headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
    if entry.if_none_match is not None:
        headers["if-none-match"] = entry.if_none_match
    if entry.if_modified_since is not None:
        headers["if-modified-since"] = entry.if_modified_since
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
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    started: list[Message] = []
    body = list[bytes]()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.append(message)
        elif message["type"] == "http.response.body":
            body.append(message.get("body", b""))

    await request.app(scope, receive, send)
    said = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in started[0]["headers"]
    }
    return Answered(started[0]["status"], said, b"".join(body))
