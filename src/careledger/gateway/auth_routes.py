"""The sign-in doors for programs: tokens, what they are, their end, and what leads to them."""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careledger.exchange.organisation import Moment
from careledger.gateway.auth_assertion import SignedIn
from careledger.gateway.auth_business import SignInRefused
from careledger.gateway.auth_caller import Caller
from careledger.gateway.auth_client import Application, client_of
from careledger.gateway.auth_configuration import (
    INTROSPECT,
    JWKS,
    OPENID,
    REVOKE,
    SMART,
    openid_configuration,
    smart_configuration,
)
from careledger.gateway.auth_form import NO_STORE, form_of, refusal
from careledger.gateway.auth_issue import Form, Issuer
from careledger.gateway.auth_partner import opens_session, token_in_session
from careledger.gateway.services import FHIR_PATH, TOKEN_PATH, GatewayServices
from careledger.ledger.record import Instant

_Answer = Callable[[Form, Application | SignedIn, Moment], Response]

_INACTIVE: Final[dict[str, object]] = {"active": False}


def routes(services: GatewayServices) -> list[Route]:
    """Where programs sign in."""
    door = _Doors(services)
    return [
        Route(TOKEN_PATH, door.token, methods=["POST"]),
        Route(INTROSPECT, door.introspect, methods=["POST"]),
        Route(REVOKE, door.revoke, methods=["POST"]),
        Route(JWKS, door.jwks, methods=["GET"]),
        Route(FHIR_PATH + SMART, door.smart, methods=["GET"]),
        Route(SMART, door.smart, methods=["GET"]),
        Route(OPENID, door.openid, methods=["GET"]),
    ]


class _Doors:
    def __init__(self, services: GatewayServices) -> None:
        self._services, self._issuer = services, Issuer(services)

    async def token(self, request: Request) -> Response:
        """A token for a client that proves who it is (RFC 6749 3.2)."""
        try:
            form = await form_of(request)
            # Every use is held against committed state anew, so that an old look permits nothing;
            # and in an emergency without the ledger people must be able to sign in.
            with self._services.organisation.last() as now:
                client = client_of(request, form, self._services, now)
                if not (isinstance(client, SignedIn) and opens_session(form, client)):
                    return self._token(form, client, now)
            found = await token_in_session(self._services, self._issuer, form, client)
            return JSONResponse(found, headers=NO_STORE)
        except SignInRefused as error:
            return refusal(error)

    async def introspect(self, request: Request) -> Response:
        """Whether a token counts, and what for (RFC 7662); another's is as good as none."""
        return await self._said(request, self._introspect)

    async def revoke(self, request: Request) -> Response:
        """The end of a token, and of all that came of the same sign-in (RFC 7009)."""
        return await self._said(request, self._revoke)

    async def _said(self, request: Request, answer: _Answer) -> Response:
        """What the door answers to the client that asks, or why not."""
        try:
            form = await form_of(request)
            with self._services.organisation.now() as now:
                client = client_of(request, form, self._services, now)
                return answer(form, client, now)
        except SignInRefused as error:
            return refusal(error)

    def _token(self, form: Form, client: Application | SignedIn, now: Moment) -> Response:
        grants = {
            "client_credentials": self._issuer.for_client,
            "authorization_code": self._issuer.for_code,
            "refresh_token": self._issuer.for_refresh,
        }
        issue = grants.get(form.get("grant_type", ""))
        if issue is None:
            raise SignInRefused("unsupported_grant_type", f"grant_type: {', '.join(grants)}")
        return JSONResponse(issue(form, client, now), headers=NO_STORE)

    def _introspect(self, form: Form, client: Application | SignedIn, now: Moment) -> Response:
        if isinstance(client, Application) and not client.is_proved:
            raise SignInRefused("invalid_client", "prove who you are")
        return JSONResponse(self._about(form.get("token", ""), client, now), headers=NO_STORE)

    def _about(self, token: str, client: Application | SignedIn, now: Moment) -> dict[str, object]:
        tokens = self._services.tokens
        access, refresh = tokens.access(token, now.time), tokens.refresh(token, now.time)
        if access is not None:
            caller, issued = access.caller, access.issued
        elif refresh is not None and not refresh.used:
            caller, issued = refresh.caller, refresh.issued
        else:
            return _INACTIVE
        may_know = _holds(client, caller) or _is_house(client)
        if not may_know or not self._services.lets(caller, now):
            return _INACTIVE
        return self._facts(caller, issued, tokens.expires(token))

    def _facts(self, caller: Caller, issued: Instant, expires: Instant) -> dict[str, object]:
        user = None if caller.user is None else f"{self._services.fhir_url}/{caller.user}"
        said = {
            "active": True,
            "scope": str(caller.scopes),
            "client_id": caller.client or caller.identity.signer,
            "sub": self._services.id_tokens.subject(caller),
            "iss": self._services.base_url,
            "aud": self._services.fhir_url,
            "iat": issued,
            "exp": expires,
            "token_type": "bearer",
            "patient": caller.patient,
            "encounter": caller.encounter,
            "fhirUser": user if "fhirUser" in caller.scopes.extras else None,
            "purpose_of_use": caller.purpose,
            "role": caller.identity.role,
        }
        return {name: value for name, value in said.items() if value is not None}

    def _revoke(self, form: Form, client: Application | SignedIn, now: Moment) -> Response:
        tokens, token = self._services.tokens, form.get("token", "")
        access, refresh = tokens.access(token, now.time), tokens.refresh(token, now.time)
        if refresh is not None and _holds(client, refresh.caller):
            tokens.end_family(refresh.family)
        elif access is not None and _holds(client, access.caller):
            tokens.end(token)
        return Response(status_code=200, headers=NO_STORE)

    async def jwks(self, _: Request) -> Response:
        """The keys that id tokens are signed with."""
        return JSONResponse(self._services.id_tokens.jwks())

    async def smart(self, _: Request) -> Response:
        """The SMART configuration."""
        return JSONResponse(smart_configuration(self._services))

    async def openid(self, _: Request) -> Response:
        """The OpenID configuration."""
        return JSONResponse(openid_configuration(self._services))


def _holds(client: Application | SignedIn, caller: Caller) -> bool:
    """Whether the token was issued to this client."""
    if isinstance(client, Application):
        return caller.client == client.client.id
    who = client.identity
    return caller.client is None and (who.signer, who.kind) == (
        caller.identity.signer,
        caller.identity.kind,
    )


def _is_house(client: Application | SignedIn) -> bool:
    """Whether it is the organisation itself: its systems may know of every token here."""
    return isinstance(client, SignedIn) and client.identity.kind == "member"
