"""Where a patient's wallet approves a sign-in that a browser shows a code for.

The wallet signs an assertion (RFC 7523) for this very door which names the code; the patient has
seen before which application asks.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careledger.gateway.auth_assertion import Checks, SignedIn, check_assertion, parse_assertion
from careledger.gateway.auth_business import SignInRefused
from careledger.gateway.auth_files import Client
from careledger.gateway.auth_flow import SignIn
from careledger.gateway.auth_form import NO_STORE, form_of, refusal
from careledger.gateway.pages.words import EXTRAS, scope_in_words
from careledger.gateway.services import APPROVALS_PATH, GatewayServices
from careledger.ledger.record import Instant

_NO_CODE: Final = SignInRefused("invalid_grant", "no sign-in waits for this code")


def routes(services: GatewayServices) -> list[Route]:
    """Where wallets speak."""
    door = _Approvals(services)
    return [
        Route(APPROVALS_PATH, door.approve, methods=["POST"]),
        Route(APPROVALS_PATH + "/{code}", door.show, methods=["GET"]),
    ]


class _Approvals:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """Which application asks, and for what."""
        try:
            sign_in, client = self._find(
                request.path_params["code"], self._services.organisation.clock()
            )
        except SignInRefused as error:
            return refusal(error)
        asked = sign_in.asked.scopes
        words = [scope_in_words(one, own=True) for one in asked.granted]
        words += [EXTRAS[one] for one in asked.extras if one in EXTRAS]
        return JSONResponse({"application": client.name, "may": words}, headers=NO_STORE)

    async def approve(self, request: Request) -> Response:
        """A patient signs in to the sign-in that the assertion names."""
        services = self._services
        try:
            assertion = parse_assertion((await form_of(request)).get("client_assertion", ""))
            with services.organisation.now() as now:
                checks = Checks(
                    view=now.view,
                    member=services.organisation.member,
                    audiences=services.addresses(APPROVALS_PATH),
                    now=now.time,
                    seen=services.seen,
                )
                signed = check_assertion(assertion, checks)
                _check_patient(signed)
                sign_in, client = self._find(signed.sign_in or "", now.time)
                services.sign_ins.go_on(
                    sign_in,
                    identity=signed.identity,
                    name="the patient",
                    purpose=signed.purpose,
                    signed_in=now.time,
                )
        except SignInRefused as error:
            return refusal(error)
        return JSONResponse({"application": client.name}, headers=NO_STORE)

    def _find(self, code: str, now: Instant) -> tuple[SignIn, Client]:
        found = self._services.sign_ins.by_code(code, now)
        client = None if found is None else self._services.clients.get(found.asked.client, now)
        if found is None or client is None or "patients" not in client.people:
            raise _NO_CODE
        if found.asked.launch is not None:
            raise _NO_CODE
        return found, client


def _check_patient(signed: SignedIn) -> None:
    if signed.identity.kind != "patient":
        raise SignInRefused("invalid_grant", "this door is for patients")
