"""Key files: one private key in one file that only its owner may read."""

from pathlib import Path
from typing import Literal

import msgspec

from careledger.ledger.errors import LedgerError
from careledger.ledger.record import Hash, Record
from careledger.ledger.signature import Algorithm, SigningKey
from careledger.vault.keystore import is_open_to_others, write_private


class BadKeyFile(LedgerError):
    """The key file is missing, is not one, or others may read it."""


class KeyFile(Record):
    """What the file says: 32 secret bytes and what they are for."""

    format: Literal["careledger-key/1"] = "careledger-key/1"
    algorithm: Algorithm | Literal["X25519"]
    secret: Hash


def save_key(path: Path, algorithm: Algorithm | Literal["X25519"], secret: bytes) -> None:
    """Write a new key file; an existing one is never replaced.

    Raises:
        FileExistsError: there is one.
    """
    if path.exists():
        raise FileExistsError(path)
    write_private(path, msgspec.json.encode(KeyFile(algorithm=algorithm, secret=secret)) + b"\n")


def load_signing_key(path: Path) -> SigningKey:
    """The signing key in `path`.

    Raises:
        BadKeyFile: no such file, not a signing key, or others may read it.
    """
    found = _load(path)
    if found.algorithm == "X25519":
        raise BadKeyFile(f"{path} seals, it does not sign")
    return SigningKey(found.algorithm, found.secret)


def load_sealing_key(path: Path) -> bytes:
    """The X25519 private key in `path`; 32 bytes.

    Raises:
        BadKeyFile: no such file, not a sealing key, or others may read it.
    """
    found = _load(path)
    if found.algorithm != "X25519":
        raise BadKeyFile(f"{path} signs, it does not seal")
    return found.secret


def _load(path: Path) -> KeyFile:
    try:
        if is_open_to_others(path):
            raise BadKeyFile(f"others may read {path}: chmod 600 {path}")
        return msgspec.json.decode(path.read_bytes(), type=KeyFile)
    except FileNotFoundError as error:
        raise BadKeyFile(f"no key file {path}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadKeyFile(f"{path} is not a key file") from error
