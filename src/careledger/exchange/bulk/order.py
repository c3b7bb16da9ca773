"""What an export is asked for, and what has become of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from careledger.exchange.asker import Asker
from careledger.exchange.bulk.spool import Spool
from careledger.exchange.limits import Limits
from careledger.fhir.search.query import Search
from careledger.ledger.record import Instant

Level = Literal["system", "patient", "group"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """An export as it was asked for (Bulk Data Access 2.0, Kick-off Request)."""

    level: Level
    asker: Asker
    limits: Limits = field(repr=False)
    url: str
    """Path and query of the request, for the manifest."""
    bound: str
    """Person, role and scopes under which it was ordered, and is fetched."""
    patients: tuple[str, ...] | None = None
    """Local ids of those it is confined to; None for everybody in reach."""
    types: frozenset[str] | None = None
    since: Instant | None = None
    filters: Mapping[str, Sequence[Search]] = field(default_factory=dict)
    """Searches by type: of such a type only what one of them matches is wanted."""
    elements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Elements wanted by type; `*` for every type."""


class Phase(Enum):
    """How far an export is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Output:
    """One file of a finished export; `kind` is the manifest's list that it is in."""

    kind: Literal["output", "deleted"]
    type: str
    name: str
    count: int


@dataclass(slots=True, kw_only=True)
class Job:
    """One export. One thread works on it; the doors look at it and may set `cancelled`."""

    id: str
    owner: str
    """Whose it is: nobody else learns that it is there."""
    order: Order
    spool: Spool
    started: Instant
    ends: Instant
    """The second from which on its files are gone."""
    phase: Phase = Phase.RUNNING
    written: int = 0
    """Resources so far. A part of all there are would tell how many those are."""
    cancelled: bool = False
    outputs: tuple[Output, ...] = ()
    decisions: dict[str, object] = field(default_factory=dict)
    """What the decision about each patient was when their part was written."""
