"""A vault on disk: where its files are, opening them, and restoring them from backups."""

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
from careledger.vault.rows import SqliteRows, sync_file
from careledger.vault.shredding import Shredded
from careledger.vault.vault import INDEX_BYTES, Vault


@dataclass(frozen=True, slots=True)
class VaultFiles:
    """Sealed data and wrapped keys; on different disks, if need be."""

    data: Path
    keys: Path

    @classmethod
    def under(cls, directory: Path) -> "VaultFiles":
        """Both in one directory: vault.sqlite and keys.sqlite."""
        return cls(directory / "vault.sqlite", directory / "keys.sqlite")


@contextmanager
def open_vault(
    files: VaultFiles,
    store: KeyStore,
    custodian: MemberId,
    *,
    index_bytes: int = INDEX_BYTES,
) -> Iterator[Vault]:
    """The vault in `files`, made if there is none; for this process alone.

    Raises:
        VaultInUse: another process has it open.
        WrongVault: the files do not belong together, or to this member.
        NeedsReplay: one of them is a backup.
    """
    with (
        _locked(files),
        closing(SqliteRows(files.data, schema.DATA)) as data,
        closing(SqliteRows(files.keys, schema.KEYS)) as keys,
    ):
        yield Vault(data, keys, store, custodian, index_bytes=index_bytes)


def restore(
    files: VaultFiles,
    backup: VaultFiles,
    store: KeyStore,
    custodian: MemberId,
    shredded: Sequence[Shredded],
) -> None:
    """Bring a vault back from backups, without what was shredded since they were taken.

    `shredded` is every `ShredRecords` of this custodian on the ledger. The files open only once all
    of it is done; interrupted, `restore` is called again and begins anew.

    Raises:
        FileExistsError: there is a vault in `files`; nothing is overwritten.
        WrongVault: the backups do not belong together, or to this member.
    """
    with _locked(files):
        _check_free(files)
        for copy, path in ((backup.data, files.data), (backup.keys, files.keys)):
            _place(copy, path)
        with (
            closing(SqliteRows(files.data, schema.DATA)) as data,
            closing(SqliteRows(files.keys, schema.KEYS)) as keys,
        ):
            Vault(data, keys, store, custodian, replay=shredded)
            for rows in (data, keys):
                rows.write([schema.CLEAR_MARKS])


def _check_free(files: VaultFiles) -> None:
    """Nothing is in the way but what an interrupted restore left."""
    existing = [path for path in (files.data, files.keys) if path.exists()]
    unfinished = False
    for path in existing:
        with closing(SqliteRows(path, (schema.META,))) as rows:
            unfinished |= schema.is_restoring(rows)
    if existing and not unfinished:
        raise FileExistsError(existing[0].name)


def _place(copy: Path, path: Path) -> None:
    """Put a copy of `copy` at `path`, marked so that it does not open yet."""
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
def _locked(files: VaultFiles) -> Iterator[None]:
    """Hold the vault for this process; the kernel lets go however the process ends."""
    descriptor = os.open(
        files.data.with_name(files.data.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600
    )
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise VaultInUse("another process has it open") from error
        yield
    finally:
        os.close(descriptor)
