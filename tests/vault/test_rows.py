"""Many rows in one statement are stored as one by one, in files and in PostgreSQL."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import CorruptStore
from careledger.vault import schema
from careledger.vault.rows import SqliteRows, Step, runs

INSERT = "INSERT INTO commitments VALUES (?, ?)"


@given(st.integers(0, 3_000), st.integers(1, 6))
def test_every_row_is_in_one_statement_in_order(count: int, columns: int) -> None:
    marks = ", ".join("?" * columns)
    rows = [tuple(range(number, number + columns)) for number in range(count)]
    steps = runs(Step(f"INSERT INTO t VALUES ({marks})", rows))
    assert [value for step in steps for row in step.rows for value in row] == [
        value for row in rows for value in row
    ]
    for step in steps:
        for row in step.rows:
            assert step.statement.count("?") == len(row) <= 999
    assert len(steps) <= 10 + 2 * count * columns // 999


def test_statements_of_other_forms_stay_as_they_are() -> None:
    for statement in (
        "INSERT INTO meta VALUES ('backup', ?)",
        "INSERT INTO t (a, b) VALUES (?, ?)",
        "INSERT INTO t VALUES (?, ?) ON CONFLICT DO NOTHING",
        "UPDATE t SET a = ? WHERE b = ?",
        "DELETE FROM t WHERE a = ?",
    ):
        step = Step(statement, [(1, 2)] * 5)
        assert runs(step) == [step]


def test_all_of_a_write_is_stored_or_none(tmp_path: Path) -> None:
    rows = SqliteRows(tmp_path / "vault.sqlite", schema.DATA)
    some = [(number, bytes(32)) for number in range(1_000)]
    rows.write([Step(INSERT, some)])
    assert rows.read("SELECT * FROM commitments ORDER BY seq") == some
    with pytest.raises(CorruptStore):
        rows.write([Step(INSERT, [(number, b"") for number in range(1_500, 999, -1)])] * 2)
    assert rows.read("SELECT count(*) FROM commitments") == [(1_000,)]
    rows.close()
