"""Every error that may leave a handler, as an HTTP answer: an OperationOutcome, or a problem.

FHIR clients get OperationOutcomes, everybody else problem details (RFC 9457). Neither says
anything about a person.
"""

from dataclasses import dataclass
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from careledger.exchange.errors import (
    AccessRefused,
    CommandRefused,
    DeliveryRefused,
    NotVerified,
    RequestRejected,
    UnknownReceiver,
)
from careledger.fhir.errors import FhirError
from careledger.gateway.outcome import Refused, forbidden, invalid, not_found, outcome
from careledger.gateway.problem import problem
from careledger.gateway.services import FHIR_PATH
from careledger.ledger.errors import (
    CorruptStore,
    Inadmissible,
    LedgerError,
    Malformed,
    ProofError,
    Unavailable,
)
from careledger.vault.errors import Tampered, VersionConflict

_FHIR_CODES = {405: "not-supported", 413: "too-long"}


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer before it has a form; `code` is of http://hl7.org/fhir/issue-type."""

    status: int
    code: str
    text: str


def is_fhir(request: Request) -> bool:
    """Whether whoever asks speaks FHIR."""
    path = request.url.path
    return path == FHIR_PATH or path.startswith(FHIR_PATH + "/")


async def refused(request: Request, error: Exception) -> Response:
    """What a handler raised on purpose."""
    assert isinstance(error, Refused)  # noqa: S101 - starlette hands over what it was registered for
    return error.response() if is_fhir(request) else problem(error.status, error.text)


async def bad_input(request: Request, error: Exception) -> Response:
    """What the FHIR room refused."""
    assert isinstance(error, FhirError)  # noqa: S101
    return invalid(error)


async def no_route(request: Request, error: Exception) -> Response:
    """No such path, or no such verb there."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if is_fhir(request) and error.status_code == 404:  # noqa: PLR2004 - not found
        return not_found()
    code = _FHIR_CODES.get(error.status_code, "processing")
    return _answer(request, _Said(error.status_code, code, error.detail))


async def failed(request: Request, error: Exception) -> Response:
    """What went wrong below."""
    if isinstance(error, AccessRefused):
        return forbidden(error.dimensions)
    return _answer(request, _said(error))


async def unexpected(request: Request, error: Exception) -> Response:
    """A fault of ours; the operators see it in the log, the client nothing of it."""
    return _answer(request, _Said(500, "exception", "this gateway failed unexpectedly"))


def _said(error: Exception) -> _Said:
    for type_, status, code, text in _KNOWN:
        if isinstance(error, type_):
            return _Said(status, code, text or str(error) or "nothing was decided, try again")
    return _Said(500, "exception", "this gateway failed unexpectedly")


_KNOWN: Final[tuple[tuple[type[Exception], int, str, str], ...]] = (
    (Unavailable, 503, "transient", ""),
    (Inadmissible, 503, "transient", ""),
    (NotVerified, 502, "processing", "the custodian's answer does not verify; none is given"),
    (ProofError, 502, "processing", "the custodian's answer does not verify; none is given"),
    (RequestRejected, 403, "forbidden", ""),
    (UnknownReceiver, 404, "not-found", "no such member, or it cannot be reached"),
    (CommandRefused, 409, "business-rule", ""),
    (DeliveryRefused, 422, "business-rule", ""),
    (VersionConflict, 412, "conflict", "the resource has moved on"),
    (Malformed, 400, "invalid", Malformed.text()),
    (Tampered, 500, "exception", "what is stored here is not what was put"),
    (CorruptStore, 500, "exception", "what is stored here is not what was put"),
)
"""Status, issue code and text; without a text, the error's own, which names nobody."""


def _answer(request: Request, said: _Said) -> Response:
    retry = {"Retry-After": "1"} if said.status == 503 else {}  # noqa: PLR2004 - RFC 9110 15.6.4
    if is_fhir(request):
        return outcome(said.status, said.code, said.text, retry)
    return problem(said.status, said.text)


HANDLERS = {
    Refused: refused,
    FhirError: bad_input,
    HTTPException: no_route,
    LedgerError: failed,
    Exception: unexpected,
}
