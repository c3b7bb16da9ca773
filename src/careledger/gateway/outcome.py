"""OperationOutcome answers of the FHIR door: what went wrong, and never about whom."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from starlette.responses import Response

from careledger.fhir.errors import FhirError
from careledger.fhir.outcome import FHIR_JSON, operation_outcome, outcome_of

MEDIA_TYPE: Final = f"{FHIR_JSON}; fhirVersion=4.0"

DIMENSIONS: Final = "urn:careledger:refused-dimension"
"""Code system of what a request fell outside of."""

_NO_STORE: Final = {"Cache-Control": "no-store"}


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
    return Response(body, status, headers=_NO_STORE | dict(headers or {}), media_type=MEDIA_TYPE)


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
