"""Enrolling patients who arrive with their records: accounts that wait until they are claimed.

The first claim key is thrown away: the desk gives a code by asking for another, after proofing.
"""

import base64
import secrets
from collections.abc import Sequence
from typing import Final

from careledger.apps.identity.commands import EnrolAccount, PatientHolder
from careledger.exchange.organisation import Organisation
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId
from careledger.ledger.signature import SigningKey

CLAIM_S: Final = 179 * 86_400
"""How long an account waits to be claimed before the desk has to ask again."""

_AT_ONCE: Final = 50
"""Enrolments in one transaction."""


async def enrol(organisation: Organisation, locals_: Sequence[str]) -> None:
    """Give every local patient an account on the ledger, and a key in the vault.

    Raises:
        Unavailable: nothing is known to have happened; doing it again enrols under new accounts.
    """
    people = [(local, new_account_id()) for local in locals_]
    for start in range(0, len(people), _AT_ONCE):
        some = people[start : start + _AT_ONCE]
        commands = (_enrolment(organisation, account) for _, account in some)
        await organisation.submit("identity", *commands)
        organisation.vault.register_all(some)


def new_account_id() -> AccountId:
    """A random account id."""
    text = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
    return AccountId("@" + text)


def _enrolment(organisation: Organisation, account: AccountId) -> EnrolAccount:
    unused = SigningKey("EdDSA", secrets.token_bytes(32))
    return EnrolAccount(
        account=account,
        holder=PatientHolder(),
        ial=1,
        key=new_key(unused, "claim", account, organisation.chain),
        claim_until=organisation.clock() + CLAIM_S,
    )
