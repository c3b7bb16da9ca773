"""FHIR dates as whole UTC seconds: the first and the last second of what was written.

`2020-05` is all of May. A date without a time is read in UTC (FHIR R4 3.1.1.4.7 leaves the zone to
the server). Fractions of a second are dropped.
"""

from calendar import monthrange
from datetime import UTC, date, datetime
from functools import lru_cache
from math import floor
from re import compile as regex
from typing import Final

EARLIEST: Final = -62_135_596_800
"""0001-01-01T00:00:00Z: the start of a period that has none."""
LATEST: Final = 253_402_300_799
"""9999-12-31T23:59:59Z: the end of a period that has none."""

Span = tuple[int, int]
"""First and last second, both inside."""

_DAY: Final = 86_400
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MINUTE: Final = regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})?")
_DATE: Final = regex(
    r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)


def span(text: str) -> Span:
    """Return the first and last second of a checked `date`, `dateTime` or `instant`."""
    match len(text):
        case 4:
            year = int(text)
            return _day(year, 1, 1), _day(year, 12, 31) + _DAY - 1
        case 7:
            year, month = int(text[:4]), int(text[5:])
            return _day(year, month, 1), _day(year, month, 31) + _DAY - 1
        case 10:
            start = _day(int(text[:4]), int(text[5:7]), int(text[8:]))
            return start, start + _DAY - 1
        case _:
            second = instant(text)
            return second, second


def instant(text: str) -> int:
    """Return the second of a `dateTime` with a time; second 60 counts as 59."""
    if text[17:19] == "60":
        text = text[:17] + "59" + text[19:]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # 29 February of a common year passes the specification's pattern
        moment = datetime.fromisoformat(f"{text[:8]}28{text[10:]}")
    return floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


@lru_cache(maxsize=4_096)  # what came in together was stored in the same second
def instant_text(seconds: int) -> str:
    """Return a FHIR instant in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def search_span(text: str) -> Span | None:
    """Return the seconds of a date in a query, which may stop at minutes; None if it is no date."""
    if not _DATE.fullmatch(text):
        return None
    try:
        if _MINUTE.fullmatch(text):
            start = instant(f"{text[:16]}:00{text[16:] or 'Z'}")
            return start, start + 59
        if len(text) < len("2020-01-01T"):
            date.fromisoformat(f"{text}-01-01"[:10])
        return span(text)
    except ValueError:
        return None


def _day(year: int, month: int, day: int) -> int:
    last = monthrange(year, month)[1]
    return (date(year, month, min(day, last)).toordinal() - _EPOCH_DAY) * _DAY
