"""A practitioner's credential: one file with who they are, where they work, and their two keys."""

from pathlib import Path
from typing import Literal

import msgspec

from careledger.ledger.errors import LedgerError
from careledger.ledger.record import AccountName, Hash, MemberName, PublicName, Record
from careledger.vault.keystore import is_open_to_others, write_private


class BadCredential(LedgerError):
    """The credential file is missing, is not one, or others may read it."""


class Credential(Record):
    """What the file says; secrets in base64."""

    format: Literal["careledger-credential/1"] = "careledger-credential/1"
    name: PublicName
    member: MemberName
    account: AccountName
    gateway: str
    node: str
    transaction: Hash
    """Seed of the Ed25519 key that signs statements and transactions."""
    client: Hash
    """Seed of the ES256 key that signs in at the gateway."""


def save_credential(path: Path, credential: Credential) -> None:
    """Write a new file; an existing one is never replaced.

    Raises:
        FileExistsError: there is one.
    """
    if path.exists():
        raise FileExistsError(17, "there is a file of that name already", str(path))
    write_private(path, msgspec.json.format(msgspec.json.encode(credential), indent=2) + b"\n")


def load_credential(path: Path) -> Credential:
    """Read one.

    Raises:
        BadCredential: no such file, not one, or others may read it.
    """
    try:
        if is_open_to_others(path):
            raise BadCredential(f"others may read {path}: chmod 600 {path}")
        return msgspec.json.decode(path.read_bytes(), type=Credential)
    except FileNotFoundError as error:
        raise BadCredential(f"no credential {path}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadCredential(f"{path} is not a practitioner's credential") from error
