"""Whoever can write to the vault's files can destroy, but cannot alter without being noticed."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from careledger.ledger.errors import CorruptStore
from careledger.vault.errors import NotRegistered, Tampered, VaultError
from careledger.vault.rows import Rows, Step, Value

from . import world
from .world import ANA, ANA_MRN, BEN, BEN_MRN, NOW, anything, arrival, observation, own

STORES = world.BOTH

CAUGHT = (Tampered, CorruptStore, NotRegistered)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    with world.vault(tmp_path) as vault:
        ana, ben = vault.register(ANA_MRN, ANA), vault.register(BEN_MRN, BEN)
        vault.put([arrival(ana, observation("a1c")), arrival(ben, observation("b1c"))], NOW)
        vault.put([arrival(ana, observation("a1c", value="6.9"))], NOW)
    return tmp_path


def flips(value: bytes, chance: random.Random, count: int = 0) -> Iterator[bytes]:
    """`value` with one bit flipped: in every byte, or in `count` of them."""
    places = range(len(value)) if not count else chance.sample(range(len(value)), count)
    for place in places:
        altered = bytearray(value)
        altered[place] ^= 1 << chance.randrange(8)
        yield bytes(altered)


def change(rows: Rows, statement: str, *values: Value) -> None:
    rows.write([Step(statement, [values])])


def read_all(directory: Path) -> list[bytes]:
    with world.vault(directory) as vault:
        found = [
            vault.open(own(ANA), "Observation", "a1c", version, at=NOW) for version in (1, 2, None)
        ]
        assert vault.search(own(ANA), anything, NOW)
        return [opened.data for opened in found if opened is not None]


def test_any_flipped_bit_of_a_sealed_object_is_noticed(
    directory: Path, chance: random.Random
) -> None:
    with world.rows(directory) as (data, _):
        ((seq, sealed),) = data.read("SELECT seq, sealed FROM objects ORDER BY seq LIMIT 1")
    with world.vault(directory) as vault:
        for altered in flips(sealed, chance):
            change(vault._data, "UPDATE objects SET sealed = ? WHERE seq = ?", altered, seq)
            with pytest.raises(Tampered):
                vault.open(own(ANA), "Observation", "a1c", 1, at=NOW)
        change(vault._data, "UPDATE objects SET sealed = ? WHERE seq = ?", sealed, seq)
        assert vault.open(own(ANA), "Observation", "a1c", 1, at=NOW) is not None


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("objects", "name"),
        ("objects", "patient"),
        ("objects", "sealed"),
        ("segments", "sealed"),
        ("segments", "patient"),
    ],
)
def test_any_altered_column_of_the_data_is_noticed(
    directory: Path, chance: random.Random, table: str, column: str
) -> None:
    key = "seq" if table == "objects" else "sealed"
    update = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"
    with world.vault(directory) as vault:
        ana = vault.patient(ANA_MRN)
    with world.rows(directory) as (data, _):
        ((row, value),) = data.read(
            f"SELECT {key}, {column} FROM {table} WHERE patient = ? ORDER BY seq DESC LIMIT 1",
            [ana],
        )
    for altered in flips(value, chance, count=8):
        with world.rows(directory) as (data, _):
            change(data, update, altered, row)
        row = altered if column == key else row
        with pytest.raises(CAUGHT):
            read_all(directory)
        with world.vault(directory) as vault:
            assert vault.check()
    with world.rows(directory) as (data, _):
        change(data, update, value, row)
    assert len(read_all(directory)) == 3


@pytest.mark.parametrize(
    ("table", "column"),
    [("keys", "wrapped"), ("keys", "key_id"), ("patients", "card"), ("patients", "merged_into")],
)
def test_any_altered_column_of_the_keys_is_noticed(
    directory: Path, chance: random.Random, table: str, column: str
) -> None:
    with world.vault(directory) as vault:
        ana = vault.patient(ANA_MRN)
        ben = vault.patient(BEN_MRN)
    assert ana is not None
    owner = "owner" if table == "keys" else "patient"
    select = f"SELECT {column} FROM {table} WHERE {owner} = ?"
    with world.rows(directory) as (_, keys):
        ((value,),) = keys.read(select, [ana])
    if column == "merged_into":
        wrong: list[Value] = [ben]
    elif column == "key_id":
        wrong = ["0" * 16]
    else:
        wrong = list(flips(value, chance, count=8))
    for altered in wrong:
        with world.rows(directory) as (_, keys):
            change(keys, f"UPDATE {table} SET {column} = ? WHERE {owner} = ?", altered, ana)
        with world.vault(directory) as vault:
            assert vault.check()
        with pytest.raises(VaultError):
            read_all(directory)


def test_a_patient_cannot_be_put_in_anothers_place(directory: Path) -> None:
    """Swapping the accounts of two rows would let Ben's permit open Ana's records."""
    with world.vault(directory) as vault:
        ana, ben = vault.patient(ANA_MRN), vault.patient(BEN_MRN)
        rows: dict[bytes, bytes] = dict(vault._keys.read("SELECT patient, account FROM patients"))
        assert ana is not None
        assert ben is not None
        update = "UPDATE patients SET account = ? WHERE patient = ?"
        vault._keys.write(
            [
                Step(update, [(b"nobody", ana), (rows[ana], ben), (rows[ben], ana)]),
            ]
        )
    with world.vault(directory) as vault, pytest.raises(Tampered):
        vault.open(own(BEN), "Observation", "a1c", at=NOW)


def test_a_merge_cannot_be_forged(directory: Path) -> None:
    with world.vault(directory) as vault:
        ana, ben = vault.patient(ANA_MRN), vault.patient(BEN_MRN)
        change(vault._keys, "UPDATE patients SET merged_into = ? WHERE patient = ?", ana, ben)
    with world.vault(directory) as vault, pytest.raises(Tampered):
        vault.search(own(ANA), anything, NOW)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM objects WHERE version = 2",
        "DELETE FROM objects WHERE seq = 0",
        "DELETE FROM segments WHERE seq = 1",
        "UPDATE objects SET version = 3 WHERE version = 2",
        "DELETE FROM segments",
    ],
)
def test_a_version_taken_away_is_noticed(directory: Path, statement: str) -> None:
    with world.rows(directory) as (data, _):
        data.write([Step(statement, [()])])
    with pytest.raises(Tampered):
        read_all(directory)
    with world.vault(directory) as vault:
        assert vault.check()


def test_a_moved_version_is_noticed(directory: Path) -> None:
    with world.vault(directory) as vault:
        (one, two) = vault._data.read("SELECT seq, sealed FROM objects WHERE seq IN (0, 2)")
        update = "UPDATE objects SET sealed = ? WHERE seq = ?"
        vault._data.write([Step(update, [(one[1], two[0]), (two[1], one[0])])])
        with pytest.raises(Tampered):
            vault.open(own(ANA), "Observation", "a1c", at=NOW)


def test_a_lost_index_is_rebuilt_from_the_objects(directory: Path) -> None:
    with world.vault(directory) as vault:
        before = vault.search(own(ANA), anything, NOW)
        change(vault._data, "DELETE FROM segments WHERE seq >= ?", 0)
    with world.vault(directory) as vault:
        ana, ben = vault.patient(ANA_MRN), vault.patient(BEN_MRN)
        assert (vault.reindex(ana), vault.reindex(ben), vault.reindex(None)) == (2, 1, 0)
        assert vault.search(own(ANA), anything, NOW) == before
        assert vault.check() == []


def test_an_altered_commitment_is_noticed(directory: Path) -> None:
    with world.vault(directory) as vault:
        change(vault._data, "UPDATE commitments SET value = ? WHERE seq = 1", b"?" * 32)
        assert [(one.what, one.seq) for one in vault.check()] == [("a commitment", 1)]
        change(vault._data, "DELETE FROM commitments WHERE seq = ?", 0)
        assert {one.seq for one in vault.check()} == {0, 1}
