"""The FHIR door, outwards: single resources, each decided anew.

What is absent, deleted, withheld or another's looks the same: the same 404, byte for byte.
"""

from base64 import b64decode
from re import compile as regex
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.gateway.auth_bearer import caller_of, require_scope
from careledger.gateway.auth_caller import Caller
from careledger.gateway.fhir_http import (
    check_accept,
    is_id,
    is_known,
    is_type,
    resource,
    takes,
    version_headers,
)
from careledger.gateway.fhir_reach import reach_of, run
from careledger.gateway.outcome import Refused, not_found
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.vault.opening import Opened

_LONGEST_VERSION: Final = 15
_MEDIA: Final = regex(r"[!-~]{1,100}/[!-~]{1,100}(?:; ?[!-~ ]{1,200})?")
_GUARDED: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""What a browser may do with content that came from outside: nothing but show it."""


class _Binary(msgspec.Struct):
    contentType: str  # noqa: N815 - the name FHIR gives it
    data: str = ""


def routes(services: GatewayServices) -> list[Route]:
    """Where single resources are read."""
    door = Reads(services)
    one = FHIR_PATH + "/{type}/{id}"
    return [
        Route(one, door.read, methods=["GET"]),
        Route(one + "/_history/{version}", door.read, methods=["GET"]),
    ]


class Reads:
    """Reads of one gateway."""

    def __init__(self, services: GatewayServices) -> None:
        """Read what `services` hold."""
        self._services = services

    async def read(self, request: Request) -> Response:
        """A resource, or one version of it (FHIR R4 3.1.0.1, 3.1.0.2)."""
        caller = caller_of(request, self._services, partners_too=True)
        type_, id_ = request.path_params["type"], request.path_params["id"]
        if type_ != "Binary":
            check_accept(request)
        version = _version(request.path_params.get("version"))
        if not is_type(type_) or not is_id(id_) or version == 0:
            return not_found()
        require_scope(caller, type_, "r")
        opened = await run(
            self._services, lambda: self._open(caller, type_, id_, version), is_wide=False
        )
        if opened is None or opened.deleted:
            return not_found()
        return _content(request, opened) if type_ == "Binary" else resource(request, opened)

    def _open(self, caller: Caller, type_: str, id_: str, version: int | None) -> Opened | None:
        with reach_of(self._services, caller, "read") as reach:
            return reach.open_version(type_, id_, version)


def _content(request: Request, opened: Opened) -> Response:
    """A Binary as what it holds, if the client wants that and not FHIR (FHIR R4 2.42.1)."""
    if takes(request):
        return resource(request, opened)
    binary = msgspec.json.decode(opened.data, type=_Binary)
    media = binary.contentType
    if _MEDIA.fullmatch(media) is None or not takes(request, media):
        raise Refused(406, "not-supported", "this is not what the resource holds")
    headers = version_headers(opened) | _GUARDED
    if is_known(request, opened):
        return Response(b"", 304, headers)
    return Response(b64decode(binary.data), headers=headers, media_type=media)


def _version(text: str | None) -> int | None:
    """The version asked for; 0 for what can be none; None if none is named."""
    if text is None:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) <= _LONGEST_VERSION
    return int(text) if is_number else 0
