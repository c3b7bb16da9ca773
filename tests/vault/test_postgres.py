"""What only a database can do to a vault: go away, be taken by another, be full, or look away."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest

from careledger.ledger.errors import CorruptStore, Unavailable
from careledger.vault import schema
from careledger.vault.errors import VaultInUse
from careledger.vault.postgres import PostgresPlace, PostgresRows, translate
from careledger.vault.rows import SqliteRows, Step
from careledger.vault.vault import Vault

from . import world
from .world import ANA, ANA_MRN, NOW, arrival, observation, own

STORES = ("postgres",)
INSERT = "INSERT INTO commitments VALUES (?, ?)"


@pytest.fixture
def place(postgres_server: str, tmp_path: Path) -> PostgresPlace:
    return PostgresPlace(postgres_server, f"one_{tmp_path.name}")


@pytest.fixture
def rows(place: PostgresPlace) -> Iterator[PostgresRows]:
    rows = PostgresRows(place, schema.DATA)
    yield rows
    rows.close()


@pytest.fixture
def boss(postgres_server: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The database's administrator."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        yield connection


def cut(boss: psycopg.Connection[tuple[object, ...]]) -> None:
    """Every connection of a vault is lost."""
    boss.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name = 'careledger'"
    )


def test_a_schema_has_one_writer(rows: PostgresRows, place: PostgresPlace) -> None:
    with pytest.raises(VaultInUse):
        PostgresRows(place, schema.DATA)
    rows.close()
    PostgresRows(place, schema.DATA).close()


def test_a_lost_connection_is_made_anew(
    rows: PostgresRows, boss: psycopg.Connection[tuple[object, ...]]
) -> None:
    rows.write([Step(INSERT, [(1, b"one")])])
    cut(boss)
    assert rows.read("SELECT value FROM commitments") == [(b"one",)]
    cut(boss)
    with pytest.raises(Unavailable):
        rows.write([Step(INSERT, [(2, b"two")])])
    rows.write([Step(INSERT, [(3, b"three")])])
    assert rows.read("SELECT seq FROM commitments ORDER BY seq") == [(1,), (3,)]


def test_who_lost_the_schema_to_another_never_writes_again(
    rows: PostgresRows, place: PostgresPlace, boss: psycopg.Connection[tuple[object, ...]]
) -> None:
    cut(boss)
    PostgresRows(place, schema.DATA).close()
    for _ in range(2):
        with pytest.raises((Unavailable, VaultInUse)):
            rows.write([Step(INSERT, [(1, b"one")])])
    with pytest.raises(VaultInUse):
        rows.read("SELECT 1")


def test_a_vault_goes_on_after_its_connections_were_cut(
    tmp_path: Path, boss: psycopg.Connection[tuple[object, ...]]
) -> None:
    with world.vault(tmp_path) as vault:
        ana = vault.register(ANA_MRN, ANA)
        vault.put([arrival(ana, observation("a"))], NOW)
        cut(boss)
        vault.put([arrival(ana, observation("b"))], NOW)
        found = {entry.id for entry in vault.search(own(ANA), world.anything, NOW)}
        assert found == {"a", "b"}
        assert vault.check() == []


def test_a_write_is_whole_or_not_at_all(rows: PostgresRows) -> None:
    with pytest.raises(CorruptStore):
        rows.write([Step(INSERT, [(1, b"one"), (2, b"two")]), Step(INSERT, [(1, b"again")])])
    assert rows.read("SELECT * FROM commitments") == []
    with pytest.raises(CorruptStore):
        rows.read("SELECT nothing FROM nowhere")
    assert rows.read("SHOW synchronous_commit") == [("on",)]


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    nowhere = PostgresPlace(f"host={tmp_path} dbname=postgres user=careledger", "vault")
    with pytest.raises(Unavailable):
        PostgresRows(nowhere, schema.DATA)
    assert str(tmp_path) not in repr(nowhere)


def test_statements_are_translated_in_one_place() -> None:
    assert translate("SELECT a FROM b WHERE c = ? AND d = '%'") == (
        b"SELECT a FROM b WHERE c = %s AND d = '%%'"
    )
    table = translate("CREATE TABLE IF NOT EXISTS t (seq INTEGER PRIMARY KEY, v BLOB NOT NULL)")
    assert table == b"CREATE TABLE IF NOT EXISTS t (seq BIGINT PRIMARY KEY, v BYTEA NOT NULL)"


def test_a_backup_is_a_file_and_loads_again(
    rows: PostgresRows, place: PostgresPlace, tmp_path: Path
) -> None:
    many = [(number, bytes([number % 256])) for number in range(5_000)]
    rows.write([Step(INSERT, many)])
    path = tmp_path / "backup"
    rows.backup(path, [schema.MARK_BACKUP])
    assert [one.name for one in tmp_path.iterdir()] == ["backup"]
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        rows.backup(path, [])
    copy = SqliteRows(path, schema.DATA)
    assert copy.read("SELECT * FROM commitments ORDER BY seq") == many
    assert copy.read("SELECT name FROM meta") == [("backup",)]
    copy.close()
    rows.write([Step("DELETE FROM commitments WHERE seq > ?", [(10,)])])
    rows.load(path, [schema.MARK_RESTORING])
    assert rows.read("SELECT * FROM commitments ORDER BY seq") == many
    assert schema.is_restoring(rows)


def test_what_was_shredded_is_in_no_table(
    tmp_path: Path, boss: psycopg.Connection[tuple[object, ...]]
) -> None:
    """PostgreSQL's log may still have it: the page on running a gateway says what to do."""
    with world.vault(tmp_path) as vault:
        vault.put([arrival(vault.register(ANA_MRN, ANA), observation("a"))], NOW)
        ((wrapped,),) = vault._keys.read(
            "SELECT wrapped FROM keys JOIN patients ON owner = patient"
        )
        assert isinstance(vault._keys, PostgresRows)
        table = f"{vault._keys._place.schema}.keys"
        boss.execute("CHECKPOINT")
        assert wrapped in table_file(boss, table)
        vault.shred(world.evidence(ANA))
        boss.execute("CHECKPOINT")
        assert wrapped not in table_file(boss, table)


