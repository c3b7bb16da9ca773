"""What browsers are told besides the answer: who may ask from a page (CORS), and to stay with TLS.

CORS is for the doors that applications in a browser use: FHIR and sign-in. Cookies are never
part of it; tokens go in a header.
"""

from collections.abc import Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from careledger.gateway.services import FHIR_PATH

STRICT_TRANSPORT: Final = "max-age=31536000"
"""A year (RFC 6797 6.1.1)."""

_OPEN: Final = (FHIR_PATH, "/auth", "/.well-known")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_ASKED: Final = (
    "Accept",
    "Authorization",
    "Content-Type",
    "If-Match",
    "If-Modified-Since",
    "If-None-Exist",
    "If-None-Match",
    "Prefer",
)
_EXPOSED: Final = (
    "Content-Location",
    "ETag",
    "Expires",
    "Last-Modified",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Progress",
)
"""What pages of other origins may read besides what browsers always let them."""
_REMEMBERED_S: Final = 600


def let_browsers_in(app: Starlette, origins: Sequence[str]) -> None:
    """Let pages of these origins ask; `*` is any page. Nothing is added for nobody."""
    if origins:
        app.add_middleware(_Cors, origins=tuple(origins))


def insist_on_tls(app: Starlette) -> None:
    """Tell browsers to come by TLS only, from now on for a year."""
    app.add_middleware(_Strict)


class _Cors:
    def __init__(self, app: ASGIApp, *, origins: tuple[str, ...]) -> None:
        self._app = app
        self._open = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_ASKED,
            expose_headers=_EXPOSED,
            max_age=_REMEMBERED_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_open = any(path == one or path.startswith(one + "/") for one in _OPEN)
        await (self._open if is_open else self._app)(scope, receive, send)


class _Strict:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["strict-transport-security"] = STRICT_TRANSPORT
            await send(message)

        await self._app(scope, receive, sending)
