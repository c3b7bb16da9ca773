"""Where the organisation's own FHIR server is, and how to sign in there."""

from dataclasses import dataclass, field
from pathlib import Path

from careledger.ledger.errors import LedgerError
from careledger.vault.keystore import is_open_to_others


class BadCredentials(LedgerError):
    """A file of headers or a secret that is missing, open to others, or not what it should be."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749 4.4), sent by HTTP Basic (2.3.1)."""

    token_url: str
    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Upstream:
    """One FHIR R4 server. `base` has no slash at the end; nothing outside it is ever asked."""

    base: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    credentials: ClientCredentials | None = None
    timeout_s: float = 10.0
    poll_s: float = 5.0
    """How long after a look for changes the next one begins."""


def load_headers(path: Path) -> tuple[tuple[str, str], ...]:
    """Headers to send with every request, one `Name: value` on a line.

    Raises:
        BadCredentials: missing, open to others, or another form.
    """
    headers = []
    for line in load_secret(path).splitlines():
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or not value.strip():
            raise BadCredentials(f"{path}: one `Name: value` on a line")
        headers.append((name.strip(), value.strip()))
    return tuple(headers)


def load_secret(path: Path) -> str:
    """The text of a file that only its owner may read.

    Raises:
        BadCredentials: missing, open to others, or no text.
    """
    try:
        if is_open_to_others(path):
            raise BadCredentials(f"{path} is open to others: chmod 600")
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadCredentials(f"{path}: not to be read") from error
