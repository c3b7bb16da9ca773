"""What an answer looked at in committed state: whether a later state would give the same.

Most blocks change nothing that a decision about one patient depends on. To see that what it read
is still there costs a few look-ups; to decide again costs several times as much.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from careledger.ledger.state import Reader

_LENGTH_BYTES = 8
_ABSENT = b"\xff" * _LENGTH_BYTES


class Witness(NamedTuple):
    """Every key and prefix that was read, in order, and a digest of what was found there."""

    keys: tuple[bytes, ...]
    prefixes: tuple[bytes, ...]
    found: bytes
    """SHA-256; the rows themselves are not kept."""

    def holds_in(self, state: Reader) -> bool:
        """Whether the same is found in `state`: then whoever asks it reads the same."""
        rows = (state.get(key) for key in self.keys)
        scans = (state.scan(prefix) for prefix in self.prefixes)
        return _digest(rows, scans) == self.found


class Watched:
    """A `ledger.state.Reader` that remembers what was read through it, for one answer."""

    def __init__(self, state: Reader) -> None:
        """Read through `state`."""
        self._state = state
        self._rows: dict[bytes, bytes | None] = {}
        self._scans: dict[bytes, list[tuple[bytes, bytes]]] = {}

    def get(self, key: bytes, /) -> bytes | None:
        """The row at the state key `key`, if there is one."""
        if key not in self._rows:
            self._rows[key] = self._state.get(key)
        return self._rows[key]

    def scan(self, prefix: bytes, /) -> Iterator[tuple[bytes, bytes]]:
        """Rows whose state key begins with `prefix`, in key order."""
        if prefix not in self._scans:
            self._scans[prefix] = list(self._state.scan(prefix))
        return iter(self._scans[prefix])

    def witness(self) -> Witness:
        """What was read until now."""
        found = _digest(self._rows.values(), self._scans.values())
        return Witness(tuple(self._rows), tuple(self._scans), found)


def _digest(rows: Iterable[bytes | None], scans: Iterable[Iterable[tuple[bytes, bytes]]]) -> bytes:
    """Of rows and scans, each with its length in front, so that no two findings are alike."""
    parts = list[bytes]()
    for row in rows:
        parts += (_ABSENT, b"") if row is None else (len(row).to_bytes(_LENGTH_BYTES), row)
    for scan in scans:
        for key, row in scan:
            parts += (len(key).to_bytes(_LENGTH_BYTES), key)
            parts += (len(row).to_bytes(_LENGTH_BYTES), row)
        parts.append(_ABSENT)
    return hashlib.sha256(b"".join(parts)).digest()
