"""What the gateway remembers of sign-ins: tokens it issued, and assertions it has seen.

Both are in memory and bounded. A full memory refuses newcomers; it forgets nothing early, because
a forgotten assertion could be replayed.
"""

import hashlib
import secrets
from collections import Counter
from typing import Final, Generic, TypeVar

from careledger.gateway.auth_caller import Caller
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import Instant

TOKEN_S: Final = 300
"""How long an access token counts, in seconds."""

TOKEN_BYTES: Final = 32

MOST: Final = 100_000
MOST_EACH: Final = 10_000
"""How many are remembered at once: in all, and of one signer, so that none shuts others out."""

K = TypeVar("K")
V = TypeVar("V")


class _Expiring(Generic[K, V]):
    """A bounded memory of things that end, each of which is somebody's."""

    def __init__(self, most: int, most_each: int) -> None:
        self._most, self._most_each = most, most_each
        self._found: dict[K, tuple[Instant, str, V]] = {}
        self._of = Counter[str]()
        self._swept: Instant = 0

    def add(self, key: K, value: V, owner: str, expires: Instant, now: Instant) -> None:
        """Remember `value` before `expires`.

        Raises:
            Unavailable: too much is remembered.
        """
        if self._is_full(owner):
            self._sweep(now)
        if self._is_full(owner):
            raise Unavailable("too many sign-ins at once")
        self._found[key] = expires, owner, value
        self._of[owner] += 1

    def get(self, key: K, now: Instant) -> V | None:
        """What is remembered under `key`."""
        found = self._found.get(key)
        return found[2] if found is not None and now < found[0] else None

    def _is_full(self, owner: str) -> bool:
        return len(self._found) >= self._most or self._of[owner] >= self._most_each

    def _sweep(self, now: Instant) -> None:
        """Forget what is over; at most once a second, since it looks at everything."""
        if now == self._swept:
            return
        self._swept = now
        self._found = {key: one for key, one in self._found.items() if now < one[0]}
        self._of = Counter(owner for _, owner, _ in self._found.values())


class Tokens:
    """The access tokens of one gateway: 256 random bits each, kept as digests."""

    def __init__(self, most: int = MOST, most_each: int = MOST_EACH) -> None:
        """Hold at most `most`, of one signer `most_each`."""
        self._callers = _Expiring[bytes, Caller](most, most_each)

    def issue(self, caller: Caller, now: Instant) -> str:
        """Return a new token for `caller`, good for `TOKEN_S`.

        Raises:
            Unavailable: too many are out.
        """
        token = secrets.token_urlsafe(TOKEN_BYTES)
        owner = caller.identity.signer
        self._callers.add(_digest(token), caller, owner, now + TOKEN_S, now)
        return token

    def find(self, token: str, now: Instant) -> Caller | None:
        """Whose token it is; None if it is none of ours, or over."""
        return self._callers.get(_digest(token), now)


class SeenAssertions:
    """Assertions that were used, until they expire: each counts once (RFC 7523 3, `jti`)."""

    def __init__(self, since: Instant, most: int = MOST, most_each: int = MOST_EACH) -> None:
        """Remember from `since` on; what was issued before may have been used before."""
        self.since = since
        self._seen = _Expiring[bytes, bool](most, most_each)

    def use(self, issuer: str, jti: str, expires: Instant, now: Instant) -> bool:
        """Whether this is its first use; from now on it has been used.

        Raises:
            Unavailable: too many are remembered.
        """
        name = _digest(f"{issuer} {jti}")
        if self._seen.get(name, now):
            return False
        self._seen.add(name, True, issuer, expires, now)  # noqa: FBT003 - a set with ends
        return True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
