"""What may wait: bounds for everybody, shares for each member, one signature for each id."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.consensus.cometbft.pool import Pool, Pooled
from careledger.consensus.intake import Busy
from careledger.ledger.membership import NetworkParameters
from careledger.ledger.record import MemberId
from careledger.ledger.transaction import OverBudget, Replayed, VerifiedTransaction
from tests.ledger.world import ANA, LAKEVIEW, NOW, RIVERSIDE, Protect, SetNote, verified

TIGHT = NetworkParameters(transactions_per_block=5, protective_percent=20)
NOTES = [verified(ANA, SetNote(at=f"n{number}", text="x"), nonce=number) for number in range(30)]
REFUSALS = [verified(ANA, Protect(), nonce=100 + number) for number in range(30)]


def pooled(one: VerifiedTransaction, payer: str = RIVERSIDE, *, protects: bool = False) -> Pooled:
    return Pooled(one, MemberId(payer), protects)


def test_one_id_waits_under_one_signature() -> None:
    pool = Pool()
    pool.add(pooled(NOTES[0]), TIGHT)
    pool.add(pooled(NOTES[0]), TIGHT)
    other = replace(NOTES[0], raw=NOTES[0].raw + b"!")
    with pytest.raises(Replayed):
        pool.add(pooled(other), TIGHT)
    assert (len(pool), pool.has(NOTES[0]), pool.has(other)) == (1, True, False)
    assert pool.awaits(other.id)


def test_a_member_has_a_share_and_another_for_what_protects() -> None:
    pool = Pool()
    for one in NOTES[:20]:
        pool.add(pooled(one), TIGHT)
    with pytest.raises(OverBudget):
        pool.add(pooled(NOTES[20]), TIGHT)
    pool.add(pooled(NOTES[21], LAKEVIEW), TIGHT)
    pool.add(pooled(REFUSALS[0], protects=True), TIGHT)
    assert list(pool.protective()) == [REFUSALS[0]]
    assert pool.protects(REFUSALS[0].id)
    assert not pool.protects(NOTES[0].id)
    pool.discard(NOTES[0].id)
    pool.add(pooled(NOTES[20]), TIGHT)


def test_what_fits_into_no_block_never_waits() -> None:
    wide = verified(ANA, *[SetNote(at="x", text="y")] * 5)
    with pytest.raises(OverBudget):  # four at most, where a fifth is kept
        Pool().add(pooled(wide), TIGHT)
    Pool().add(pooled(wide, protects=True), TIGHT)


def test_a_fifth_of_all_room_is_kept_for_what_protects() -> None:
    roomy = NetworkParameters()
    for bounds in ({"most_transactions": 10}, {"most_bytes": 10 * len(NOTES[10].raw)}):
        pool = Pool(**bounds)
        for one in NOTES[10:18]:
            pool.add(pooled(one), roomy)
        with pytest.raises(Busy):
            pool.add(pooled(NOTES[18]), roomy)
        pool.add(pooled(REFUSALS[0], protects=True), roomy)


@given(st.lists(st.tuples(st.integers(0, 29), st.booleans(), st.integers(0, 2)), max_size=60))
def test_nothing_is_left_behind(steps: list[tuple[int, bool, int]]) -> None:
    pool = Pool(most_transactions=12)
    for number, protects, doing in steps:
        one = (REFUSALS if protects else NOTES)[number]
        if doing:
            try:
                pool.add(pooled(one, protects=protects), TIGHT)
            except (Busy, OverBudget):
                continue
        else:
            pool.settle([one.id], NOW)
    assert len(list(pool)) == len(pool) <= 12
    pool.settle([], NOTES[0].expires + 1)
    assert (len(pool), pool._all.bytes, dict(pool._used)) == (0, 0, {})
