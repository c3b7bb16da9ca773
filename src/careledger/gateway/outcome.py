"""OperationOutcome answers of the FHIR door: what went wrong, and never about whom."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec
from starlette.responses import Response

from careledger.fhir.errors import FhirError
from careledger.fhir.outcome import FHIR_JSON, operation_outcome, outcome_of

MEDIA_TYPE: Final = f"{FHIR_JSON}; fhirVersion=4.0"

DIMENSIONS: Final = "urn:careledger:refused-dimension"
"""Code system of what a request fell outside of."""

_NO_STORE: Final = (b"cache-control", b"no-store")
_CONTENT_TYPE: Final = (b"content-type", MEDIA_TYPE.encode())
_BODILESS: Final = frozenset((204, 304))


class Refused(Exception):
    """Answer the request with this OperationOutcome; `code` is of http://hl7.org/fhir/issue-type."""

    def __init__(
        self, status: int, code: str, text: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.headers = status, code, text, headers

    def response(self) -> Response:
        """The answer."""
        return outcome(self.status, self.code, self.text, self.headers)


def fhir_response(
    body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A FHIR resource, byte for byte."""
    return _Fhir(body, status, headers)


class _Fhir(Response):
    """Says the same of each resource, and does not find out anew how to write it."""

    media_type = MEDIA_TYPE

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Nothing is to be stored on the way, unless `headers` say otherwise."""
        raw = [(_lower(name), text.encode("latin-1")) for name, text in (headers or {}).items()]
        given = {name for name, _ in raw}
        if _NO_STORE[0] not in given:
            raw.insert(0, _NO_STORE)
        if self.status_code not in _BODILESS and b"content-length" not in given:
            raw.append((b"content-length", b"%d" % len(self.body)))
        if _CONTENT_TYPE[0] not in given:
            raw.append(_CONTENT_TYPE)
        self.raw_headers = raw


@lru_cache(maxsize=256)
def _lower(name: str) -> bytes:
    return name.lower().encode("latin-1")


def outcome(
    status: int, code: str, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An OperationOutcome of one issue."""
    return fhir_response(operation_outcome(code, text), status, headers)


def not_found() -> Response:
    """Absent, or forbidden: nobody can tell which (STYLE 25)."""
    return outcome(404, "not-found", "there is no such resource, or you may not see it")


def invalid(error: FhirError) -> Response:
    """What is wrong with the input, place by place."""
    return fhir_response(outcome_of(error), error.status)


def forbidden(dimensions: Sequence[str]) -> Response:
    """403: where the request fell outside, as far as whoever asked may know."""
    coding = [{"system": DIMENSIONS, "code": one} for one in dimensions]
    issue = {
        "severity": "error",
        "code": "forbidden",
        "details": {"coding": coding, "text": f"refused: {', '.join(dimensions)}"},
        "diagnostics": f"refused: {', '.join(dimensions)}",
    }
    return fhir_response(
        msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [issue]}), 403
    )
