"""What a patient's pages show, and who can tell."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """One resource of the patient's record."""

    date: str
    """As written by the source; "" if undated."""
    kind: str
    title: str
    value: str
    source: str
    """The organisation that holds it."""
    verified: bool
    """Whether it is what that organisation committed to on the ledger."""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LogSentence:
    """One thing that happened to the record, in plain words."""

    when: str
    text: str
    granted: bool
    """False for what was refused."""


@dataclass(frozen=True, kw_only=True)
class SourceState:
    """How an organisation answered: `as_of` is when, "" if it did not."""

    organisation: str
    as_of: str
    entries: int


@dataclass(frozen=True, kw_only=True)
class PatientView:
    """Everything a patient's pages show, read at one moment."""

    name: str
    timeline: tuple[TimelineEntry, ...]
    log: tuple[LogSentence, ...]
    sources: tuple[SourceState, ...]
    consents: tuple[str, ...]
    notice: str


class PatientSource(Protocol):
    """Whoever can read the patient's record for the patient: the wallet."""

    async def read(self) -> PatientView:
        """Everything, now."""
        ...
