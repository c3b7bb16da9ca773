"""How far the organisation's own FHIR server has been read: one small file, safe to lose.

Without it everything is read again, which changes nothing. It says nothing of any person.
"""

import os
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

import msgspec

OVERLAP: Final = timedelta(seconds=30)
"""So far back every look begins before the one before it: what is committed late is seen too."""


class Position(msgspec.Struct, frozen=True):
    """What has been read of the server at `base`."""

    base: str
    is_whole: bool = False
    """Whether everything has been read once."""
    done: tuple[str, ...] = ()
    """Types that the first walk, while it is going on, has behind it."""
    since: str | None = None
    """When, by that server's clock, the last look that came to its end began."""
    began: str | None = None
    """Likewise of the first walk while it is going on."""
    at: int = 0
    """UTC second by our own clock of the last look that came to its end; 0 for none."""

    def from_when(self) -> str:
        """From when on to look, once everything has been read."""
        since = datetime.min.replace(tzinfo=UTC) + OVERLAP
        if self.since is not None:
            since = parse_instant(self.since)
        return format_instant(since - OVERLAP)


def load_position(path: Path, base: str) -> Position:
    """What the file says of the server at `base`; from the start if it is missing or of another."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Position)
    except (OSError, msgspec.MsgspecError):
        return Position(base)
    return found if found.base == base else Position(base)


def save_position(path: Path, position: Position) -> None:
    """Replace the file; what was there before a crash is whole."""
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(position))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def parse_instant(text: str) -> datetime:
    """A FHIR instant.

    Raises:
        ValueError: it is none.
    """
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found.astimezone(UTC)


def format_instant(when: datetime) -> str:
    """A FHIR instant in UTC with milliseconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03}Z"


def later(one: str | None, other: str | None) -> str | None:
    """The later of two instants, one of which may be none, or no instant."""
    known = []
    for text in (one, other):
        try:
            known.append((parse_instant(text or ""), text))
        except ValueError:
            continue
    return max(known)[1] if known else None


def instant_of(date: str | None, now: int) -> str:
    """The instant that an HTTP date (RFC 9110 5.6.7) says; `now`, a UTC second, without one."""
    try:
        return format_instant(parsedate_to_datetime(date or ""))
    except ValueError:
        return format_instant(datetime.fromtimestamp(now, UTC))
