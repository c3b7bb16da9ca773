"""A practitioner's signature for an emergency, as it goes with a request."""

import base64
import secrets

import click
import msgspec

from careledger.cli.clock import wall_clock
from careledger.cli.credential import Credential
from careledger.consensus.remote import RemoteNode
from careledger.ledger.record import digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.statement import Claims
from careledger.mechanisms.emergency import Emergency, sign_emergency

SKEW_S, WINDOW_S = 5, 300

COUNTS_S = 3_600
"""For how long the glass stays broken."""


async def sign(who: Credential, custodian: str, account: str, reason: str) -> str:
    """The statement, in base64url, good for an hour."""
    async with RemoteNode(who.node) as node:
        chain = digest(await node.genesis())
    now = wall_clock()
    claims = Claims(
        issuer=who.account,
        subject="emergency",
        audience=chain.hex(),
        not_before=now - SKEW_S,
        expires=now + WINDOW_S,
        nonce=secrets.token_bytes(16),
    )
    fields = {"custodian": custodian, "account": account, "reason": reason, "until": now + COUNTS_S}
    try:
        emergency = msgspec.convert(fields, Emergency)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from error
    statement = sign_emergency(SigningKey("EdDSA", who.transaction), claims, emergency)
    return base64.urlsafe_b64encode(statement).rstrip(b"=").decode()
