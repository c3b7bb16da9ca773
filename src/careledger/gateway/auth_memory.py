"""What the gateway remembers of sign-ins, bounded, and the same after a restart.

Everything is in memory, where it is looked up, and on a shelf, where it survives. A full
memory refuses newcomers; it forgets nothing early, because what is forgotten could be replayed.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from careledger.exchange.shelf import Shelf
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import Instant

MOST: Final = 100_000
MOST_EACH: Final = 10_000
"""How many are remembered at once: in all, and of one owner, so that none shuts others out."""

SWEEP_S: Final = 60
"""How often what is over is forgotten, in seconds."""

V = TypeVar("V")


class Memory(Generic[V]):
    """Things of one kind that end, each of which is somebody's."""

    def __init__(
        self,
        shelf: Shelf,
        kind: str,
        type_: type[V],
        *,
        most: int = MOST,
        most_each: int = MOST_EACH,
    ) -> None:
        """Remember values of `type_`, beginning with those that `shelf` has of this kind."""
        self._shelf, self._kind = shelf, kind
        self._most, self._most_each = most, most_each
        decoder = msgspec.msgpack.Decoder(type_)
        self._found: dict[str, tuple[Instant, str, V]] = {
            note.key: (note.expires, note.owner, decoder.decode(note.value))
            for note in shelf.left(kind)
        }
        self._of = Counter(owner for _, owner, _ in self._found.values())
        self._swept: Instant = 0

    def add(self, key: str, value: V, owner: str, expires: Instant, now: Instant) -> None:
        """Remember `value` before `expires`; what had the same key is replaced.

        Raises:
            Unavailable: too much is remembered.
        """
        if key in self._found:
            self._forget([key])
        if self._is_full(owner) or now - self._swept >= SWEEP_S:
            self._sweep(now)
        if self._is_full(owner):
            raise Unavailable("too many sign-ins at once")
        self._shelf.keep(self._kind, key, owner, expires, value)
        self._found[key] = expires, owner, value
        self._of[owner] += 1

    def get(self, key: str, now: Instant) -> V | None:
        """What is remembered under `key`; no disk is asked."""
        found = self._found.get(key)
        return found[2] if found is not None and now < found[0] else None

    def expires(self, key: str) -> Instant:
        """When it ends; 0 if it is not there."""
        found = self._found.get(key)
        return 0 if found is None else found[0]

    def remove(self, key: str) -> None:
        """Forget it, durably."""
        if key in self._found:
            self._forget([key])
            self._shelf.drop(self._kind, [key])

    def remove_where(self, test: Callable[[V], bool]) -> None:
        """Forget, durably, everything that passes; looks at all of it."""
        keys = [key for key, (_, _, value) in self._found.items() if test(value)]
        self._forget(keys)
        self._shelf.drop(self._kind, keys)

    def _is_full(self, owner: str) -> bool:
        return len(self._found) >= self._most or self._of[owner] >= self._most_each

    def _sweep(self, now: Instant) -> None:
        """Forget what is over; at most once a second, since it looks at everything."""
        if now == self._swept:
            return
        self._swept = now
        over = [key for key, (expires, _, _) in self._found.items() if now >= expires]
        self._forget(over)
        self._shelf.drop(self._kind, over)

    def _forget(self, keys: list[str]) -> None:
        for key in keys:
            _, owner, _ = self._found.pop(key)
            self._of[owner] -= 1
            if not self._of[owner]:
                del self._of[owner]
