"""The doors through which people sign in to applications (SMART App Launch 2.2, 2.0).

`auth_steps` has what happens behind them. Everything here counts for the browser that began the
sign-in, and for no other.
"""

import asyncio
import secrets
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from careledger.gateway.auth_authorize import (
    Denied,
    Untrusted,
    asked_in,
    client_in,
    needs_patient,
)
from careledger.gateway.auth_business import SignInRefused
from careledger.gateway.auth_configuration import AUTHORIZE
from careledger.gateway.auth_flow import SIGN_IN_S, SignIn
from careledger.gateway.auth_form import FORM, fields_of, pairs_of
from careledger.gateway.auth_provider import NotSignedIn, new_attempt
from careledger.gateway.auth_scopes import parse_scopes
from careledger.gateway.auth_steps import OVER, SIGN_IN, Steps
from careledger.gateway.auth_tokens import digest_of, new_token
from careledger.gateway.body import read_body
from careledger.gateway.pages.frame import headers
from careledger.gateway.pages.steps import WAIT_S
from careledger.gateway.pages.words import PURPOSES
from careledger.gateway.services import AUTH_PATH, GatewayServices
from careledger.gateway.whence import whence
from careledger.ledger.errors import Unavailable

CALLBACK: Final = AUTH_PATH + "/callback"

_MAX_QUERY: Final = 8_192
_MAX_FORM: Final = 16_384
_OURS: Final = frozenset(("same-origin", "none"))
"""What `Sec-Fetch-Site` says of a form of our own page."""

_LOOK_S: Final = 0.25
"""How often it is looked whether a wallet approved, in seconds."""

_NOBODY: Final = "The organisation's sign-in did not say who you are."
_SILENT: Final = "The organisation's sign-in does not answer. Try again later."


def routes(services: GatewayServices) -> list[Route]:
    """Where people sign in to applications."""
    door = _People(services)
    return [
        Route(AUTHORIZE, door.authorize, methods=["GET", "POST"]),
        Route(SIGN_IN + "/{id}", door.show, methods=["GET"]),
        Route(SIGN_IN + "/{id}", door.answer, methods=["POST"]),
        Route(CALLBACK, door.callback, methods=["GET"]),
    ]


