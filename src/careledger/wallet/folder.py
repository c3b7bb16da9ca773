"""A wallet's folder: the seed, under a passphrase or plain, and two files sealed under it.

Every file is replaced whole or not at all. One program at a time has the wallet open.
"""

import fcntl
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.ledger.errors import Malformed
from careledger.ledger.record import Hash, Record, decode_trusted, encode
from careledger.vault.errors import Tampered
from careledger.vault.keystore import write_private
from careledger.vault.objects import seal, unseal
from careledger.vault.sealing import open_with_passphrase, seal_with_passphrase
from careledger.wallet.errors import NoWallet, WalletExists, WalletInUse, WrongPassphrase
from careledger.wallet.keys import SEED_BYTES, file_key

SEALED_SEED, PLAIN_SEED = "seed.sealed", "seed.json"
CONTENTS, LEDGER_COPY = "wallet.sealed", "ledger.sealed"
_LOCK = "lock"

T = TypeVar("T", bound=Record)


class PlainSeed(Record):
    """A seed that whoever reads the file can use; for demonstrations."""

    format: Literal["careledger-seed/1"] = "careledger-seed/1"
    seed: Hash


class WalletFolder:
    """An open wallet folder: its seed, and its files. Owns a lock until `close`."""

    def __init__(self, path: Path, seed: bytes, lock: int) -> None:
        """See `create` and `open`."""
        self.path, self.seed, self._lock = path, seed, lock

    @classmethod
    def create(cls, path: Path, passphrase: str | None) -> "WalletFolder":
        """Make a wallet with a new seed; without a passphrase, whoever has the file has the keys.

        Raises:
            WalletExists: there is one already.
        """
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _take(path)
        if is_wallet(path):
            os.close(lock)
            raise WalletExists(f"there is a wallet in {path}: choose another folder")
        seed = secrets.token_bytes(SEED_BYTES)
        if passphrase is None:
            write_private(path / PLAIN_SEED, msgspec.json.encode(PlainSeed(seed=seed)) + b"\n")
        else:
            write_private(path / SEALED_SEED, seal_with_passphrase(passphrase, seed))
        return cls(path, seed, lock)

    @classmethod
    def open(cls, path: Path, passphrase: str | None) -> "WalletFolder":
        """Open the wallet in `path`.

        Raises:
            NoWallet: there is none.
            WalletInUse: another program has it open.
            WrongPassphrase: the seed does not open.
        """
        if not is_wallet(path):
            raise NoWallet(f"there is no wallet in {path}: `careledger wallet new` makes one")
        lock = _take(path)
        try:
            return cls(path, _read_seed(path, passphrase), lock)
        except BaseException:
            os.close(lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others open the wallet."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def save(self, name: str, record: Record) -> None:
        """Seal `record` into the file `name`; durable on return."""
        key = AESGCM(file_key(self.seed, name))
        write_private(self.path / name, seal(key, encode(record), name.encode()))

    def load(self, name: str, type_: type[T]) -> T | None:
        """The record in the file `name`, if there is one.

        Raises:
            Tampered: altered, or of another wallet.
        """
        try:
            sealed = (self.path / name).read_bytes()
        except FileNotFoundError:
            return None
        key = AESGCM(file_key(self.seed, name))
        plain = unseal(key, sealed, name.encode(), f"the wallet's file {name}")
        return decode_trusted(plain, type_)

    def forget(self, name: str) -> None:
        """Delete the file `name`; for what can be made again."""
        (self.path / name).unlink(missing_ok=True)


def is_wallet(path: Path) -> bool:
    """Whether there is a wallet in `path`."""
    return (path / SEALED_SEED).exists() or (path / PLAIN_SEED).exists()


def needs_passphrase(path: Path) -> bool:
    """Whether the seed in `path` is sealed under a passphrase."""
    return (path / SEALED_SEED).exists()


def _take(path: Path) -> int:
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise WalletInUse(f"another program has the wallet in {path} open") from error
    return lock


def _read_seed(path: Path, passphrase: str | None) -> bytes:
    if not needs_passphrase(path):
        try:
            return msgspec.json.decode((path / PLAIN_SEED).read_bytes(), type=PlainSeed).seed
        except msgspec.DecodeError as error:
            raise NoWallet(f"{path / PLAIN_SEED} is damaged") from error
    try:
        return open_with_passphrase(passphrase or "", (path / SEALED_SEED).read_bytes())
    except Tampered as error:
        raise WrongPassphrase("the wallet does not open under that passphrase") from error
    except Malformed as error:
        raise NoWallet(f"{path / SEALED_SEED} is damaged") from error
