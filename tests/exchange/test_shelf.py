"""What one run leaves for the next: by kind, once, sealed, and gone when it is dropped."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from careledger.exchange.cabinet import SCHEMA, Cabinet
from careledger.exchange.shelf import Shelf
from careledger.ledger.record import MemberId
from careledger.vault.keystore import FileKeyStore
from careledger.vault.rows import SqliteRows


class Thing(msgspec.Struct, frozen=True):
    word: str


Open = Callable[[], Shelf]


@pytest.fixture
def again(tmp_path: Path) -> Open:
    """The shelf of the same file, as the next run has it."""
    store = FileKeyStore.create(tmp_path / "keys")
    opened = list[Cabinet]()

    def open_it() -> Shelf:
        for one in opened:
            one.close()
        opened[:] = [Cabinet(SqliteRows(tmp_path / "file", SCHEMA), store, MemberId("riverside"))]
        return Shelf(opened[0])

    return open_it


def words(shelf: Shelf, kind: str) -> list[Thing | None]:
    return [note.understood(Thing) for note in shelf.left(kind)]


def test_what_was_kept_is_there_for_the_next_run_by_its_kind_and_once(again: Open) -> None:
    shelf = again()
    shelf.keep("a", "1", "ana", 9, Thing("one"))
    shelf.keep("b", "1", "ana", 9, Thing("other"))
    shelf.keep("a", "2", "ben", 9, Thing("two"))
    shelf.keep("a", "1", "ana", 9, Thing("again"))
    assert shelf.left("a") == []  # it is of an earlier run alone
    after = again()
    assert words(after, "a") == [Thing("two"), Thing("again")]
    assert words(after, "a") == []
    (note,) = after.left("b")
    assert (note.key, note.owner, note.expires) == ("1", "ana", 9)


def test_what_is_dropped_or_erased_is_gone(again: Open) -> None:
    shelf = again()
    for number in range(4):
        shelf.keep("a", str(number), f"owner {number % 2}", 9, Thing(str(number)))
    shelf.drop("a", ["0"])
    shelf.erase("owner 1")
    assert words(again(), "a") == [Thing("2")]


def test_another_release_s_value_is_told(again: Open) -> None:
    again().keep("a", "1", "ana", 9, {"number": 7})
    assert words(again(), "a") == [None]


def test_without_a_cabinet_nothing_is_kept() -> None:
    shelf = Shelf()
    shelf.keep("a", "1", "ana", 9, Thing("one"))
    shelf.drop("a", ["1"])
    shelf.erase("ana")
    assert shelf.left("a") == []
