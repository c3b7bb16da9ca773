"""The door that applications send browsers to (RFC 6749 4.1.1, SMART App Launch 2.2, 2.0.9).

Until client and redirect address are known to belong together nothing is sent anywhere: the person
reads what is wrong. From then on the application is told.
"""

from collections.abc import Mapping
from re import compile as regex
from typing import Final
from urllib.parse import urlencode

from careledger.gateway.auth_business import find_purpose
from careledger.gateway.auth_files import Client
from careledger.gateway.auth_flow import Asked
from careledger.gateway.auth_scopes import Scopes, parse_scopes
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.ledger.errors import LedgerError
from careledger.ledger.record import Instant

PURPOSE: Final = "purpose_of_use"
"""Our own parameter: the purpose, where the application knows it."""

_CHALLENGE: Final = regex(r"[A-Za-z0-9_-]{43}")
_VISIBLE: Final = regex(r"[ -~]{1,1024}")


class Untrusted(LedgerError):
    """Who asks, or where to answer, is not known: only the person at the browser is told."""


class Denied(LedgerError):
    """The application is told no: `error` is a code of RFC 6749 4.1.2.1."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error, self.description = error, description


def client_in(fields: Mapping[str, str], services: GatewayServices, now: Instant) -> Client:
    """The application that asks, if it may be answered where it says.

    Raises:
        Untrusted: it is not registered, or not with this very redirect address.
    """
    client = services.clients.get(fields.get("client_id", ""), now)
    if client is None or client.kind == "backend":
        raise Untrusted("This application is not registered here.")
    if fields.get("redirect_uri", "") not in client.redirect_uris:
        raise Untrusted(
            "This application is not registered with the address it wants you to go to."
        )
    return client


def asked_in(
    fields: Mapping[str, str], client: Client, services: GatewayServices, now: Instant
) -> Asked:
    """What the application asks for.

    Raises:
        Denied: something is missing or wrong.
    """
    _check_form(fields, services)
    nonce = fields.get("nonce")
    if nonce is not None and not _VISIBLE.fullmatch(nonce):
        raise Denied("invalid_request", "nonce is visible text")
    purpose = fields.get(PURPOSE)
    if purpose is not None and find_purpose(purpose) is None:
        raise Denied("invalid_request", f"{PURPOSE} is one HL7 purpose of use")
    scopes = _scopes(fields.get("scope", ""), client)
    launch = None
    if "launch" in scopes.extras:
        launch = services.sign_ins.take_launch(fields.get("launch", ""), now)
        if launch is None or launch.client not in {None, client.id}:
            raise Denied("invalid_request", "the launch is over, or was for another application")
    if launch is not None and "staff" not in client.people:
        raise Denied("invalid_request", "this application is for patients")
    return Asked(
        client=client.id,
        redirect_uri=fields["redirect_uri"],
        scopes=scopes,
        state=fields["state"],
        challenge=fields["code_challenge"],
        nonce=nonce,
        purpose=None if purpose is None else find_purpose(purpose),
        launch=launch,
    )


def _check_form(fields: Mapping[str, str], services: GatewayServices) -> None:
    """What every request has: state, PKCE by S256, and this very FHIR server as its audience."""
    if fields.get("response_type") != "code":
        raise Denied("unsupported_response_type", "response_type is code")
    if not _VISIBLE.fullmatch(fields.get("state", "")):
        raise Denied("invalid_request", "send a state")
    if fields.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(
        fields.get("code_challenge", "")
    ):
        raise Denied("invalid_request", "send a code_challenge, by the method S256")
    if fields.get("aud", "").rstrip("/") not in services.addresses(FHIR_PATH):
        raise Denied("invalid_request", f"aud is {services.fhir_url}")
    if "request" in fields or "request_uri" in fields:
        raise Denied("request_not_supported", "send parameters one by one")


def _scopes(asked: str, client: Client) -> Scopes:
    """What is asked and was registered; never `system/`, which is for programs alone."""
    found = parse_scopes(asked).within(parse_scopes(client.scopes))
    granted = tuple(one for one in found.granted if one.context != "system")
    if not granted and "openid" not in found.extras:
        raise Denied("invalid_scope", "none of these scopes is registered for this application")
    return Scopes(granted, found.extras)


def needs_patient(scopes: Scopes) -> bool:
    """Whether a patient has to be in context."""
    return "launch/patient" in scopes.extras or any(
        one.context == "patient" for one in scopes.granted
    )


def back_to(redirect_uri: str, **said: str) -> str:
    """The redirect address with the answer added."""
    mark = "&" if "?" in redirect_uri else "?"
    return f"{redirect_uri}{mark}{urlencode(said)}"
