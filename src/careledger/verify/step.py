"""Verification as numbered steps: each says in one sentence what has been found."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import TypeVar

T = TypeVar("T")


class Verdict(IntEnum):
    """What it comes to; the number is the exit status."""

    VERIFIED = 0
    FAILED = 1
    UNDECIDED = 2


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something found true, or, where not `decided`, something that only trust could decide."""

    sentence: str
    decided: bool = True


Steps = Generator[Step, None, T]
"""Steps as they are found; the first that fails raises instead, and what follows is not done."""


def plural(number: int, singular: str, more: str | None = None) -> str:
    """The number with the form that goes with it: `1 entry`, `2 entries`."""
    return f"{number:,} {singular if number == 1 else more or singular + 's'}"


def moment(seconds: int) -> str:
    """An `Instant` as people write it."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"second {seconds:,} since 1970"


def day(number: object) -> str:
    """A whole UTC day, counted from 1970-01-01, as ISO 8601 writes it."""
    if not isinstance(number, int):
        return "an unknown day"
    try:
        return str((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number)).date())
    except OverflowError:
        return f"day {number:,} since 1970"
