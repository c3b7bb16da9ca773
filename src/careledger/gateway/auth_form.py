"""Forms and answers of the OAuth doors: each field once, errors by their code, nothing cached."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse

from careledger.gateway.auth_assertion import MAX_ASSERTION_BYTES
from careledger.gateway.auth_business import SignInRefused
from careledger.gateway.body import read_body

FORM: Final = "application/x-www-form-urlencoded"
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}

MAX_FORM_BYTES: Final = 2 * MAX_ASSERTION_BYTES
_MAX_FIELDS: Final = 80


async def form_of(request: Request) -> dict[str, str]:
    """The fields, each at most once (RFC 6749 3.2).

    Raises:
        SignInRefused: it is no form.
        Refused: 413, over `MAX_FORM_BYTES`.
    """
    body = await read_body(request, MAX_FORM_BYTES)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise SignInRefused("invalid_request", f"send {FORM}")
    return fields_of(body)


def fields_of(body: bytes) -> dict[str, str]:
    """What an encoded form or query says, each field at most once.

    Raises:
        SignInRefused: it is none, or says something twice.
    """
    fields = pairs_of(body)
    form = dict(fields)
    if len(form) != len(fields):
        raise SignInRefused("invalid_request", "each field at most once")
    return form


def pairs_of(body: bytes) -> list[tuple[str, str]]:
    """What an encoded form says, in order.

    Raises:
        SignInRefused: it is none.
    """
    if not body:
        return []
    try:
        return parse_qsl(
            body.decode("ascii"),
            strict_parsing=True,
            keep_blank_values=True,
            max_num_fields=_MAX_FIELDS,
            errors="strict",
        )
    except ValueError as error:
        raise SignInRefused("invalid_request", "not a form") from error


def refusal(error: SignInRefused) -> JSONResponse:
    """An error of RFC 6749 5.2."""
    body = {"error": error.error, "error_description": error.description}
    if error.error != "invalid_client":
        return JSONResponse(body, 400, headers=NO_STORE)
    return JSONResponse(body, 401, headers=NO_STORE | {"WWW-Authenticate": "Basic"})
