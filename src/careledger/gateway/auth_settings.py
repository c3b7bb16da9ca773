"""Whom an organisation lets sign in besides those who have keys on the ledger."""

from dataclasses import dataclass, field
from typing import Final

from careledger.gateway.auth_files import Client, Person, Register, clients_in, staff_in
from careledger.gateway.auth_provider import IdentityProvider
from careledger.ledger.record import MemberId


def _no_clients() -> Register[Client]:
    return clients_in(None, MemberId(""))


def _no_staff() -> Register[Person]:
    return staff_in(None)


@dataclass(frozen=True, kw_only=True)
class SignInSettings:
    """What `gateway.toml` says of applications, staff and where the staff signs in."""

    clients: Register[Client] = field(default_factory=_no_clients)
    staff: Register[Person] = field(default_factory=_no_staff)
    provider: IdentityProvider | None = None


NOBODY: Final = SignInSettings()
"""No applications, no staff: keys on the ledger alone."""
