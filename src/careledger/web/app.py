"""The patient's own pages, served on her own machine behind a link that nobody guesses."""

import hmac
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from careledger.ledger.errors import LedgerError
from careledger.web.page import access_page, patient_page, trouble_page
from careledger.web.source import PatientSource

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The pages run no script, load nothing and leave no copy behind."""


def patient_app(source: PatientSource, secret: str) -> Starlette:
    """Serve `source` at `/{secret}/`; every other address looks as if nothing were there."""

    async def timeline() -> str:
        return patient_page(await source.read())

    async def access() -> str:
        return access_page(await source.access())

    def behind_secret(render: Callable[[], Awaitable[str]]) -> Callable[..., Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if not hmac.compare_digest(request.path_params["secret"].encode(), secret.encode()):
                return PlainTextResponse("Not found", status_code=404)
            try:
                page = await render()
            except LedgerError as error:
                text = f"Your record could not be read just now ({type(error).__name__})."
                return HTMLResponse(
                    trouble_page(f"{text} Try again."), status_code=503, headers=_HEADERS
                )
            return HTMLResponse(page, headers=_HEADERS)

        return answer

    return Starlette(
        routes=[
            Route("/{secret}/", behind_secret(timeline), methods=["GET"]),
            Route("/{secret}/access", behind_secret(access), methods=["GET"]),
        ]
    )
