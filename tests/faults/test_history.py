"""The check that fault runs end with sees what is wrong, and only that."""

import random
from math import inf

from tests.faults.history import Log, Operation, Placed, contradictions


def _run(chance: random.Random, count: int = 60) -> tuple[list[Operation], Log]:
    """Operations that overlap, each taking effect at some moment while it was under way."""
    drawn = []
    for number in range(count):
        sent = chance.uniform(0, 100)
        takes = chance.expovariate(0.2)
        drawn.append((sent + chance.random() * takes, sent, sent + takes, number))
    operations, log = [], {}
    for index, (_, sent, acknowledged, number) in enumerate(sorted(drawn), start=1):
        id_, lost = number.to_bytes(2), chance.random() < 0.1
        log[index] = Placed(id=id_, code=number % 3)
        operations.append(
            Operation(
                id=id_,
                kind="revocation" if number % 2 else "disclosure",
                sent=sent,
                acknowledged=inf if lost else acknowledged,
                index=None if lost else index,
                code=None if lost else number % 3,
            )
        )
    return operations, log


def test_a_history_in_which_each_took_effect_while_it_was_under_way_is_sound(
    chance: random.Random,
) -> None:
    for _ in range(50):
        operations, log = _run(chance)
        assert contradictions(operations, {"one": log, "other": dict(log)}) == []


def test_what_is_lost_doubled_or_different_is_found(chance: random.Random) -> None:
    operations, log = _run(chance)
    index = next(one.index for one in operations if one.index is not None)
    lacking = {at: placed for at, placed in log.items() if at != index}
    twice = log | {len(log) + 1: log[index]}
    other = log | {index: Placed(id=log[index].id, code=log[index].code + 1)}
    for wrong in (lacking, twice, other):
        assert contradictions(operations, {"one": log, "other": wrong})
        assert contradictions(operations, {"one": wrong})


def test_a_disclosure_before_the_revocation_that_it_came_after_is_found() -> None:
    revocation = Operation(id=b"r", kind="revocation", sent=1, acknowledged=2, index=5, code=0)
    disclosure = Operation(id=b"d", kind="disclosure", sent=3, acknowledged=4, index=4, code=0)
    log = {4: Placed(id=b"d", code=0), 5: Placed(id=b"r", code=0)}
    assert contradictions([revocation, disclosure], {"one": log}) == [
        "disclosure at 4 was sent after the revocation at 5 was acknowledged"
    ]
    meanwhile = Operation(id=b"d", kind="disclosure", sent=1.5, acknowledged=4, index=4, code=0)
    assert contradictions([revocation, meanwhile], {"one": log}) == []
