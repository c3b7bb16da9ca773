"""What the ledger remembers of accounts.

Standing and keys are in the core's own tables (`ledger.membership`), which this application
writes.
"""

from typing import Literal

from careledger.apps.identity.commands import AssuranceLevel, CredentialRoles
from careledger.ledger.record import Instant, MemberName, PublicName, Record
from careledger.ledger.state import Table

HolderKind = Literal["patient", "practitioner", "device"]


class AccountRow(Record):
    """An account; `name` and `roles` are a practitioner's and nobody else's."""

    kind: HolderKind
    member: MemberName
    """Who enrolled it, vouches for it and pays for it."""
    ial: AssuranceLevel
    aal: AssuranceLevel | None
    since: Instant
    claim_until: Instant | None = None
    """While the account is unclaimed: the last second at which its code counts."""
    name: PublicName | None = None
    roles: CredentialRoles = ()


ACCOUNTS = Table("identity.accounts", AccountRow, (str,))
"""Keyed by account id; `ledger.signers` holds whether it is active."""
