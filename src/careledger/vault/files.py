"""Where a vault is: files or databases, opening them, and restoring them from backups."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from careledger.ledger.record import MemberId
from careledger.vault import schema
from careledger.vault.errors import VaultInUse
from careledger.vault.keystore import KeyStore, sync_directory
from careledger.vault.postgres import PostgresPlace, PostgresRows
from careledger.vault.rows import Rows, SqliteRows, sync_file
from careledger.vault.shredding import Shredded
from careledger.vault.vault import INDEX_BYTES, Vault

Place = Path | PostgresPlace
"""A SQLite file, or a schema in PostgreSQL."""

DATA_SCHEMA, KEYS_SCHEMA = "careledger_vault", "careledger_keys"


@dataclass(frozen=True, slots=True)
class VaultFiles:
    """Sealed data and wrapped keys as files: a backup, or a vault on different disks."""

    data: Path
    keys: Path

    @classmethod
    def under(cls, directory: Path) -> "VaultFiles":
        """Both in one directory: vault.sqlite and keys.sqlite."""
        return cls(directory / "vault.sqlite", directory / "keys.sqlite")


@dataclass(frozen=True, slots=True)
class VaultPlaces:
    """Sealed data and wrapped keys, each in a file or in a database."""

    data: Place
    keys: Place

    @classmethod
    def under(
        cls, directory: Path, *, data: str | None = None, keys: str | None = None
    ) -> "VaultPlaces":
        """Files in one directory, except what a connection string puts into PostgreSQL.

        Raises:
            ValueError: not a connection string that says everything.
        """
        files = VaultFiles.under(directory)
        return cls(
            files.data if data is None else PostgresPlace(data, DATA_SCHEMA),
            files.keys if keys is None else PostgresPlace(keys, KEYS_SCHEMA),
        )


@contextmanager
def open_vault(
    places: VaultFiles | VaultPlaces,
    store: KeyStore,
    custodian: MemberId,
    *,
    index_bytes: int = INDEX_BYTES,
) -> Iterator[Vault]:
    """The vault in `places`, made if there is none; for this process alone.

    Raises:
        VaultInUse: another process has it open.
        WrongVault: the files do not belong together, or to this member.
        NeedsReplay: one of them is a backup.
    """
    with (
        _locked(places),
        closing(_open(places.data, schema.DATA)) as data,
        closing(_open(places.keys, schema.KEYS)) as keys,
    ):
        yield Vault(data, keys, store, custodian, index_bytes=index_bytes)


def restore(
    places: VaultFiles | VaultPlaces,
    backup: VaultFiles,
    store: KeyStore,
    custodian: MemberId,
    shredded: Sequence[Shredded],
) -> None:
    """Bring a vault back from backups, without what was shredded since they were taken.

    `shredded` is every `ShredRecords` of this custodian on the ledger. The vault opens only once
    all of it is done; interrupted, `restore` is called again and begins anew. A backup is a file
    wherever the vault was, so this is also how a vault moves between files and PostgreSQL.

    Raises:
        FileExistsError: there is a vault in `places`; nothing is overwritten.
        WrongVault: the backups do not belong together, or to this member.
    """
    with _locked(places):
        _check_free(places)
        _put(backup.data, places.data, schema.DATA)
        _put(backup.keys, places.keys, schema.KEYS)
        with (
            closing(_open(places.data, schema.DATA)) as data,
            closing(_open(places.keys, schema.KEYS)) as keys,
        ):
            Vault(data, keys, store, custodian, replay=shredded)
            for rows in (data, keys):
                rows.write([schema.CLEAR_MARKS])


def _open(place: Place, tables: Sequence[str]) -> Rows:
    return (
        PostgresRows(place, tables)
        if isinstance(place, PostgresPlace)
        else SqliteRows(place, tables)
    )


def _check_free(places: VaultFiles | VaultPlaces) -> None:
    """Nothing is in the way but what an interrupted restore left."""
    existing, unfinished = list[str](), False
    for place in (places.data, places.keys):
        if isinstance(place, Path) and not place.exists():
            continue
        with closing(_open(place, (schema.META,))) as rows:
            if isinstance(place, Path) or schema.vault_id(rows) is not None:
                existing.append(place.name if isinstance(place, Path) else place.schema)
                unfinished |= schema.is_restoring(rows)
    if existing and not unfinished:
        raise FileExistsError(existing[0])


def _put(copy: Path, place: Place, tables: Sequence[str]) -> None:
    """Put what is in `copy` at `place`, marked so that it does not open yet."""
    if isinstance(place, PostgresPlace):
        with closing(PostgresRows(place, tables)) as rows:
            rows.load(copy, [schema.MARK_RESTORING])
    else:
        _put_file(copy, place)


def _put_file(copy: Path, path: Path) -> None:
    staged = path.with_name(path.name + ".restoring")
    for old in (*path.parent.glob(staged.name + "*"), *path.parent.glob(path.name + "-*")):
        old.unlink()
    os.close(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    shutil.copyfile(copy, staged)
    sync_file(staged)
    with closing(SqliteRows(staged, (schema.META,))) as rows:
        rows.write([schema.MARK_RESTORING])
    staged.replace(path)
    sync_directory(path.parent)


@contextmanager
def _locked(places: VaultFiles | VaultPlaces) -> Iterator[None]:
    """Hold the vault for this process; the kernel lets go however the process ends.

    A database is held by a lock of its own, for as long as it is open.
    """
    if isinstance(places.data, PostgresPlace):
        yield
        return
    path = places.data.with_name(places.data.name + ".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise VaultInUse("another process has it open") from error
        yield
    finally:
        os.close(descriptor)
