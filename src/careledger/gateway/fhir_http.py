"""FHIR over HTTP: media types, versions and dates in headers (FHIR R4 3.1.0)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from re import compile as regex
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from careledger.fhir.outcome import FHIR_JSON
from careledger.fhir.r4.registry import MODULES
from careledger.gateway.outcome import Refused, fhir_response
from careledger.ledger.record import Instant
from careledger.vault.opening import Opened

_JSON: Final = frozenset((FHIR_JSON, "application/json", "text/json", "json"))
_ANY: Final = frozenset(("*/*", "application/*"))
_OUR_VERSIONS: Final = frozenset(("4.0", "4.0.1"))
_UTF_8: Final = frozenset(("utf-8", "utf8"))

_ID: Final = regex(r"[A-Za-z0-9\-.]{1,64}")
_ETAG: Final = regex(r'(?:W/)?"([1-9][0-9]{0,15})"')


def check_accept(request: Request) -> None:
    """Refuse whoever takes no FHIR JSON.

    Raises:
        Refused: 406.
    """
    asked = request.query_params.getlist("_format") or [request.headers.get("accept", "*/*")]
    media = [_media(one) for text in asked[:1] for one in text.split(",")]
    if any(_is_ours(name, parameters, _JSON | _ANY) for name, parameters in media):
        return
    raise Refused(406, "not-supported", f"this server answers {FHIR_JSON} of FHIR 4.0")


def check_content_type(request: Request) -> None:
    """Refuse bodies that do not claim to be FHIR JSON.

    Raises:
        Refused: 415.
    """
    name, parameters = _media(request.headers.get("content-type", ""))
    is_text = parameters.get("charset", "utf-8").lower() in _UTF_8
    if not is_text or not _is_ours(name, parameters, _JSON):
        raise Refused(415, "not-supported", f"send {FHIR_JSON} of FHIR 4.0, in UTF-8")


def _is_ours(name: str, parameters: Mapping[str, str], names: frozenset[str]) -> bool:
    """Whether a media type is among `names`, wanted at all, and of our FHIR version."""
    version = parameters.get("fhirversion", "4.0")
    return name in names and version in _OUR_VERSIONS and not _is_zero(parameters.get("q", "1"))


def _is_zero(quality: str) -> bool:
    return bool(quality) and set(quality) <= {"0", "."}


def _media(text: str) -> tuple[str, dict[str, str]]:
    """The media type in small letters, and its parameters. In a query, `+` has become a space."""
    name, *parameters = text.split(";")
    pairs = (one.partition("=") for one in parameters)
    found = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
    return name.strip().lower().replace(" ", "+"), found


def is_type(type_: str) -> bool:
    """Whether there is such a resource type in R4."""
    return type_ in MODULES


def is_id(id_: str) -> bool:
    """Whether a resource can have this id."""
    return _ID.fullmatch(id_) is not None


def version_in(header: str) -> int | None:
    """The version that an entity tag names; None if it is not one of ours."""
    match = _ETAG.fullmatch(header.strip())
    return int(match[1]) if match else None


def if_match(request: Request) -> int | None:
    """The version that must be the newest (FHIR R4 3.1.0.5); None: it does not matter.

    Raises:
        Refused: 400, not the ETag of a version.
    """
    header = request.headers.get("if-match")
    if header is None:
        return None
    version = version_in(header)
    if version is None:
        raise Refused(400, "value", 'If-Match is an ETag such as W/"1"')
    return version


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'W/"{version}"'


def instant(time: Instant) -> str:
    """A FHIR instant in UTC."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def resource(request: Request, opened: Opened) -> Response:
    """The resource byte for byte, or 304 if the client has this version already."""
    headers = {
        "ETag": etag(opened.version),
        "Last-Modified": formatdate(opened.stored, usegmt=True),
    }
    known = request.headers.get("if-none-match", "")
    if opened.version in {version_in(one) for one in known.split(",")}:
        return fhir_response(b"", 304, headers)
    return fhir_response(opened.data, 200, headers)
