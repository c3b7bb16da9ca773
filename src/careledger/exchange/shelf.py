"""What one run leaves for the next: notes of a kind, sealed in a cabinet.

Whoever keeps them has them in memory as well, where they are looked up.
"""

from collections import defaultdict
from typing import Final, TypeVar

import msgspec

from careledger.exchange.cabinet import Cabinet, KeyNumber, Thing
from careledger.ledger.record import Instant

_KEY: Final = KeyNumber(0)

V = TypeVar("V")


class Note(msgspec.Struct, frozen=True, array_like=True):
    """One thing as it is sealed. `key` is its own among those of its kind."""

    kind: str
    key: str
    owner: str
    expires: Instant
    value: msgspec.Raw

    def understood(self, type_: type[V]) -> V | None:
        """Its value; None if another release wrote it otherwise."""
        try:
            return msgspec.msgpack.decode(self.value, type=type_)
        except msgspec.ValidationError:
            return None


class Shelf:
    """What an earlier run left, and where this one leaves it; None keeps nothing."""

    def __init__(self, cabinet: Cabinet | None = None) -> None:
        """Read everything once; the cabinet has nothing else in it that is not done."""
        self._cabinet = cabinet
        self._left: defaultdict[str, list[Note]] = defaultdict(list)
        for kept in [] if cabinet is None else cabinet.undone():
            note = msgspec.msgpack.decode(kept.content, type=Note)
            self._left[note.kind].append(note)

    def left(self, kind: str) -> list[Note]:
        """What was kept of one kind, oldest first."""
        return self._left.pop(kind, [])

    def keep(self, kind: str, key: str, owner: str, expires: Instant, value: object) -> None:
        """Durable on return; in the place of what had the same key."""
        if self._cabinet is not None:
            raw = msgspec.Raw(msgspec.msgpack.encode(value))
            content = msgspec.msgpack.encode(Note(kind, key, owner, expires, raw))
            thing = Thing(_name(kind, key), owner, kind, content, False, _KEY)  # noqa: FBT003 - not done
            self._cabinet.put([thing])

    def drop(self, kind: str, keys: list[str]) -> None:
        """Forget these; durable on return."""
        if self._cabinet is not None and keys:
            self._cabinet.discard([_name(kind, key) for key in keys])

    def erase(self, owner: str) -> None:
        """Forget what belongs to `owner`, so that no copy is left in the cabinet's file."""
        if self._cabinet is not None:
            self._cabinet.forget(owner)


def _name(kind: str, key: str) -> str:
    return f"{kind} {key}"
