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
    tokens: Tokens
    seen: SeenAssertions

    @property
    def organisation(self) -> Organisation:
        """Whose gateway it is."""
        return self.exchange.organisation

    @property
    def token_url(self) -> str:
        """What `aud` of a client assertion is."""
        return self.base_url + TOKEN_PATH

    @property
    def fhir_url(self) -> str:
        """The FHIR base URL."""
        return self.base_url + FHIR_PATH
