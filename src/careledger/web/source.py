"""What a patient's pages show, and who can tell."""

from dataclasses import dataclass
from typing import Literal, Protocol

Mark = Literal["verified", "tampered", "unproven"]
"""Whether an entry is what its organisation committed to on the ledger; "unproven" is neither."""


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
    mark: Mark
    why: str = ""
    """In plain words, what is wrong; "" where nothing is."""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LogSentence:
    """One thing that happened to the record, in plain words."""

    when: str
    text: str
    granted: bool
    """False for what was refused."""
    own: bool = False
    """Whether it was the patient who looked."""
    why: tuple[str, ...] = ()
    """How each of the patient's consents was read at that moment."""


@dataclass(frozen=True, kw_only=True)
class SourceState:
    """How an organisation answered: `as_of` is when, "" if it did not."""

    organisation: str
    as_of: str
    entries: int
    trouble: str = ""
    """In plain words, why there is nothing from it."""


@dataclass(frozen=True, kw_only=True)
class AccessView:
    """Who looked, and what the patient allows."""

    name: str
    log: tuple[LogSentence, ...]
    consents: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PatientView:
    """Everything a patient's pages show, read at one moment."""

    name: str
    timeline: tuple[TimelineEntry, ...]
    """Latest first."""
    log: tuple[LogSentence, ...]
    sources: tuple[SourceState, ...]
    consents: tuple[str, ...]
    notice: str


class PatientSource(Protocol):
    """Whoever can read the patient's record for the patient: the wallet."""

    async def read(self) -> PatientView:
        """Everything, now."""
        ...

    async def access(self) -> AccessView:
        """Who looked and what is allowed, without asking any organisation."""
        ...
