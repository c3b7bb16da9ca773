"""Another member's token: good in one disclosure session, which its signed request opens.

The assertion carries the request beside `hl7-b2b`, as the extension `careledger-request`: the same
signed statement that a sealed ask has, in base64url. It is decided and on the ledger before the
token is given. Without one the member has signed in, and opens no FHIR door.
"""

import base64
import binascii
from dataclasses import replace
from typing import Final

from careledger.exchange.errors import AccessRefused, CommandRefused, RequestRejected
from careledger.exchange.partners import Opened
from careledger.gateway.auth_assertion import SignedIn
from careledger.gateway.auth_business import SignInRefused
from careledger.gateway.auth_issue import Answer, Form, Issuer
from careledger.gateway.auth_scopes import grant
from careledger.gateway.services import GatewayServices
from careledger.ledger.errors import Malformed
from careledger.mechanisms.request import VerifiedRequest

_NOT_ONE: Final = SignInRefused(
    "invalid_grant",
    "careledger-request is a signed access request to us, answered never before, "
    "of the organisation, person, role, purpose and consent that hl7-b2b states",
)


def opens_session(form: Form, client: object) -> bool:
    """Whether a disclosure has to be decided first; a form that gets no token opens none."""
    return (
        isinstance(client, SignedIn)
        and client.partner is not None
        and client.request is not None
        and form.get("grant_type") == "client_credentials"
        and bool(grant(form.get("scope", ""), "partner").granted)
    )


async def token_in_session(
    services: GatewayServices, issuer: Issuer, form: Form, client: SignedIn
) -> Answer:
    """Decide the request, record the disclosure, and give a token for its session.

    The answer says under `disclosure` what the member acknowledges on the ledger.

    Raises:
        SignInRefused: the request is not one to be answered, or is refused: then that is on the
            ledger, and the description names the dimensions.
        Unavailable: nothing was decided.
    """
    opened = await _open(services, client)
    assert client.partner is not None  # noqa: S101 - see `opens_session`
    partner = replace(client.partner, session=opened.id)
    with services.organisation.now() as now:
        answer = issuer.for_client(form, replace(client, partner=partner), now)
    disclosure = {
        "number": opened.number,
        "session": opened.id.hex(),
        "expires": opened.expires,
        "manifest": opened.manifest.hex(),
    }
    return answer | {"disclosure": disclosure}


async def _open(services: GatewayServices, client: SignedIn) -> Opened:
    partners = services.exchange.partners
    try:
        request = _decoded(client.request or "")
        verified = partners.verify(request)
        if not _is_the_same(client, verified):
            raise _NOT_ONE
        return await partners.open(request, verified)
    except Malformed as error:
        raise _NOT_ONE from error
    except AccessRefused as error:
        text = f"refused: {', '.join(error.dimensions)}"
        raise SignInRefused("invalid_grant", text) from error
    except (CommandRefused, RequestRejected) as error:
        raise SignInRefused("invalid_grant", error.reason) from error


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise _NOT_ONE from error


def _is_the_same(client: SignedIn, verified: VerifiedRequest) -> bool:
    """Whether the token and the request are of one organisation, person, role and purpose."""
    asked, who, partner = verified.request, client.identity, client.partner
    if partner is None or (partner.consents and asked.consent_id not in partner.consents):
        return False
    return (asked.requester, asked.practitioner, asked.role, asked.purpose) == (
        partner.organisation,
        who.practitioner,
        who.role,
        client.purpose,
    )
