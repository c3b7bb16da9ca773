"""Which client asks at the token endpoint and beside it (RFC 6749 2.3, SMART App Launch 2.2, 2.1).

Members and accounts sign with their keys on the ledger; registered applications sign with their
own, send a secret, or are public and prove nothing but their name.
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from starlette.requests import Request

from careledger.exchange.organisation import Moment
from careledger.gateway.auth_assertion import (
    INVALID_CLIENT,
    Checks,
    SignedIn,
    check_assertion,
    check_registered,
    parse_assertion,
)
from careledger.gateway.auth_business import BusinessExtension, SignInRefused
from careledger.gateway.auth_files import Client
from careledger.gateway.services import GatewayServices

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_UNKNOWN: Final = SignInRefused(INVALID_CLIENT, "this client is not known, or not proved")


@dataclass(frozen=True, kw_only=True, slots=True)
class Application:
    """A registered application; `is_proved` unless it is public."""

    client: Client
    is_proved: bool
    business: BusinessExtension | None = None


def client_of(
    request: Request, form: Mapping[str, str], services: GatewayServices, now: Moment
) -> Application | SignedIn:
    """Who asks, by one method of authentication and no second.

    Raises:
        SignInRefused: who it is, is not proved.
    """
    basic = request.headers.get("authorization")
    if "client_secret" in form:
        raise SignInRefused(INVALID_CLIENT, "send the secret with HTTP Basic")
    if "client_assertion" in form or "client_assertion_type" in form:
        if basic is not None:
            raise SignInRefused("invalid_request", "prove who you are in one way only")
        return _by_assertion(form, services, now)
    if basic is not None:
        return _by_secret(basic, form, services, now)
    client = services.clients.get(_named(form, services, now), now.time)
    if client is None or client.kind != "public":
        raise _UNKNOWN
    return Application(client=client, is_proved=False)


def _named(form: Mapping[str, str], services: GatewayServices, now: Moment) -> str:
    """The public client that asks: by its name, or by the refresh token that it was given.

    Refreshing, it has nothing to say but the token (RFC 6749 6, and SMART's own clients).
    """
    if "client_id" in form or form.get("grant_type") != "refresh_token":
        return form.get("client_id", "")
    found = services.tokens.refresh(form.get("refresh_token", ""), now.time)
    return "" if found is None else found.caller.client or ""


def _by_assertion(
    form: Mapping[str, str], services: GatewayServices, now: Moment
) -> Application | SignedIn:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise SignInRefused("invalid_request", f"client_assertion_type is {ASSERTION_TYPE}")
    assertion = parse_assertion(form.get("client_assertion", ""))
    checks = Checks(
        view=now.view,
        member=services.organisation.member,
        audiences=services.audiences,
        now=now.time,
        seen=services.seen,
    )
    if form.get("client_id", assertion.issuer) != assertion.issuer:
        raise _UNKNOWN
    client = services.clients.get(assertion.issuer, now.time)
    if client is None:
        return check_assertion(assertion, checks)
    if client.keys is None:
        raise _UNKNOWN
    check_registered(assertion, client.keys, checks)
    return Application(client=client, is_proved=True, business=assertion.business)


def _by_secret(
    header: str, form: Mapping[str, str], services: GatewayServices, now: Moment
) -> Application:
    """HTTP Basic, of the form-encoded id and secret (RFC 6749 2.3.1)."""
    scheme, _, text = header.partition(" ")
    try:
        said = base64.b64decode(text.strip(), validate=True).decode("ascii")
    except ValueError as error:
        raise _UNKNOWN from error
    name, mark, secret = said.partition(":")
    name, secret = unquote_plus(name), unquote_plus(secret)
    client = services.clients.get(name, now.time) if scheme.lower() == "basic" and mark else None
    if client is None or client.secret is None or form.get("client_id", name) != name:
        raise _UNKNOWN
    if not hmac.compare_digest(client.secret, secret.encode()):
        raise _UNKNOWN
    return Application(client=client, is_proved=True)
