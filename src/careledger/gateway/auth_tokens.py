"""What the gateway remembers of sign-ins: tokens it issued, and assertions it has seen.

Both are in memory and bounded. A full memory refuses newcomers; it forgets nothing early, because
a forgotten assertion could be replayed.
"""

import hashlib
import secrets
from typing import Final, Generic, TypeVar

from careledger.gateway.auth_caller import Caller
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import Instant

TOKEN_S: Final = 300
"""How long an access token counts, in seconds."""

TOKEN_BYTES: Final = 32

_MOST: Final = 100_000

K = TypeVar("K")
V = TypeVar("V")


class _Expiring(Generic[K, V]):
    """A bounded memory of things that end."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[K, tuple[Instant, V]] = {}

    def add(self, key: K, value: V, expires: Instant, now: Instant) -> None:
        """Remember `value` before `expires`.

        Raises:
            Unavailable: too much is remembered.
        """
        if len(self._found) >= self._most:
            over = [key for key, (until, _) in self._found.items() if until <= now]
            for one in over:
                del self._found[one]
        if len(self._found) >= self._most:
            raise Unavailable("too many sign-ins at once")
        self._found[key] = expires, value

    def get(self, key: K, now: Instant) -> V | None:
        """What is remembered under `key`."""
        until, value = self._found.get(key, (0, None))
        return value if now < until else None

    def __len__(self) -> int:
        return len(self._found)


class Tokens:
    """The access tokens of one gateway: 256 random bits each, kept as digests."""

    def __init__(self, most: int = _MOST) -> None:
        """Hold at most `most`."""
        self._callers = _Expiring[bytes, Caller](most)

    def issue(self, caller: Caller, now: Instant) -> str:
        """Return a new token for `caller`, good for `TOKEN_S`.

        Raises:
            Unavailable: too many are out.
        """
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._callers.add(_digest(token), caller, now + TOKEN_S, now)
        return token

    def find(self, token: str, now: Instant) -> Caller | None:
        """Whose token it is; None if it is none of ours, or over."""
        return self._callers.get(_digest(token), now)


class SeenAssertions:
    """Assertions that were used, until they expire: each counts once (RFC 7523 3, `jti`)."""

    def __init__(self, since: Instant, most: int = _MOST) -> None:
        """Remember from `since` on; what was issued before may have been used before."""
        self.since = since
        self._seen = _Expiring[bytes, bool](most)

    def use(self, issuer: str, jti: str, expires: Instant, now: Instant) -> bool:
        """Whether this is its first use; from now on it has been used.

        Raises:
            Unavailable: too many are remembered.
        """
        name = _digest(f"{issuer} {jti}")
        if self._seen.get(name, now):
            return False
        self._seen.add(name, True, expires, now)  # noqa: FBT003 - a set with ends
        return True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
