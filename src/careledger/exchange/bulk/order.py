"""What an export is asked for, and what has become of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

import msgspec

from careledger.exchange.asker import Asker
from careledger.exchange.bulk.spool import Spool
from careledger.exchange.limits import Limits
from careledger.fhir.search.query import Search
from careledger.ledger.record import Instant

Level = Literal["system", "patient", "group"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An export as its door knows it again, after a restart too."""

    owner: str
    """Whose it is: nobody else learns that it is there."""
    bound: str
    """Person, role and scopes under which it was ordered, and is fetched."""
    url: str
    """Path and query of the request, for the manifest."""
    recipe: bytes
    """From which the door makes the order again; it alone reads it."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """An export as it was asked for (Bulk Data Access 2.0, Kick-off Request)."""

    level: Level
    asker: Asker
    limits: Limits = field(repr=False)
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


class Output(msgspec.Struct, frozen=True):
    """One file of a finished export; `kind` is the manifest's list that it is in."""

    kind: Literal["output", "deleted"]
    type: str
    name: str
    count: int
    frames: int


@dataclass(slots=True, kw_only=True)
class Job:
    """One export. One thread works on it; the doors look at it and may set `cancelled`."""

    id: str
    asked: Asked
    order: Order
    spool: Spool
    key: bytes = field(repr=False)
    """Seals its files, inside."""
    started: Instant
    ends: Instant
    """The second from which on nothing of it is kept."""
    tries: int = 1
    """How often it was begun since the gateway last stopped as it should."""
    phase: Phase = Phase.RUNNING
    written: int = 0
    """Resources so far. A part of all there are would tell how many those are."""
    cancelled: bool = False
    outputs: tuple[Output, ...] = ()
