"""What clients saw, held against what the ledgers say: nothing lost, nothing twice, in real order.

The log is one object that everybody appends to. Its history is linearisable exactly if its order
never contradicts time: what was acknowledged before something else was sent stands before it.
(Herlihy and Wing, Linearizability, 1990, section 2.3.) So a disclosure that was asked for after a
revocation had been acknowledged stands behind it, and the rules decide it by the revocation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One transaction, as its sender saw it; `acknowledged` is infinite if no answer came."""

    id: bytes
    kind: str
    sent: float
    acknowledged: float = inf
    index: int | None = None
    """Where the answer said that it stands."""
    code: int | None = None


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One transaction in a node's log."""

    id: bytes
    code: int


Log = dict[int, Placed]
"""A node's transactions by log position."""


def contradictions(operations: Sequence[Operation], logs: dict[str, Log]) -> list[str]:
    """Everything that is wrong; empty if clients and all nodes tell one story."""
    return [*_disagreements(logs), *_lost(operations, logs), *_out_of_order(operations, logs)]


def _disagreements(logs: dict[str, Log]) -> list[str]:
    """Nodes that have different transactions, or one of them twice."""
    found: list[str] = []
    (first, reference), *others = logs.items()
    ids = [placed.id for placed in reference.values()]
    if len(ids) != len(set(ids)):
        found.append(f"{first} has a transaction twice")
    for name, log in others:
        if log != reference:
            at = min(i for i in log.keys() | reference.keys() if log.get(i) != reference.get(i))
            found.append(f"{name} differs from {first} from log position {at} on")
    return found


def _lost(operations: Sequence[Operation], logs: dict[str, Log]) -> list[str]:
    """Acknowledged, and somewhere not there as it was acknowledged."""
    return [
        f"{name} lacks or has otherwise what was acknowledged at {one.index}: {one.kind}"
        for one in operations
        if one.index is not None
        for name, log in logs.items()
        if log.get(one.index) != Placed(id=one.id, code=one.code or 0)
    ]


def _out_of_order(operations: Sequence[Operation], logs: dict[str, Log]) -> list[str]:
    """Sent after something was acknowledged, and before it in the log."""
    index_of = {placed.id: index for index, placed in next(iter(logs.values())).items()}
    ordered = sorted(
        ((index_of[one.id], one) for one in operations if one.id in index_of),
        key=lambda pair: pair[0],
        reverse=True,
    )
    found: list[str] = []
    earliest, behind = inf, ""
    for index, one in ordered:
        if earliest < one.sent:
            found.append(f"{one.kind} at {index} was sent after the {behind} was acknowledged")
        if one.acknowledged < earliest:
            earliest, behind = one.acknowledged, f"{one.kind} at {index}"
    return found
