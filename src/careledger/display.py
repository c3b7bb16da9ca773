"""How an application looks: data that command line, web pages and the patient's log render."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from careledger.ledger.record import Record
from careledger.ledger.state import Table

Format = Literal["day", "instant"]
"""A number that people read as a date: whole UTC days, or UTC seconds, since 1970."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One screen: a table of rows, what can be done, and a sentence for each event."""

    title: str
    table: Table[Any]  # Any: rows of whichever type
    columns: Mapping[str, str]
    """Heading to field of the row."""
    actions: tuple[type[Record], ...]
    says: Mapping[type[Record], str]
    """Event to sentence; `{field}` is filled from the event."""
    formats: Mapping[str, Format] = field(default_factory=dict)
    """Fields of rows and events that are not shown as they are."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """What to say where a field is None or empty; otherwise a dash."""


def sentence(page: Page, event: Record) -> str:
    """What `event` means, in one plain sentence."""
    return page.says[type(event)].format_map(
        {
            field.name: show(page, field.name, getattr(event, field.name))
            for field in msgspec.structs.fields(event)
        }
    )


def cells(page: Page, row: Record) -> dict[str, str]:
    """A row of the table, by heading."""
    return {heading: show(page, name, getattr(row, name)) for heading, name in page.columns.items()}


def show(page: Page, name: str, value: object) -> str:
    """One value as people read it: ids in hex, lists with commas, dates as ISO 8601."""
    match value:
        case None | ():
            return page.absent.get(name, "-")
        case tuple():
            return ", ".join(show(page, name, item) for item in value)
        case bytes():
            return value.hex()
        case bool():
            return "yes" if value else "no"
        case int():
            return _number(value, page.formats.get(name))
        case _:
            return str(value)


def _number(value: int, format_: Format | None) -> str:
    match format_:
        case "day":
            return _date(value)
        case "instant":
            return f"{_date(value // _DAY_S)} {_clock(value % _DAY_S)} UTC"
        case None:
            return str(value)


_DAY_S: Final = 86_400


def _date(day: int) -> str:
    """The date of a day since 1970-01-01, in the proleptic Gregorian calendar."""
    era, of_era = divmod(day + 719_468, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    of_month = of_year - (153 * month + 2) // 5 + 1
    number = month + 3 if month < 10 else month - 9  # noqa: PLR2004 - counted from March
    return f"{era * 400 + year + (number <= 2):04}-{number:02}-{of_month:02}"  # noqa: PLR2004


def _clock(second: int) -> str:
    return f"{second // 3_600:02}:{second // 60 % 60:02}:{second % 60:02}"