def table_file(boss: psycopg.Connection[tuple[object, ...]], table: str) -> bytes:
    found = boss.execute(
        "SELECT pg_read_binary_file(pg_relation_filepath(%s::regclass))", [table]
    ).fetchone()
    assert found is not None
    assert isinstance(found[0], bytes)
    return found[0]


WRITER = """
import sys
from pathlib import Path
from tests.vault import world
world.in_postgres(sys.argv[2])
with world.vault(Path(sys.argv[1])) as vault:
    ana = vault.patient(world.ANA_MRN)
    for number in range(10_000):
        pair = [world.arrival(ana, world.observation(f"{side}{number}")) for side in "lr"]
        vault.put(pair, world.NOW)
        print(number, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_said_was_stored(
    tmp_path: Path, postgres_server: str
) -> None:
    with world.vault(tmp_path) as vault:
        vault.register(ANA_MRN, ANA)
    script = tmp_path / "writer.py"
    script.write_text(WRITER)
    said = -1
    for lines in (3, 10):
        command = [sys.executable, str(script), str(tmp_path), postgres_server]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, "PYTHONPATH": "."},
        ) as writer:
            assert writer.stdout is not None
            for _ in range(lines):
                said = max(said, int(writer.stdout.readline()))
            writer.send_signal(signal.SIGKILL)
        with reopened(tmp_path) as vault:
            assert vault.check() == []
            found = {entry.id for entry in vault.search(own(ANA), world.anything, NOW)}
            assert {f"{side}{number}" for number in range(said + 1) for side in "lr"} <= found
            assert {one[1:] for one in found if one[0] == "l"} == {
                one[1:] for one in found if one[0] == "r"
            }


def reopened(directory: Path) -> AbstractContextManager[Vault]:
    """As soon as the server has noticed that the writer is gone."""
    for _ in range(100):
        try:
            with world.vault(directory):
                break
        except VaultInUse:
            time.sleep(0.05)
    return world.vault(directory)


def test_many_rows_are_copied_in_as_one_by_one(rows: PostgresRows) -> None:
    objects = [(number, bytes([number]), 2**40 + number, b"", b"\\x00\n\t") for number in range(50)]
    meta = [(f"n{number}", b"") for number in range(20)]
    rows.write(
        [
            Step("INSERT INTO objects VALUES (?, ?, ?, ?, ?)", objects),
            Step("INSERT INTO meta VALUES (?, ?)", meta),
            Step("INSERT INTO meta VALUES (?, ?)", [("alone", b"1")]),
        ]
    )
    assert rows.read("SELECT * FROM objects ORDER BY seq") == objects
    assert rows.read("SELECT count(*) FROM meta") == [(21,)]


def test_of_rows_that_are_copied_in_all_are_stored_or_none(rows: PostgresRows) -> None:
    some = [(number, b"a") for number in range(30)]
    with pytest.raises(CorruptStore):
        rows.write([Step(INSERT, some), Step(INSERT, [*some[:9], (99, b"b")])])
    assert rows.read("SELECT * FROM commitments") == []
    rows.write([Step(INSERT, some)])
    assert rows.read("SELECT * FROM commitments ORDER BY seq") == some
