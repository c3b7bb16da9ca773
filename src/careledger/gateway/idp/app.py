"""The provider's doors: discovery, keys, the page with a password, and tokens.

OpenID Connect Core 1.0, 3.1 (authorisation code) with PKCE S256; Discovery 1.0.
"""

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final
from urllib.parse import unquote_plus

from joserfc import jwt
from nacl import exceptions, pwhash
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from careledger.gateway.auth_authorize import back_to
from careledger.gateway.auth_business import SignInRefused
from careledger.gateway.auth_flow import Shortlived
from careledger.gateway.auth_form import NO_STORE, fields_of, form_of, refusal
from careledger.gateway.auth_pkce import is_answer
from careledger.gateway.auth_tokens import digest_of, new_token
from careledger.gateway.idp.folder import Provider, hash_password
from careledger.gateway.outcome import Refused
from careledger.gateway.pages.frame import form, headers, page
from careledger.gateway.pages.steps import source_of
from careledger.gateway.problem import problem
from careledger.gateway.whence import whence
from careledger.ledger.record import Instant

ID_TOKEN_S: Final = 300
CODE_S: Final = 60
LOGIN_S: Final = 600
MOST_FAILURES: Final = 5
LOCKED_S: Final = 60

_WRONG: Final = (
    "Name or password is not right, or was tried too often. After five tries wait a minute."
)
_ALGORITHM: Final = "ES256"
_HOUSE: Final = "Sign-in for trying out"
_COOKIE: Final = "idp"
_CHALLENGE_LENGTH: Final = 43


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What the gateway asks for; the browser that has the cookie may answer."""

    redirect_uri: str
    state: str
    nonce: str
    challenge: str
    cookie: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Given:
    """What a code stands for."""

    asked: _Asked
    subject: str


def provider_app(provider: Provider, clock: Callable[[], Instant]) -> Starlette:
    """The ASGI application of one provider."""
    door = _Doors(provider, clock)
    routes = [
        Route("/.well-known/openid-configuration", door.discovery, methods=["GET"]),
        Route("/jwks", door.jwks, methods=["GET"]),
        Route("/authorize", door.authorize, methods=["GET"]),
        Route("/login", door.login, methods=["POST"]),
        Route("/token", door.token, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={Refused: _refused})


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - starlette hands over what it was registered for
    return problem(error.status, error.text)


class _Doors:
    def __init__(self, provider: Provider, clock: Callable[[], Instant]) -> None:
        self._provider, self._settings = provider, provider.settings
        self._key, self._clock = provider.key, clock
        self._asked = Shortlived[_Asked](LOGIN_S)
        self._given = Shortlived[_Given](CODE_S)
        self._failed = Shortlived[int](LOCKED_S)
        self._nobody = hash_password("nobody has this one").encode()

    async def discovery(self, _: Request) -> Response:
        """What clients look for first."""
        issuer = self._settings.issuer
        return JSONResponse(
            {
                "issuer": issuer,
                "authorization_endpoint": issuer + "/authorize",
                "token_endpoint": issuer + "/token",
                "jwks_uri": issuer + "/jwks",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [_ALGORITHM],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid"],
                "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce"],
            }
        )

    async def jwks(self, _: Request) -> Response:
        """The key of the id tokens."""
        said = {"kid": self._key.thumbprint(), "use": "sig", "alg": _ALGORITHM}
        return JSONResponse({"keys": [{**self._key.as_dict(private=False), **said}]})

    async def authorize(self, request: Request) -> Response:
        """The page with a password."""
        try:
            fields = fields_of(request.scope["query_string"][:8_192])
        except SignInRefused:
            return _trouble("This link is damaged.")
        if fields.get("client_id") != self._settings.client:
            return _trouble("Whoever sent you here is not known.")
        if fields.get("redirect_uri") not in self._settings.redirect_uris:
            return _trouble("Whoever sent you here is not known under that address.")
        missing = _missing(fields)
        if missing is not None:
            said = {"error": "invalid_request", "error_description": missing}
            state = {"state": fields["state"]} if "state" in fields else {}
            return RedirectResponse(back_to(fields["redirect_uri"], **said, **state), 303)
        cookie = request.cookies.get(_COOKIE) or new_token()
        asked = _Asked(
            redirect_uri=fields["redirect_uri"],
            state=fields["state"],
            nonce=fields["nonce"],
            challenge=fields["code_challenge"],
            cookie=digest_of(cookie),
        )
        name = new_token()
        self._asked.put(name, asked, self._clock(), whence(request))
        answer = _login_page(name, asked, "")
        answer.set_cookie(_COOKIE, cookie, httponly=True, samesite="lax")
        return answer

    async def login(self, request: Request) -> Response:
        """A name and a password."""
        try:
            fields = await form_of(request)
        except SignInRefused:
            return _trouble("This form is damaged.")
        now, name = self._clock(), fields.get("form", "")
        asked = self._asked.get(name, now)
        cookie = digest_of(request.cookies.get(_COOKIE, ""))
        if asked is None or not hmac.compare_digest(asked.cookie, cookie):
            return _trouble("This sign-in is over, or was begun in another browser.")
        subject = fields.get("subject", "").strip()
        if not await self._is_right(subject, fields.get("password", ""), now):
            return _login_page(name, asked, _WRONG, subject)
        code = new_token()
        given = _Given(asked=asked, subject=subject)
        self._given.put(digest_of(code), given, now, subject)
        said = {"code": code, "state": asked.state, "iss": self._settings.issuer}
        return RedirectResponse(back_to(asked.redirect_uri, **said), 303, headers=headers())

    async def _is_right(self, subject: str, password: str, now: Instant) -> bool:
        """Takes as long for nobody as for somebody.

        Counted before it is looked at, so that guesses at the same moment are counted too.
        """
        failures = self._failed.get(subject, now) or 0
        self._failed.put(subject, failures + 1, now, subject)
        hashed = self._provider.password_of(subject)
        is_right = await run_in_threadpool(_verifies, hashed or self._nobody, password)
        if not is_right or hashed is None or failures >= MOST_FAILURES:
            return False
        self._failed.take(subject, now)
        return True

    async def token(self, request: Request) -> Response:
        """An id token for a code."""
        try:
            fields = await form_of(request)
            self._check_client(request)
            given = self._given.take(digest_of(fields.get("code", "")), self._clock())
            if (
                fields.get("grant_type") != "authorization_code"
                or given is None
                or fields.get("redirect_uri") != given.asked.redirect_uri
                or not is_answer(fields.get("code_verifier", ""), given.asked.challenge)
            ):
                return refusal(SignInRefused("invalid_grant", "this code does not count"))
        except SignInRefused as error:
            return refusal(error)
        return JSONResponse(self._tokens(given), headers=NO_STORE)

    def _tokens(self, given: _Given) -> dict[str, Any]:  # Any: JSON
        now = self._clock()
        claims = {
            "iss": self._settings.issuer,
            "sub": given.subject,
            "aud": self._settings.client,
            "iat": now,
            "exp": now + ID_TOKEN_S,
            "nonce": given.asked.nonce,
        }
        header = {"alg": _ALGORITHM, "kid": self._key.thumbprint()}
        return {
            "access_token": new_token(),
            "token_type": "Bearer",
            "expires_in": ID_TOKEN_S,
            "id_token": jwt.encode(header, claims, self._key),
        }

    def _check_client(self, request: Request) -> None:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        try:
            said = base64.b64decode(text, validate=True).decode("ascii")
        except ValueError:
            said = ""
        name, _, secret = said.partition(":")
        is_right = hmac.compare_digest(unquote_plus(secret).encode(), self._provider.secret)
        if scheme.lower() != "basic" or unquote_plus(name) != self._settings.client or not is_right:
            raise SignInRefused("invalid_client", "this client is not known, or not proved")


def _missing(fields: Mapping[str, str]) -> str | None:
    """What a request lacks."""
    if fields.get("response_type") != "code" or "openid" not in fields.get("scope", "").split():
        return "response_type is code, scope has openid"
    if (
        fields.get("code_challenge_method") != "S256"
        or len(fields.get("code_challenge", "")) != _CHALLENGE_LENGTH
    ):
        return "send a code_challenge, by the method S256"
    if not fields.get("state") or not fields.get("nonce"):
        return "send state and nonce"
    return None


def _verifies(hashed: bytes, password: str) -> bool:
    try:
        return bool(pwhash.verify(hashed, password.encode()))
    except (exceptions.InvalidkeyError, exceptions.ValueError):
        return False


def _login_page(name: str, asked: _Asked, wrong: str, subject: str = "") -> Response:
    """The page, with the name that was typed; the password is typed again."""
    trouble = f'<p class="trouble" role="alert">{escape(wrong)}</p>' if wrong else ""
    inner = (
        '<label for="subject">Name</label><input type="text" id="subject" name="subject" '
        f'maxlength="64" autocomplete="username" value="{escape(subject)}" required'
        f"{'' if subject else ' autofocus'}>"
        '<label for="password">Password</label><input type="password" id="password" '
        'name="password" maxlength="256" autocomplete="current-password" required'
        f"{' autofocus' if subject else ''}>"
        '<button type="submit">Sign in</button>'
    )
    body = (
        trouble
        + form("/login", name, "login", inner)
        + '<p class="note">A small provider for trying CareLedger out. Put your '
        "organisation's own in its place before real people sign in.</p>"
    )
    return page("Sign in", body, house=_HOUSE, form_to=source_of(asked.redirect_uri))


def _trouble(text: str) -> Response:
    body = f'<p class="trouble" role="alert">{escape(text)}</p>'
    return page("This does not work", body, house=_HOUSE, status=400)
