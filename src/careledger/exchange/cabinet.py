"""A file of small sealed things, found by blind names: terms that were delivered, reads to anchor.

Each is sealed with AES-256-GCM under a key of this file that the organisation's key store wrapped.
Forgetting a key erases what was sealed under it, wherever copies of the file may be.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Final, NewType

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.ledger.record import MemberId, encode
from careledger.vault.bounded import Bounded
from careledger.vault.keystore import KEY_BYTES, KeyId, KeyStore, WrappedKey
from careledger.vault.objects import BlindName, blind, seal, unseal
from careledger.vault.rows import Rows, Step

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS keys (
        number INTEGER PRIMARY KEY,
        key_id TEXT NOT NULL,
        wrapped BLOB NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS things (
        number INTEGER PRIMARY KEY,
        name BLOB NOT NULL UNIQUE,
        owner BLOB NOT NULL,
        about BLOB NOT NULL,
        done INTEGER NOT NULL,
        key INTEGER NOT NULL,
        sealed BLOB NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS things_by_owner ON things (owner)",
    "CREATE INDEX IF NOT EXISTS things_by_about ON things (about)",
    "CREATE INDEX IF NOT EXISTS things_undone ON things (number) WHERE done = 0",
)
"""`name`, `owner` and `about` are blind; `done` is 0 while something remains to be done with it."""

KeyNumber = NewType("KeyNumber", int)
"""A key of one cabinet; number 0 blinds the names."""

_BLINDING: Final = KeyNumber(0)
_CACHED_KEYS: Final = 10_000
_CACHED_NAMES: Final = 10_000
_COUNT_BYTES: Final = 8
_AT_ONCE: Final = 500
"""So many things are found by number in one statement."""

_DOMAIN: Final = "careledger cabinet v1"


@dataclass(frozen=True, slots=True)
class Thing:
    """Something to keep. `owner` and `about` are what it will be looked for by."""

    name: str
    owner: str
    about: str
    content: bytes
    done: bool
    key: KeyNumber


@dataclass(frozen=True, slots=True)
class Kept:
    """Something found; `number` grows with the order of arrival."""

    number: int
    content: bytes
    done: bool


class Cabinet:
    """One such file. Any thread may call."""

    def __init__(
        self, rows: Rows, keystore: KeyStore, member: MemberId, *, lazily: bool = False
    ) -> None:
        """Use `rows`; the first time, make the key that blinds names.

        With `lazily`, what is put survives the end of the process at once, and the loss of power
        only after `sync`: a millisecond instead of several.
        """
        self._rows, self._keystore, self._member = rows, keystore, member
        self._lock = RLock()
        if lazily:
            rows.read("PRAGMA synchronous = NORMAL")
        self._keys = Bounded[KeyNumber, AESGCM](_CACHED_KEYS)
        if not rows.read("SELECT 1 FROM keys WHERE number = 0"):
            rows.write([self._insert_key(_BLINDING, secrets.token_bytes(KEY_BYTES))])
        self._index = self._unwrap(_BLINDING)
        self._blinded = Bounded[tuple[str, str], BlindName](_CACHED_NAMES)
        ((self._last,),) = rows.read("SELECT coalesce(max(number), 0) FROM things")

    def new_key(self) -> KeyNumber:
        """A key of its own for what must be forgotten on its own; durable on return."""
        with self._lock:
            ((last,),) = self._rows.read("SELECT max(number) FROM keys")
            number = KeyNumber(last + 1)
            self._rows.write([self._insert_key(number, secrets.token_bytes(KEY_BYTES))])
            return number

    def put(self, things: Sequence[Thing], *, fresh: bool = False) -> list[BlindName]:
        """Keep `things`; one of the same name is replaced. Durable on return, all or none.

        `fresh`: they get names of their own, whatever they say, which grow with their numbers and
        come back in their order. So they are written behind one another, and not all over the file.
        """
        insert = "INSERT INTO things (name, owner, about, done, key, sealed) VALUES (?,?,?,?,?,?)"
        with self._lock:
            names = [self._fresh() if fresh else self._blind("name", one.name) for one in things]
            rows = list(map(self._row, names, things))
            delete = Step("DELETE FROM things WHERE name = ?", [(name,) for name in names])
            self._rows.write([Step(insert, rows)] if fresh else [delete, Step(insert, rows)])
        return names

    def get(self, name: str) -> Kept | None:
        """What is kept under `name`."""
        found = list(self._find("name", self._blind("name", name)))
        return found[0] if found else None

    def by_owner(self, owner: str) -> list[Kept]:
        """What belongs to `owner`, oldest first."""
        return list(self._find("owner", self._blind("owner", owner)))

    def by_about(self, about: str) -> list[Kept]:
        """What is about `about`, oldest first."""
        return list(self._find("about", self._blind("about", about)))

    def undone(self) -> list[Kept]:
        """What something remains to be done with, oldest first."""
        return list(self._find("done", 0))

    def waiting(self) -> list[tuple[int, BlindName]]:
        """Number and blind name of what something remains to be done with; none is opened."""
        with self._lock:
            found = self._rows.read(
                "SELECT number, name FROM things WHERE done = 0 ORDER BY number"
            )
        return [(number, BlindName(name)) for number, name in found]

    def open(self, numbers: Sequence[int]) -> list[Kept]:
        """What is kept under these numbers, oldest first."""
        return [
            one
            for start in range(0, len(numbers), _AT_ONCE)
            for one in self._find("number", *numbers[start : start + _AT_ONCE])
        ]

    def finish(self, numbers: Sequence[int]) -> None:
        """Nothing remains to be done with these; durable on return."""
        rows = [(number,) for number in numbers]
        with self._lock:
            self._rows.write([Step("UPDATE things SET done = 1 WHERE number = ?", rows)])

    def discard(self, names: Sequence[str]) -> None:
        """Forget what is kept under `names`, and overwrite it; durable on return."""
        rows = [(self._blind("name", name),) for name in names]
        with self._lock:
            self._rows.write([Step("DELETE FROM things WHERE name = ?", rows)])

    def sync(self) -> None:
        """Make all that was put durable, whatever happens to the power."""
        with self._lock:
            self._rows.read("PRAGMA wal_checkpoint(FULL)")

    def forget(self, owner: str) -> None:
        """Erase what belongs to `owner`, and the keys it was sealed under."""
        name = self._blind("owner", owner)
        with self._lock:
            keys = self._rows.read("SELECT DISTINCT key FROM things WHERE owner = ?", [name])
            self._rows.write(
                [
                    Step("DELETE FROM keys WHERE number = ? AND number <> 0", keys),
                    Step("DELETE FROM things WHERE owner = ?", [(name,)]),
                ]
            )
            self._keys.clear()
            self._blinded.clear()
            self._rows.purge(rewrite=True)

    def close(self) -> None:
        """Let go of the file."""
        self._rows.close()

    def _fresh(self) -> BlindName:
        """A name that no other has: it says no more than the number beside it."""
        self._last += 1
        return BlindName(self._last.to_bytes(_COUNT_BYTES) + secrets.token_bytes(_COUNT_BYTES))

    def _row(
        self, name: BlindName, thing: Thing
    ) -> tuple[BlindName, BlindName, BlindName, int, int, bytes]:
        return (
            name,
            self._known("owner", thing.owner),
            self._known("about", thing.about),
            int(thing.done),
            thing.key,
            seal(self._key(thing.key), thing.content, self._binding_of(name)),
        )

    def _find(self, column: str, *values: bytes | int) -> Iterator[Kept]:
        marks = ",".join("?" * len(values))
        statement = (
            "SELECT number, name, done, key, sealed FROM things "  # noqa: S608 - our own columns
            f"WHERE {column} IN ({marks}) ORDER BY number"
        )
        with self._lock:
            found = self._rows.read(statement, values)
        for number, name, done, key, sealed in found:
            opened = unseal(
                self._key(KeyNumber(key)), sealed, self._binding_of(name), "a sealed thing"
            )
            yield Kept(number, opened, bool(done))

    def _key(self, number: KeyNumber) -> AESGCM:
        with self._lock:
            known = self._keys.get(number)
            if known is None:
                known = AESGCM(self._unwrap(number))
                self._keys.put(number, known)
            return known

    def _insert_key(self, number: KeyNumber, key: bytes) -> Step:
        wrapped = self._keystore.wrap(key, self._context(number))
        row = (number, wrapped.key_id, wrapped.wrapped)
        return Step("INSERT INTO keys VALUES (?, ?, ?)", [row])

    def _unwrap(self, number: KeyNumber) -> bytes:
        ((key_id, wrapped),) = self._rows.read(
            "SELECT key_id, wrapped FROM keys WHERE number = ?", [number]
        )
        return self._keystore.unwrap(WrappedKey(KeyId(key_id), wrapped), self._context(number))

    def _context(self, number: KeyNumber) -> bytes:
        return encode((_DOMAIN, "key", self._member, number))

    def _binding_of(self, name: bytes) -> bytes:
        return encode((_DOMAIN, "thing", self._member, name))

    def _blind(self, what: str, text: str) -> BlindName:
        return blind(self._index, what, text)

    def _known(self, what: str, text: str) -> BlindName:
        """The same, remembered: a patient is read many times. Under the lock."""
        known = self._blinded.get((what, text))
        if known is None:
            known = self._blind(what, text)
            self._blinded.put((what, text), known)
        return known
