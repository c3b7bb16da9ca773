"""FHIR over HTTP: media types, versions and dates in headers (FHIR R4 3.1.0)."""

from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from re import compile as regex
from typing import Final, cast

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from careledger.fhir.dates import instant_text
from careledger.fhir.errors import BadParameterValue
from careledger.fhir.outcome import FHIR_JSON
from careledger.fhir.r4.registry import MODULES
from careledger.fhir.search.query import Summary
from careledger.fhir.search.subset import subset
from careledger.fhir.stamp import stamped
from careledger.gateway.outcome import Refused, fhir_response
from careledger.vault.opening import Opened

_JSON: Final = frozenset((FHIR_JSON, "application/json", "text/json", "json"))
_ANY: Final = frozenset(("*/*", "application/*"))
_OUR_VERSIONS: Final = frozenset(("4.0", "4.0.1"))
_UTF_8: Final = frozenset(("utf-8", "utf8"))

_SUMMARIES: Final = frozenset(("true", "text", "data", "false"))
_MOST_ELEMENTS: Final = 200

_NO_QUERY: Final = QueryParams()

_ID: Final = regex(r"[A-Za-z0-9\-.]{1,64}")
_ETAG: Final = regex(r'(?:W/)?"([1-9][0-9]{0,15})"')


def check_accept(request: Request) -> None:
    """Refuse whoever takes no FHIR JSON.

    Raises:
        Refused: 406.
    """
    if not takes(request):
        raise Refused(406, "not-supported", f"this server answers {FHIR_JSON} of FHIR 4.0")


def takes(request: Request, other: str | None = None) -> bool:
    """Whether the client takes FHIR JSON; or `other`, a media type, if one is given."""
    asked = query_of(request).getlist("_format") or [request.headers.get("accept", "*/*")]
    return _takes(asked[0], other)


def query_of(request: Request) -> QueryParams:
    """The parameters of a URL; most reads have none, and nothing is parsed for them."""
    return request.query_params if request.scope["query_string"] else _NO_QUERY


@lru_cache(maxsize=256)  # clients of one kind all say the same
def _takes(asked: str, other: str | None) -> bool:
    media = [_media(one) for one in asked.split(",")]
    if other is None:
        return any(_is_ours(name, parameters, _JSON | _ANY) for name, parameters in media)
    wanted = _media(other)[0]
    return any(
        name in {wanted, wanted.split("/")[0] + "/*"} and not _is_zero(parameters.get("q", "1"))
        for name, parameters in media
    )


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


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'W/"{version}"'


def represented(opened: Opened) -> bytes:
    """A version as it is answered: byte for byte as stored, but for its number and its time."""
    return stamped(opened.data, opened.version, instant_text(opened.stored))


def answer(request: Request, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    """A FHIR resource, indented if the client prefers (`_pretty`, FHIR R4 3.1.0.1.11)."""
    if query_of(request).get("_pretty") == "true":
        body = msgspec.json.format(body, indent=2)
    return fhir_response(body, 200, headers)


def resource(request: Request, opened: Opened) -> Response:
    """One version, or 304 if the client has it already (RFC 9110 13.1.2, 13.1.3)."""
    headers = version_headers(opened)
    part = _part(request)
    if is_known(request, opened):
        return fhir_response(b"", 304, headers)
    return answer(request, part(represented(opened)), headers)


def _part(request: Request) -> Callable[[bytes], bytes]:
    """What cuts a resource to what `_elements` or `_summary` ask for (FHIR R4 3.1.0.1.10)."""
    asked = query_of(request)
    if "_elements" not in asked and "_summary" not in asked:
        return lambda data: data
    summary = asked.get("_summary", "false")
    if summary not in _SUMMARIES:
        raise BadParameterValue("true, text, data or false", "_summary")
    elements = tuple(filter(None, asked.get("_elements", "").split(",")))[:_MOST_ELEMENTS]
    return lambda data: subset(data, elements=elements, summary=cast("Summary", summary))


CHANGED: Final = '199 careledger "changed since it was committed to; decided anew"'


def version_headers(opened: Opened) -> dict[str, str]:
    """Which version it is, and since when; and that it is another than was committed to before."""
    headers = {
        "ETag": etag(opened.version),
        "Last-Modified": http_date(opened.stored),
    }
    return headers | {"Warning": CHANGED} if opened.changed else headers


@lru_cache(maxsize=4_096)  # what came in together was stored in the same second
def http_date(seconds: int) -> str:
    """A second as HTTP writes it (RFC 9110 5.6.7)."""
    return formatdate(seconds, usegmt=True)


def is_known(request: Request, opened: Opened) -> bool:
    """Whether the client says that it has this version; the entity tag counts before the time."""
    known = request.headers.get("if-none-match")
    if known is not None:
        return opened.version in {version_in(one) for one in known.split(",")}
    header = request.headers.get("if-modified-since")
    since = None if header is None else _moment(header)
    return since is not None and opened.stored <= since


def _moment(header: str) -> int | None:
    """The second of an HTTP date; None if it is none and counts as not sent (RFC 9110 13.1.3)."""
    try:
        found = parsedate_to_datetime(header)
    except (ValueError, TypeError, OverflowError):
        return None
    in_utc = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    return None if in_utc.utcoffset() else int(in_utc.timestamp())


def is_strict(request: Request) -> bool:
    """Whether unknown search parameters are refused, unless told otherwise (FHIR R4 3.1.1.3)."""
    said = request.headers.get("prefer", "").replace(";", ",").split(",")
    return "handling=lenient" not in {one.strip().lower().replace(" ", "") for one in said}
