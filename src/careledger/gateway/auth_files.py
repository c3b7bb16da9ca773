"""The files in which an organisation vouches: which applications it knows, and who its staff is.

Both are TOML, read again when they or the keys and secrets that they name change, so that whoever
is struck out is out.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Generic, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from careledger.ledger.errors import LedgerError
from careledger.ledger.record import ACCOUNT_ID, AccountName, Instant, MemberId
from careledger.mechanisms.policy import Role
from careledger.mechanisms.purpose import Purpose
from careledger.vault.keystore import is_open_to_others

_RSA_BITS: Final = 2_048
LOOPBACK: Final = frozenset(("127.0.0.1", "localhost", "::1"))

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
ClientId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._~:/-]{1,128}\Z")]

T = TypeVar("T")


class BadRegistry(LedgerError):
    """A file of clients or staff is missing or wrong; the message says where."""


class _ClientRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One application, as the file has it."""

    id: ClientId
    name: Name
    kind: Literal["public", "confidential", "backend"]
    scopes: str
    redirect_uris: tuple[str, ...] = ()
    launch_uri: str | None = None
    people: tuple[Literal["staff", "patients"], ...] = ("staff", "patients")
    jwks: str | None = None
    secret: str | None = None
    purpose: Purpose | None = None
    role: Role | None = None
    keeps_records: bool = False


class _StaffRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person, as the file has them."""

    subject: Name
    name: Name
    role: Role
    practitioner: AccountName | None = None
    resource: (
        Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}\Z")] | None
    ) = None


class _ClientFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    client: tuple[_ClientRow, ...] = ()


class _StaffFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    staff: tuple[_StaffRow, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Client:
    """An application that the organisation registered."""

    id: str
    name: str
    kind: Literal["public", "confidential", "backend"]
    scopes: str
    """The most it may ever be granted."""
    redirect_uris: tuple[str, ...]
    people: tuple[Literal["staff", "patients"], ...]
    """Who may sign in to it."""
    keys: KeySet | None
    """Its public keys, if it signs assertions."""
    secret: bytes | None
    purpose: Purpose | None
    """Of a program: what the organisation registered it for."""
    role: Role | None
    keeps_records: bool
    files: tuple[Path, ...] = ()
    """Where its keys or its secret are."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody of the staff, as the member vouches for them."""

    subject: str
    """Who they are at the identity provider."""
    name: str
    role: Role
    practitioner: str | None
    resource: str | None
    """Who they are in the directory: `Practitioner/7`."""


class Register(Generic[T]):
    """What one file says by name; it and the files that it names are looked at once a second."""

    def __init__(
        self,
        path: Path | None,
        load: Callable[[Path], dict[str, T]],
        files: Callable[[T], tuple[Path, ...]] = lambda _: (),
    ) -> None:
        """Read `path`; without one nobody is in it. `files` are those that an entry names.

        Raises:
            BadRegistry: missing or wrong.
        """
        self._path, self._load, self._files = path, load, files
        self._rows: dict[str, T] = {} if path is None else load(path)
        self._seen: list[_Stamp] | None = self._stamps()
        self._looked = 0

    def get(self, name: str, now: Instant) -> T | None:
        """Who is registered under `name`; nobody while a file that was changed cannot be read."""
        if self._path is not None and now != self._looked:
            self._looked = now
            if self._stamps() != self._seen:
                self._rows, self._seen = self._again(self._path)
        return self._rows.get(name)

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in it."""
        return not self._rows

    def _again(self, path: Path) -> tuple[dict[str, T], list["_Stamp"] | None]:
        """What it says now; what could not be read is read again the next time."""
        try:
            self._rows = self._load(path)
        except BadRegistry:
            return {}, None
        return self._rows, self._stamps()

    def _stamps(self) -> list["_Stamp"]:
        named = [file for row in self._rows.values() for file in self._files(row)]
        return [_stamp(file) for file in ([self._path, *named] if self._path is not None else ())]


_Stamp = tuple[int, int, int]


def _stamp(path: Path) -> _Stamp:
    """By which a file is known to be as it was; a change of mode is one, too."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size


