"""Days and moments: ages, weekdays, and how FHIR writes them."""

from datetime import date, datetime, timedelta, timezone

AS_OF = date(2026, 11, 1)
# One offset all year, so that no time zone database decides the bytes.
ZONE = timezone(timedelta(hours=-5))
DAYS_A_YEAR = 365.25
SATURDAY = 5


def years_between(birth: date, day: date) -> int:
    """Return the completed years of life on that day."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def months_between(birth: date, day: date) -> int:
    """Return the completed months of life on that day."""
    return (day.year - birth.year) * 12 + day.month - birth.month - (day.day < birth.day)


def exact_age(birth: date, day: date) -> float:
    """Return the age in years, with its fraction."""
    return (day - birth).days / DAYS_A_YEAR


def weekday(day: date) -> date:
    """Return the day itself, or the Friday before a weekend."""
    return day - timedelta(days=max(0, day.weekday() - SATURDAY + 1))


def moment(day: date, minute: int) -> datetime:
    """Return the moment so many minutes after midnight."""
    return datetime(day.year, day.month, day.day, tzinfo=ZONE) + timedelta(minutes=minute)
