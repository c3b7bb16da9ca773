"""What a change is answered with: headers, and as much of a body as the client prefers.

FHIR R4 3.1.0.1.8: `Prefer: return=minimal`, `representation` (the default here) or
`OperationOutcome`.
"""

from email.utils import formatdate
from re import IGNORECASE
from re import compile as regex
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from careledger.exchange.outcome import Outcome
from careledger.fhir.dates import instant_text
from careledger.fhir.outcome import operation_outcome
from careledger.fhir.stamp import stamped
from careledger.gateway.fhir_http import etag
from careledger.gateway.outcome import fhir_response

_RETURN: Final = regex(
    r'(?:\A|[,;\s])return\s*=\s*"?(minimal|representation|OperationOutcome)\b', IGNORECASE
)
_OK: Final = 200
_NO_CONTENT: Final = 204


def preferred(request: Request) -> str:
    """`minimal`, `representation` or `operationoutcome`."""
    match = _RETURN.search(",".join(request.headers.getlist("prefer")))
    return match[1].lower() if match is not None else "representation"


def representation(outcome: Outcome) -> bytes | None:
    """What is stored now, with its version and time; None if nothing was."""
    if outcome.data is None or outcome.version is None or outcome.stored is None:
        return None
    return stamped(outcome.data, outcome.version, instant_text(outcome.stored))


def stored_response(request: Request, base: str, outcome: Outcome) -> Response:
    """The answer to a create, update or patch; `base` is the address of the FHIR doors."""
    headers: dict[str, str] = {}
    if outcome.id is not None:
        place = f"{base}/{outcome.type}/{outcome.id}"
        if outcome.version is not None:
            place += f"/_history/{outcome.version}"
            headers["ETag"] = etag(outcome.version)
        headers["Location"] = place
        if outcome.stored is not None:
            headers["Last-Modified"] = formatdate(outcome.stored, usegmt=True)
    wanted, body = preferred(request), b""
    if wanted == "representation":
        body = representation(outcome) or b""
    elif wanted == "operationoutcome":
        body = done(outcome)
    return fhir_response(body, outcome.status, headers)


def deleted_response(request: Request) -> Response:
    """The answer to a deletion."""
    if preferred(request) == "operationoutcome":
        return fhir_response(_said("deleted"), _OK)
    return fhir_response(b"", _NO_CONTENT)


def done(outcome: Outcome) -> bytes:
    """An OperationOutcome that says what was done."""
    names = {201: "created", 204: "deleted"}
    return _said(names.get(outcome.status, "stored" if outcome.version else "it is there already"))


def _said(text: str) -> bytes:
    return operation_outcome("informational", text, severity="information")