class _People:
    def __init__(self, services: GatewayServices) -> None:
        self._services, self._steps = services, Steps(services)
        secure = services.base_url.startswith("https:")
        self._secure, self._prefix = secure, "__Host-sign-in-" if secure else "sign-in-"

    async def authorize(self, request: Request) -> Response:
        """Begin a sign-in for an application."""
        services = self._services
        now = services.organisation.clock()
        try:
            fields = fields_of(await self._sent(request))
            client = client_in(fields, services, now)
        except SignInRefused:
            return self._steps.trouble("This link is damaged.")
        except Untrusted as error:
            return self._steps.trouble(str(error))
        try:
            asked = asked_in(fields, client, services, now)
        except Denied as error:
            return self._steps.back(fields["redirect_uri"], fields.get("state", ""), error)
        cookie = new_token()
        begun = services.sign_ins.begin(asked, cookie, now, whence(request))
        answer = RedirectResponse(f"{SIGN_IN}/{begun.id}", 303, headers=headers())
        return self._bound(answer, begun, cookie)

    async def _sent(self, request: Request) -> bytes:
        """What the application says, in the address or in a form."""
        if request.method == "POST":
            is_form = request.headers.get("content-type", "").partition(";")[0].strip() == FORM
            return await read_body(request, _MAX_FORM) if is_form else b"?"
        query: bytes = request.scope["query_string"]
        return query if len(query) <= _MAX_QUERY else b"?"

    async def show(self, request: Request) -> Response:
        """The page of the first question that is open."""
        id_ = request.path_params["id"]
        is_waiting = "wait" in request.query_params
        if is_waiting:
            await self._approved(request, id_)
        sign_in = self._found(request, id_)
        if sign_in is None:
            return self._steps.trouble(OVER)
        # By a redirect, so that Back never leads to an address that takes its time.
        return self._steps.again(sign_in) if is_waiting else await self._steps.page(sign_in)

    async def _approved(self, request: Request, id_: str) -> None:
        """Wait until a patient's wallet approved, or for a while.

        The browser keeps the page meanwhile, with whatever has the focus.
        """
        for _ in range(round(WAIT_S / _LOOK_S)):
            sign_in = self._found(request, id_)
            if sign_in is None or sign_in.identity is not None:
                return
            await asyncio.sleep(_LOOK_S)

    async def answer(self, request: Request) -> Response:
        """What a form of ours brings."""
        sign_in = self._found(request, request.path_params["id"])
        said = await self._said(request)
        token = dict(said).get("form", "")
        if sign_in is None:
            return self._ended(request, token)
        if not secrets.compare_digest(token.encode(), sign_in.form.encode()):
            return self._steps.trouble(OVER)
        if sign_in.identity is None:
            return await self._to_provider(sign_in)
        return await self._answered(sign_in, said)

    def _ended(self, request: Request, token: str) -> Response:
        """Whoever pressed the last button twice gets where the first press led."""
        id_, now = request.path_params["id"], self._services.organisation.clock()
        cookie = request.cookies.get(self._prefix + id_, "")
        address = self._services.sign_ins.repeated(id_, cookie, token, now)
        if address is None:
            return self._steps.trouble(OVER)
        return RedirectResponse(address, 303, headers=headers())

    async def _said(self, request: Request) -> list[tuple[str, str]]:
        """The fields of the form; none if it comes from elsewhere, or is none."""
        if request.headers.get("sec-fetch-site", "same-origin") not in _OURS:
            return []
        try:
            return pairs_of(await read_body(request, _MAX_FORM))
        except SignInRefused:
            return []

    async def _answered(self, sign_in: SignIn, said: list[tuple[str, str]]) -> Response:
        fields, sure = dict(said), self._steps
        step, asked = fields.get("step"), sign_in.asked.scopes
        if sign_in.purpose is None:
            chosen = next((code for code in PURPOSES if code == fields.get("purpose")), None)
            return sure.again(sure.go_on(sign_in, purpose=chosen))
        lacks_patient = sign_in.patient is None and needs_patient(asked)
        if step in {"search", "patient"} and lacks_patient:
            return await sure.pick(sign_in, fields)
        if step == "change":
            return sure.change(sign_in, fields.get("change", ""))
        if step != "answer" or lacks_patient:
            return sure.again(sign_in)
        if fields.get("answer") != "allow":
            return sure.end(sign_in, Denied("access_denied", "cancelled"))
        chosen_scopes = " ".join(value for name, value in said if name == "scope")
        return sure.allow(sign_in, parse_scopes(chosen_scopes))

    async def _to_provider(self, sign_in: SignIn) -> Response:
        """Send the browser to where the staff signs in."""
        services = self._services
        now = services.organisation.clock()
        client = services.clients.get(sign_in.asked.client, now)
        if services.provider is None or client is None or "staff" not in client.people:
            return self._steps.again(sign_in)
        attempt = new_attempt(sign_in.id)
        try:
            address = await services.provider.address(attempt, services.base_url + CALLBACK, now)
        except Unavailable:
            return self._steps.trouble(_SILENT, 503)
        self._steps.go_on(sign_in, attempt=attempt)
        return RedirectResponse(address, 303, headers=headers())

    async def callback(self, request: Request) -> Response:
        """Where the staff's provider sends the browser back to."""
        services, said = self._services, request.query_params
        state = said.get("state", "")
        sign_in = self._found(request, state.partition(".")[0])
        attempt = None if sign_in is None else sign_in.attempt
        if (
            sign_in is None
            or attempt is None
            or sign_in.identity is not None  # a patient's wallet was faster: no two in one
            or services.provider is None
            or not secrets.compare_digest(attempt.state.encode(), state.encode())
        ):
            return self._steps.trouble(OVER)
        cookie = new_token()  # whoever planted the old one has nothing of what follows
        sign_in = self._steps.go_on(sign_in, attempt=None, browser=digest_of(cookie))
        now = services.organisation.clock()
        try:
            services.provider.check_issuer(said.get("iss"))
            subject = await services.provider.subject(
                attempt, said.get("code", ""), services.base_url + CALLBACK, now
            )
        except NotSignedIn:
            return self._steps.end_after_provider(
                sign_in, _NOBODY, Denied("access_denied", "nobody signed in")
            )
        except Unavailable:
            return self._steps.trouble(_SILENT, 503)
        return self._bound(self._steps.welcome(sign_in, subject), sign_in, cookie)

    def _bound(self, answer: Response, sign_in: SignIn, cookie: str) -> Response:
        """The answer, with the cookie that the sign-in is known by from now on."""
        answer.set_cookie(
            self._prefix + sign_in.id,
            cookie,
            max_age=SIGN_IN_S,
            path="/",
            httponly=True,
            samesite="lax",
            secure=self._secure,
        )
        return answer

    def _found(self, request: Request, id_: str) -> SignIn | None:
        """The sign-in, if it is this browser's."""
        now = self._services.organisation.clock()
        cookie = request.cookies.get(self._prefix + id_, "")
        return self._services.sign_ins.find(id_, cookie, now)