def load_clients(path: Path, mine: MemberId) -> dict[str, Client]:
    """The applications in the file.

    Raises:
        BadRegistry: missing or wrong.
    """
    rows = _read(path, _ClientFile).client
    found = {row.id: _client(path, row) for row in rows}
    if len(found) != len(rows):
        raise BadRegistry(f"{path}: each client id at most once")
    if mine in found or any(ACCOUNT_ID.fullmatch(id_) for id_ in found):
        raise BadRegistry(f"{path}: a client id that is this member's or an account's")
    return found


def load_staff(path: Path) -> dict[str, Person]:
    """The people in the file, by subject.

    Raises:
        BadRegistry: missing or wrong.
    """
    rows = _read(path, _StaffFile).staff
    found = {
        row.subject: Person(
            subject=row.subject,
            name=row.name,
            role=row.role,
            practitioner=row.practitioner,
            resource=row.resource,
        )
        for row in rows
    }
    if len(found) != len(rows):
        raise BadRegistry(f"{path}: each subject at most once")
    return found


def _read(path: Path, type_: type[T]) -> T:
    try:
        with path.open("rb") as file:
            return msgspec.convert(tomllib.load(file), type_)
    except OSError as error:
        raise BadRegistry(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise BadRegistry(f"{path}: {error}") from error


def _client(path: Path, row: _ClientRow) -> Client:
    def wrong(what: str) -> BadRegistry:
        return BadRegistry(f"{path}: client {row.id}: {what}")

    if (row.kind == "public") != (row.jwks is None and row.secret is None):
        raise wrong("public clients have neither jwks nor secret, all others one of them")
    if row.jwks is not None and row.secret is not None:
        raise wrong("jwks or secret, not both")
    if (row.kind == "backend") != (not row.redirect_uris):
        raise wrong("applications that people sign in to have redirect_uris, backends none")
    if row.kind == "backend" and row.purpose == "PATRQT":
        raise wrong("PATRQT is for patients, and theirs alone")
    for uri in row.redirect_uris:
        if not _is_redirect(uri):
            raise wrong("a redirect_uri is absolute, without fragment; http only on this machine")
    return Client(
        id=row.id,
        name=row.name,
        kind=row.kind,
        scopes=row.scopes,
        redirect_uris=row.redirect_uris,
        people=row.people,
        keys=None if row.jwks is None else _keys(path.parent / row.jwks),
        secret=None if row.secret is None else read_secret(path.parent / row.secret),
        purpose=row.purpose,
        role=row.role,
        keeps_records=row.keeps_records,
        files=tuple(path.parent / name for name in (row.jwks, row.secret) if name is not None),
    )


def _is_redirect(uri: str) -> bool:
    """RFC 6749 3.1.2, RFC 8252 7: https, http to the loopback, or a scheme of an app's own."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    if not uri.isascii() or not uri.isprintable() or " " in uri or "#" in uri:
        return False
    if parts.scheme == "http":
        return parts.hostname in LOOPBACK
    if parts.scheme == "https":
        return bool(parts.hostname)
    return "." in parts.scheme


def _keys(path: Path) -> KeySet:
    """Public keys in a JWK Set (RFC 7517 5)."""
    try:
        found = KeySet.import_key_set(msgspec.json.decode(path.read_bytes()))
        for key in found.keys:
            if key.key_type == "oct" or key.is_private:
                raise BadRegistry(f"{path}: only public keys")
            if isinstance(key, RSAKey) and key.raw_value.key_size < _RSA_BITS:
                raise BadRegistry(f"{path}: RSA keys have {_RSA_BITS} bits or more")
    except OSError as error:
        raise BadRegistry(f"{path}: {error.strerror}") from error
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadRegistry(f"{path}: not a JWK Set") from error
    return found


def read_secret(path: Path) -> bytes:
    """The first line of a file that only its owner may read.

    Raises:
        BadRegistry: missing, empty, or others may read it.
    """
    try:
        if is_open_to_others(path):
            raise BadRegistry(f"others may read {path}: chmod 600 {path}")
        secret = path.read_bytes().split(b"\n")[0].strip()
    except OSError as error:
        raise BadRegistry(f"{path}: {error.strerror}") from error
    if not secret:
        raise BadRegistry(f"{path} is empty")
    return secret


def clients_in(path: Path | None, mine: MemberId) -> Register[Client]:
    """The register of applications."""
    return Register(path, lambda path: load_clients(path, mine), lambda client: client.files)


def staff_in(path: Path | None) -> Register[Person]:
    """The register of the staff."""
    return Register(path, load_staff)
