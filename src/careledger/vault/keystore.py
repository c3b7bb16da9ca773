"""Where the organisation's own keys live, behind a door that a KMS or an HSM can take.

The vault never sees these keys. It hands over a patient's data key with a context and gets it back
wrapped; whoever has the vault's files alone has nothing.
"""

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NewType, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.ledger.errors import Malformed
from careledger.ledger.record import Hash, Record, decode, encode
from careledger.vault.errors import KeyFileExposed, Tampered, UnknownKey, VaultError

KeyId = NewType("KeyId", str)
"""Names one of the organisation's keys; 16 hex characters, random."""

KEY_BYTES = 32
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key that only the key store can unwrap, and under which of its keys."""

    key_id: KeyId
    wrapped: bytes


class KeyStore(Protocol):
    """The organisation's keys. AWS KMS, Vault Transit and PKCS#11 (AES-GCM) all fit this shape."""

    @property
    def current(self) -> KeyId:
        """The key that `wrap` uses now."""
        ...

    def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        """Seal a 32-byte data key under the current key, bound to `context`."""
        ...

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> bytes:
        """The data key again.

        Raises:
            UnknownKey: the key that wrapped it is not here (any more).
            Tampered: altered, or wrapped for another context.
        """
        ...

    def rotate(self) -> KeyId:
        """Make a new current key; the older ones still unwrap. Durable when it returns."""
        ...

    def destroy(self, key_id: KeyId) -> None:
        """Forget an older key for ever: what is still wrapped under it is lost, backups included.

        Raises:
            UnknownKey: no such key.
            VaultError: it is the current one.
        """
        ...


class _FileKey(Record):
    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
    key: Hash


class _KeyFile(Record):
    """The key file; the last key is the current one."""

    format: Literal["careledger key file v1"] = "careledger key file v1"
    keys: Annotated[tuple[_FileKey, ...], msgspec.Meta(min_length=1)]


class FileKeyStore:
    """Keys in one file that only its owner may read. Wraps with AES-256-GCM under random nonces."""

    def __init__(self, path: Path) -> None:
        """Load the keys at `path`.

        Raises:
            KeyFileExposed: group or others have any permission on it.
            Malformed: not a key file.
        """
        self._path = path
        if is_open_to_others(path):
            mode = stat.S_IMODE(path.stat().st_mode)
            raise KeyFileExposed("chmod 600 it", expected="0600", actual=f"{mode:04o}")
        self._keys = _load(path)

    @classmethod
    def create(cls, path: Path) -> "FileKeyStore":
        """Make a key file with one new key; it is durable when this returns.

        Raises:
            FileExistsError: there is one already; keys are never overwritten.
        """
        if path.exists():
            raise FileExistsError(path.name)
        _save(path, {_new_id(): secrets.token_bytes(KEY_BYTES)})
        return cls(path)

    @property
    def current(self) -> KeyId:
        """The key that `wrap` uses now."""
        return next(reversed(self._keys))

    @property
    def key_ids(self) -> tuple[KeyId, ...]:
        """Every key held, oldest first."""
        return tuple(self._keys)

    def wrap(self, key: bytes, context: bytes) -> WrappedKey:
        """Seal a 32-byte data key under the current key, bound to `context`."""
        if len(key) != KEY_BYTES:
            raise ValueError(len(key))
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(self._keys[self.current]).encrypt(nonce, key, context)
        return WrappedKey(self.current, nonce + sealed)

    def unwrap(self, wrapped: WrappedKey, context: bytes) -> bytes:
        """The data key again.

        Raises:
            UnknownKey: the key that wrapped it is not here (any more).
            Tampered: altered, or wrapped for another context.
        """
        kek = self._keys.get(wrapped.key_id)
        if kek is None:
            raise UnknownKey(expected=self.current, actual=wrapped.key_id)
        nonce, sealed = wrapped.wrapped[:NONCE_BYTES], wrapped.wrapped[NONCE_BYTES:]
        try:
            return AESGCM(kek).decrypt(nonce, sealed, context)
        except (InvalidTag, ValueError) as error:
            raise Tampered("a wrapped key") from error

    def rotate(self) -> KeyId:
        """Make a new current key; the older ones still unwrap. Durable when it returns."""
        keys = {**self._keys, _new_id(): secrets.token_bytes(KEY_BYTES)}
        _save(self._path, keys)
        self._keys = keys
        return self.current

    def destroy(self, key_id: KeyId) -> None:
        """Forget an older key for ever: what is still wrapped under it is lost, backups included.

        Raises:
            UnknownKey: no such key.
            VaultError: it is the current one.
        """
        if key_id not in self._keys:
            raise UnknownKey(actual=key_id)
        if key_id == self.current:
            raise VaultError("the current key cannot be destroyed: rotate first", actual=key_id)
        keys = {kept: key for kept, key in self._keys.items() if kept != key_id}
        _save(self._path, keys)
        self._keys = keys


def _new_id() -> KeyId:
    return KeyId(secrets.token_hex(8))


def _load(path: Path) -> dict[KeyId, bytes]:
    file = decode(path.read_bytes(), _KeyFile)
    keys = {KeyId(entry.id): entry.key for entry in file.keys}
    if len(keys) != len(file.keys):
        raise Malformed
    return keys


def _save(path: Path, keys: dict[KeyId, bytes]) -> None:
    """Replace the file as a whole: after a crash it is the old one or the new one."""
    entries = tuple(_FileKey(id=key_id, key=key) for key_id, key in keys.items())
    write_private(path, encode(_KeyFile(keys=entries)))


def is_open_to_others(path: Path) -> bool:
    """Whether group or others have any permission on the file; FileNotFoundError: there is none."""
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def write_private(path: Path, data: bytes) -> None:
    """Put `data` at `path`, whole or not at all, durably, readable by its owner only."""
    staged = path.with_name(path.name + ".new")
    staged.unlink(missing_ok=True)
    descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
