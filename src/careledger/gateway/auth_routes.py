"""The sign-in door: the token endpoint, and the SMART configuration that leads to it."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careledger.gateway.auth_assertion import MAX_ASSERTION_BYTES, SignInRefused, check_assertion
from careledger.gateway.auth_caller import Caller
from careledger.gateway.auth_keys import SIGNING_ALGORITHMS
from careledger.gateway.auth_scopes import grant
from careledger.gateway.auth_tokens import TOKEN_S
from careledger.gateway.body import read_body
from careledger.gateway.services import FHIR_PATH, TOKEN_PATH, GatewayServices

GRANT_TYPE: Final = "client_credentials"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM: Final = "application/x-www-form-urlencoded"

CONFIGURATION: Final = "/.well-known/smart-configuration"

_MAX_FORM_BYTES: Final = 2 * MAX_ASSERTION_BYTES
_MAX_FIELDS: Final = 16
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def routes(services: GatewayServices) -> list[Route]:
    """Where clients sign in."""
    door = _SignIn(services)
    return [
        Route(TOKEN_PATH, door.token, methods=["POST"]),
        Route(FHIR_PATH + CONFIGURATION, door.configuration, methods=["GET"]),
        Route(CONFIGURATION, door.configuration, methods=["GET"]),
    ]


class _SignIn:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def token(self, request: Request) -> Response:
        """An access token for a client that proves who it is."""
        try:
            form = _form(request, await read_body(request, _MAX_FORM_BYTES))
            return JSONResponse(self._issue(form), headers=_NO_STORE)
        except SignInRefused as error:
            body = {"error": error.error, "error_description": error.description}
            status = 401 if error.error == "invalid_client" else 400
            return JSONResponse(body, status, headers=_NO_STORE)

    def _issue(self, form: Mapping[str, str]) -> dict[str, object]:
        if form.get("grant_type") != GRANT_TYPE:
            raise SignInRefused("unsupported_grant_type", f"grant_type is {GRANT_TYPE}")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise SignInRefused("invalid_request", f"client_assertion_type is {ASSERTION_TYPE}")
        if not form.get("scope"):
            raise SignInRefused("invalid_scope", "name at least one scope")
        organisation = self._services.organisation
        with organisation.now() as now:
            who, purpose = check_assertion(
                form.get("client_assertion", ""),
                now.view,
                organisation.member,
                self._services.audiences,
                now.time,
                self._services.seen,
            )
            time = now.time
        scopes = grant(form["scope"], who.kind)
        if not scopes.granted:
            raise SignInRefused("invalid_scope", "none of the scopes is known here and open to you")
        caller = Caller(identity=who, purpose=purpose, scopes=scopes)
        return {
            "access_token": self._services.tokens.issue(caller, time),
            "token_type": "bearer",
            "expires_in": TOKEN_S,
            "scope": str(scopes),
        }

    async def configuration(self, _: Request) -> Response:
        """What SMART clients look for first (SMART App Launch 2.1, Conformance)."""
        return JSONResponse(
            {
                "token_endpoint": self._services.token_url,
                "grant_types_supported": [GRANT_TYPE],
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": list(SIGNING_ALGORITHMS),
                "scopes_supported": ["system/*.cruds", "system/*.rs"],
                "capabilities": ["client-confidential-asymmetric", "permission-v2"],
            }
        )


def _form(request: Request, body: bytes) -> dict[str, str]:
    """The fields, each at most once (RFC 6749 3.2)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise SignInRefused("invalid_request", f"send {FORM}")
    try:
        fields = parse_qsl(
            body.decode("ascii"), strict_parsing=True, max_num_fields=_MAX_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise SignInRefused("invalid_request", "not a form") from error
    form = dict(fields)
    if len(form) != len(fields):
        raise SignInRefused("invalid_request", "each field at most once")
    return form
