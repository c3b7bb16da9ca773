"""The provider's folder: `idp.toml`, a signing key, a client secret, and people with passwords.

Passwords are kept as Argon2id hashes (RFC 9106).
"""

import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from nacl import pwhash

from careledger.gateway.auth_files import BadRegistry, read_secret

SETTINGS: Final = "idp.toml"
USERS: Final = "users.toml"
KEY: Final = "signing-key.json"
SECRET: Final = "client.secret"  # noqa: S105 - a file's name

CLIENT: Final = "careledger"

Subject = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._@-]{1,64}\Z")]

T = TypeVar("T")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`idp.toml`."""

    issuer: str
    host: str
    port: int
    redirect_uris: tuple[str, ...]
    client: str = CLIENT


class _User(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    subject: Subject
    password: str


class _Users(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    user: tuple[_User, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Provider:
    """What an open folder says."""

    folder: Path
    settings: Settings
    key: ECKey
    secret: bytes

    def password_of(self, subject: str) -> bytes | None:
        """The hash of somebody's password, as the file has it now."""
        users = _load(self.folder / USERS, _Users).user
        return next((one.password.encode() for one in users if one.subject == subject), None)


def create(folder: Path, gateway: str, host: str, port: int) -> Settings:
    """Make a provider for the gateway at the URL `gateway`.

    Raises:
        FileExistsError: there is one.
    """
    folder.mkdir(mode=0o700, parents=True)
    settings = Settings(
        issuer=f"http://{host}:{port}",
        host=host,
        port=port,
        redirect_uris=(gateway.rstrip("/") + "/auth/callback",),
    )
    key = ECKey.generate_key("P-256", private=True)
    _write(folder / KEY, msgspec.json.encode(key.as_dict(private=True)))
    _write(folder / SECRET, secrets.token_urlsafe(32).encode() + b"\n")
    _write(folder / USERS, b"")
    said = msgspec.to_builtins(settings)
    lines = [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in said.items()]
    _write(folder / SETTINGS, "\n".join([*lines, ""]).encode())
    return settings


def add_user(folder: Path, subject: str, password: str) -> None:
    """Let somebody sign in with a password; who was there before gets this one."""
    users = {one.subject: one.password for one in _load(folder / USERS, _Users).user}
    users[msgspec.convert(subject, Subject)] = hash_password(password)
    rows = (
        f"[[user]]\nsubject = {msgspec.json.encode(name).decode()}\n"
        f"password = {msgspec.json.encode(hashed).decode()}\n"
        for name, hashed in users.items()
    )
    part = folder / (USERS + ".part")
    part.unlink(missing_ok=True)
    _write(part, "\n".join(rows).encode())
    part.replace(folder / USERS)


def hash_password(password: str) -> str:
    """Its Argon2id hash, with parameters and salt in it."""
    return pwhash.argon2id.str(
        password.encode(),
        opslimit=pwhash.argon2id.OPSLIMIT_INTERACTIVE,
        memlimit=pwhash.argon2id.MEMLIMIT_INTERACTIVE,
    ).decode()


def open_folder(folder: Path) -> Provider:
    """Read a folder.

    Raises:
        BadRegistry: something is missing or wrong.
    """
    try:
        key = ECKey.import_key(msgspec.json.decode((folder / KEY).read_bytes()))
    except (OSError, JoseError, ValueError) as error:
        raise BadRegistry(f"{folder / KEY} is no key: `careledger idp new` makes one") from error
    return Provider(
        folder=folder,
        settings=_load(folder / SETTINGS, Settings),
        key=key,
        secret=read_secret(folder / SECRET),
    )


def _load(path: Path, type_: type[T]) -> T:
    try:
        with path.open("rb") as file:
            return msgspec.convert(tomllib.load(file), type_)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise BadRegistry(f"{path}: {error}") from error


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
