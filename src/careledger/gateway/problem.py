"""Errors of the node API as problem details (RFC 9457)."""

from starlette.responses import JSONResponse

from careledger.ledger.errors import Inadmissible, LedgerError

MEDIA_TYPE = "application/problem+json"


def problem(status: int, title: str, detail: str = "", *, code: int | None = None) -> JSONResponse:
    """A problem with its status, what kind it is, and what to do about it."""
    body: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    if detail:
        body["detail"] = detail
    if code is not None:
        body["type"] = f"urn:careledger:refusal:{code}"
        body["code"] = code
    headers = {"Retry-After": "1"} if status == 503 else None  # noqa: PLR2004 - RFC 9110 15.6.4
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def inadmissible(error: Inadmissible) -> JSONResponse:
    """422, or 409 for a replay and 429 for a member that has used up its share."""
    status = {55: 409, 58: 429, 51: 413}.get(error.code, 422)
    return problem(status, type(error).__name__, error.text(), code=error.code)


def unavailable(error: LedgerError) -> JSONResponse:
    """503: nothing was decided, the same request may be sent again."""
    detail = str(error) or " ".join((type(error).__doc__ or "").split())
    return problem(503, "Unavailable", detail)
