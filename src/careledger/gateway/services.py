"""What the doors of one organisation's gateway need."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from careledger.exchange.exchange import Exchange
from careledger.exchange.organisation import Moment, Organisation
from careledger.gateway.auth_caller import Caller, Standings
from careledger.gateway.auth_files import Client, Person, Register
from careledger.gateway.auth_flow import SignIns
from careledger.gateway.auth_id_token import IdTokens
from careledger.gateway.auth_provider import IdentityProvider
from careledger.gateway.auth_tokens import SeenAssertions, Tokens
from careledger.gateway.fhir_cursor import Cursors
from careledger.ledger.record import Instant

AUTH_PATH: Final = "/auth"
TOKEN_PATH: Final = "/auth/token"  # noqa: S105 - a path
APPROVALS_PATH: Final = "/auth/approvals"
FHIR_PATH: Final = "/fhir"


@dataclass(frozen=True, kw_only=True)
class GatewayServices:
    """One organisation's exchange, its address, and what it knows of sign-ins."""

    exchange: Exchange
    base_url: str
    """Where clients reach this gateway, without a slash at the end."""
    others: tuple[str, ...]
    """Other addresses of the same doors, such as the one on this machine."""
    tokens: Tokens
    seen: SeenAssertions
    id_tokens: IdTokens
    standings: Standings
    clients: Register[Client]
    staff: Register[Person]
    provider: IdentityProvider | None = None
    sign_ins: SignIns = field(default_factory=SignIns)
    cursors: Cursors = field(default_factory=Cursors)
    scans: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """So many questions about everybody's records are answered at once."""

    @property
    def organisation(self) -> Organisation:
        """Whose gateway it is."""
        return self.exchange.organisation

    @property
    def token_url(self) -> str:
        """Where clients sign in."""
        return self.base_url + TOKEN_PATH

    @property
    def audiences(self) -> tuple[str, ...]:
        """What `aud` of a client assertion may be: the token endpoint, by any of its names."""
        return self.addresses(TOKEN_PATH)

    @property
    def fhir_url(self) -> str:
        """The FHIR base URL."""
        return self.base_url + FHIR_PATH

    def addresses(self, path: str) -> tuple[str, ...]:
        """A door by all of its names."""
        return tuple(url + path for url in (self.base_url, *self.others))

    def lets(self, caller: Caller, now: Moment) -> bool:
        """Whether the organisation's files and committed state still let `caller` act."""
        return self._vouches(caller, now.time) and self.standings.is_good(
            now.view, now.height, caller.identity
        )

    def _vouches(self, caller: Caller, now: Instant) -> bool:
        """Whether the organisation's own files still have the application and the person."""
        who, client = caller.identity, None
        if caller.client is not None:
            client = self.clients.get(caller.client, now)
            if client is None:
                return False
        if who.kind == "service":
            return client is not None and (client.role, client.keeps_records) == (
                who.role,
                caller.keeps_records,
            )
        if who.kind != "staff":
            return True
        person = None if who.subject is None else self.staff.get(who.subject, now)
        return person is not None and (person.role, person.practitioner) == (
            who.role,
            who.practitioner,
        )
