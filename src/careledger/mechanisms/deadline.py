"""Deadlines and days: due dates follow from facts; "overdue" is computed, never declared."""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from careledger.ledger.record import Instant

Day = Annotated[int, msgspec.Meta(ge=0, lt=2**24)]
"""Whole UTC days since 1970-01-01."""

DAY_S: Final = 86_400

Standing = Literal["open", "met", "met-late", "overdue"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadline:
    """Something owed by `due`, the first second that is too late; `met` is when it was done."""

    due: Instant
    met: Instant | None = None

    def standing(self, time: Instant) -> Standing:
        """Where the duty stands at `time`."""
        if self.met is not None and self.met <= time:
            return "met" if self.met < self.due else "met-late"
        return "open" if time < self.due else "overdue"


def due_within(fact: Instant, within_s: int, met: Instant | None = None) -> Deadline:
    """The duty to act within `within_s` seconds of `fact`."""
    return Deadline(due=fact + within_s, met=met)


def day_of(time: Instant) -> Day:
    """The UTC day in which `time` lies."""
    return time // DAY_S


def start_of(day: Day) -> Instant:
    """The first second of `day`."""
    return day * DAY_S
