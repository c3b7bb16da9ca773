"""The hold on a ledger's folder: one writer at a time, and a step that leaves all or nothing."""

from pathlib import Path

import lmdb
import pytest

from careledger.ledger.errors import CorruptStore, Unavailable
from careledger.store.disk import Disk
from careledger.store.environment import lock_folder, open_for_writing
from careledger.store.layout import MAP_BYTES, create_databases

KEY = b"of a test"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_for_writing(tmp_path, MAP_BYTES) as environment:
        create_databases(environment, lmdb.Transaction.commit)
    return tmp_path


def held(folder: Path) -> Disk:
    return Disk(folder, MAP_BYTES, lmdb.Transaction.commit)


def value(disk: Disk) -> bytes | None:
    found: list[bytes | None] = []
    disk.durably(lambda step: found.append(step.get(KEY, db=disk.databases["meta"])))
    return found[0]


def put(disk: Disk, step: "lmdb.Transaction[bytes]") -> None:
    step.put(KEY, b"there", db=disk.databases["meta"])


def test_a_folder_has_one_writer_until_it_closes(folder: Path) -> None:
    first = held(folder)
    with pytest.raises(Unavailable, match="another process writes"):
        held(folder)
    first.close()
    held(folder).close()


def test_a_folder_without_a_ledger_is_told_and_stays_free(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no ledger in"):
        held(tmp_path)
    lock_folder(tmp_path).close()


def test_a_folder_of_another_kind_is_let_go(tmp_path: Path) -> None:
    with open_for_writing(tmp_path, MAP_BYTES) as environment:
        environment.open_db(b"somebody else's")
    with pytest.raises(CorruptStore):
        held(tmp_path)
    lock_folder(tmp_path).close()


def test_a_step_that_fails_leaves_nothing(folder: Path) -> None:
    def fail(step: "lmdb.Transaction[bytes]") -> None:
        put(disk, step)
        raise OSError("of the test")

    disk = held(folder)
    with pytest.raises(OSError, match="of the test"):
        disk.durably(fail)
    disk.settle()
    assert value(disk) is None
    disk.durably(lambda step: put(disk, step))
    assert value(disk) == b"there"
    disk.close()


def test_a_step_is_there_after_another_opening(folder: Path) -> None:
    disk = held(folder)
    disk.durably(lambda step: put(disk, step))
    disk.close()
    again = held(folder)
    assert value(again) == b"there"
    again.close()


def test_after_another_folder_took_its_place_it_reads_there(folder: Path, tmp_path: Path) -> None:
    disk = held(folder)
    old = folder.rename(tmp_path.parent / f"{tmp_path.name} before")
    folder.mkdir()
    with open_for_writing(folder, MAP_BYTES) as environment:
        create_databases(environment, lmdb.Transaction.commit)
    disk.change(lock_folder(folder))
    disk.durably(lambda step: put(disk, step))
    disk.close()
    was, now = held(old), held(folder)
    assert (value(was), value(now)) == (None, b"there")
    was.close()
    now.close()
