"""Pages are data; these are the words they become."""

from careledger.display import Page, cells, sentence, show
from careledger.ledger.record import Record
from careledger.ledger.state import Table


class Row(Record):
    owner: str
    since: int
    until: int | None = None
    parts: tuple[str, ...] = ()
    digest: bytes = b"\x01\xff"
    done: bool = False


PAGE = Page(
    title="Rows",
    table=Table("test.rows", Row, (str,)),
    columns={"Owner": "owner", "Since": "since", "Until": "until"},
    actions=(),
    says={Row: "{owner} holds {parts} ({digest}) from {since} until {until}; done: {done}"},
    formats={"since": "instant", "until": "day"},
    absent={"parts": "everything"},
)


def test_an_event_becomes_a_sentence() -> None:
    said = sentence(PAGE, Row(owner="Ana", since=1_790_000_000, until=20_717, parts=("a", "b")))
    assert said == "Ana holds a, b (01ff) from 2026-09-21 14:13:20 UTC until 2026-09-21; done: no"


def test_what_is_absent_has_words_of_its_own() -> None:
    said = sentence(PAGE, Row(owner="Ana", since=0, done=True))
    assert said == "Ana holds everything (01ff) from 1970-01-01 00:00:00 UTC until -; done: yes"


def test_a_row_becomes_cells() -> None:
    assert cells(PAGE, Row(owner="Ana", since=0)) == {
        "Owner": "Ana",
        "Since": "1970-01-01 00:00:00 UTC",
        "Until": "-",
    }


def test_days_are_dates_of_the_calendar() -> None:
    from datetime import UTC, datetime

    for day in (0, 58, 59, 60, 789, 11_016, 11_017, 19_782, 47_540, 47_541, 2_000_000):
        expected = datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
        assert show(PAGE, "until", day) == expected
