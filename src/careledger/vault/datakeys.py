"""The data keys in keys.sqlite: one for each patient and two of the vault's own, all wrapped."""

import secrets
from collections.abc import Iterator, Sequence
from typing import Final

from careledger.ledger.record import MemberId, encode
from careledger.vault.errors import Tampered
from careledger.vault.keystore import KEY_BYTES, KeyId, KeyStore, WrappedKey
from careledger.vault.objects import DATA_KEY, DIRECTORY, PatientRef
from careledger.vault.rows import Rows, Step
from careledger.vault.schema import identify

INDEX_OWNER: Final = PatientRef(b"\xff" * 16)
"""Stands where a patient stands, for the key that blinds names."""

_REWRAP_AT_ONCE: Final = 1_000


class DataKeys:
    """Keys of 32 bytes, wrapped by the key store and bound to the custodian and their owner."""

    def __init__(self, rows: Rows, store: KeyStore, custodian: MemberId) -> None:
        """Use `rows`."""
        self._rows, self._store, self._custodian = rows, store, custodian

    def found(self) -> None:
        """Make a new vault: its id, the key that blinds names, the key of the directory."""
        steps = [self.new(owner)[1] for owner in (INDEX_OWNER, DIRECTORY)]
        self._rows.write([identify(secrets.token_bytes(16), self._custodian), *steps])

    def new(self, owner: PatientRef) -> tuple[bytes, Step]:
        """A new key, and what stores it."""
        key = secrets.token_bytes(KEY_BYTES)
        wrapped = self._store.wrap(key, self._context(owner))
        row = (owner, wrapped.key_id, wrapped.wrapped)
        return key, Step("INSERT INTO keys VALUES (?, ?, ?)", [row])

    def get(self, owner: PatientRef) -> bytes:
        """The key of `owner`.

        Raises:
            UnknownKey: the key store no longer holds what wrapped it.
            Tampered: it is missing or altered.
        """
        found = self._rows.read("SELECT key_id, wrapped FROM keys WHERE owner = ?", [owner])
        if not found:
            raise Tampered("a key is missing")
        ((key_id, wrapped),) = found
        return self._store.unwrap(WrappedKey(KeyId(key_id), wrapped), self._context(owner))

    def rewrap(self) -> int:
        """Wrap again whatever is not under the current key; resumable; how many that were."""
        done, current = 0, self._store.current
        while stale := self._rows.read(
            "SELECT owner, key_id, wrapped FROM keys WHERE key_id <> ? LIMIT ?",
            [current, _REWRAP_AT_ONCE],
        ):
            statement = "UPDATE keys SET key_id = ?, wrapped = ? WHERE owner = ?"
            self._rows.write([Step(statement, list(self._rewrapped(stale)))])
            done += len(stale)
        if done:
            self._rows.purge(rewrite=True)
        return done

    def _rewrapped(
        self, rows: Sequence[tuple[bytes, str, bytes]]
    ) -> Iterator[tuple[str, bytes, bytes]]:
        for owner, key_id, wrapped in rows:
            context = self._context(PatientRef(owner))
            key = self._store.unwrap(WrappedKey(KeyId(key_id), wrapped), context)
            anew = self._store.wrap(key, context)
            yield anew.key_id, anew.wrapped, owner

    def _context(self, owner: PatientRef) -> bytes:
        return encode((DATA_KEY, self._custodian, owner))
