"""What follows from evidence that the engine brings with a block: nobody signed for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from careledger.ledger.application import Application
from careledger.ledger.entry import MAX_EVIDENCE, EventRecord, Evidence
from careledger.ledger.errors import CorruptStore, Unavailable
from careledger.ledger.record import Instant, encode
from careledger.ledger.state import Changes, View

HALTING = (CorruptStore, Unavailable, MemoryError, RecursionError, OSError)
"""What says nothing about the block but something about this node: nothing goes on from these."""


@dataclass(frozen=True, kw_only=True)
class Witnessed:
    """What happened, and the rows that differ afterwards."""

    events: tuple[EventRecord, ...]
    changes: Changes
    alarms: tuple[str, ...]


def kept(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """What a block entry has room for: each piece once, the first ones."""
    return tuple(dict.fromkeys(evidence))[:MAX_EVIDENCE]


def witness(
    view: View,
    height: int,
    time: Instant,
    evidence: Sequence[Evidence],
    applications: Mapping[str, Application[Any, Any]],  # Any: each has its own events
) -> Witnessed:
    """Let every application that has a `witness` say what follows from each piece, in order.

    A rule that fails unexpectedly is an alarm, as it is for transactions, and changes nothing.
    """
    events: list[EventRecord] = []
    changes: dict[bytes, bytes | None] = {}
    alarms: list[str] = []
    for piece in kept(evidence):
        for _, application in sorted(applications.items()):
            try:
                happened, changed = _follow(application, piece, time, view.under(changes))
            except HALTING:
                raise
            except Exception as error:  # noqa: BLE001 - evidence must not stop every node
                alarms.append(f"{height}/evidence: {type(error).__name__}")
            else:
                events.extend(happened)
                changes.update(changed)
    return Witnessed(events=tuple(events), changes=changes, alarms=tuple(alarms))


def _follow(
    application: Application[Any, Any],  # Any: whichever application it is
    piece: Evidence,
    time: Instant,
    view: View,
) -> tuple[list[EventRecord], Changes]:
    happened: list[EventRecord] = []
    changes: dict[bytes, bytes | None] = {}
    for event in tuple(application.witness(piece, time, view)) if application.witness else ():
        changes.update(application.evolve(event, view.under(changes)))
        happened.append(EventRecord(application=application.name, event=encode(event)))
    return happened, changes
