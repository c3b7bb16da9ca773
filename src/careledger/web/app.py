"""The patient's own pages, served on her own machine behind a link that nobody guesses."""

import hmac

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from careledger.ledger.errors import LedgerError
from careledger.web.page import patient_page, trouble_page
from careledger.web.source import PatientSource

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The page runs no script, loads nothing and leaves no copy behind."""


def patient_app(source: PatientSource, secret: str) -> Starlette:
    """Serve `source` at `/{secret}/`; every other address looks as if nothing were there."""

    async def page(request: Request) -> Response:
        if not hmac.compare_digest(request.path_params["secret"].encode(), secret.encode()):
            return PlainTextResponse("Not found", status_code=404)
        try:
            view = await source.read()
        except LedgerError as error:
            text = f"Your record could not be read just now ({type(error).__name__}). Try again."
            return HTMLResponse(trouble_page(text), status_code=503, headers=_HEADERS)
        return HTMLResponse(patient_page(view), headers=_HEADERS)

    return Starlette(routes=[Route("/{secret}/", page, methods=["GET"])])
