"""What the doors of one organisation's gateway need."""

from dataclasses import dataclass
from typing import Final

from careledger.exchange.exchange import Exchange
from careledger.exchange.organisation import Organisation
from careledger.gateway.auth_tokens import SeenAssertions, Tokens

TOKEN_PATH: Final = "/auth/token"  # noqa: S105 - a path
FHIR_PATH: Final = "/fhir"


@dataclass(frozen=True, kw_only=True)
class GatewayServices:
    """One organisation's exchange, its address, and what it remembers of sign-ins."""

    exchange: Exchange
    base_url: str
    """Where clients reach this gateway, without a slash at the end."""
    others: tuple[str, ...]
    """Other addresses of the same doors, such as the one on this machine."""
    tokens: Tokens
    seen: SeenAssertions

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
        return tuple(url + TOKEN_PATH for url in (self.base_url, *self.others))

    @property
    def fhir_url(self) -> str:
        """The FHIR base URL."""
        return self.base_url + FHIR_PATH
