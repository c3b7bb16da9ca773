"""What a block is filled with: one member's flood holds up nobody else, and no revocation."""

from collections.abc import Sequence

from careledger.consensus.proposal import MAX_BLOCK_COMMANDS, Judge, Proposal
from careledger.ledger.membership import NetworkParameters
from careledger.ledger.record import Record
from careledger.ledger.state import View
from careledger.ledger.transaction import Expired, OverBudget, Replayed, VerifiedTransaction
from tests.ledger.world import (
    ANA,
    APPLICATIONS,
    LAKEVIEW,
    NOW,
    RIVERSIDE,
    Protect,
    SetNote,
    first_state,
    verified,
)

LIMITS = NetworkParameters(transactions_per_block=10, protective_percent=20)
NOTE = SetNote(at="x", text="y")


def choose(
    waiting: Sequence[VerifiedTransaction],
    limits: NetworkParameters = LIMITS,
    *,
    seen: bool = False,
    time: int = NOW,
) -> Proposal:
    judge = Judge(
        view=View(first_state()),
        seen=lambda _: seen,
        time=time,
        limits=limits,
        applications=APPLICATIONS,
    )
    return judge.choose(waiting)


def many(signer: str, count: int, *commands: Record) -> list[VerifiedTransaction]:
    first = 0 if signer == RIVERSIDE else 1_000
    return [verified(signer, *commands, nonce=first + number) for number in range(count)]


def test_every_command_counts() -> None:
    chosen = choose(many(RIVERSIDE, 6, NOTE, NOTE, NOTE)).chosen
    assert len(chosen) == 2  # eight commands are not protected, and nine are three transactions
    roomy = NetworkParameters(transactions_per_block=1_000_000)
    crowd = many(RIVERSIDE, 70, *[NOTE] * 64)
    full = choose(crowd, roomy)
    assert len(full.chosen) == MAX_BLOCK_COMMANDS // 64
    assert full.deferred == crowd[len(full.chosen) :]


def test_a_flood_waits_so_far_and_no_farther_and_never_keeps_out_a_revocation() -> None:
    flood, refusals = many(RIVERSIDE, 100, NOTE), many(ANA, 60, Protect())
    proposal = choose(flood + refusals + many(LAKEVIEW, 1, NOTE))
    assert [one.signer for one in proposal.chosen] == [RIVERSIDE] * 8 + [ANA] * 2 + [LAKEVIEW]
    waiting = [str(one.signer) for one in proposal.deferred]
    assert (waiting.count(RIVERSIDE), waiting.count(ANA)) == (40, 40)
    assert {type(error) for _, error in proposal.refused} == {OverBudget}
    assert len(proposal.refused) == 100 + 60 - 8 - 2 - 80


def test_what_fits_into_no_block_is_over_budget() -> None:
    wide = verified(RIVERSIDE, *[NOTE] * 9)
    assert [type(error) for _, error in choose([wide]).refused] == [OverBudget]
    protective = verified(ANA, *[Protect()] * 9)
    assert choose([protective]).chosen == [protective]


def test_a_replay_is_a_replay_though_its_time_is_over() -> None:
    once = verified(RIVERSIDE, NOTE)
    late = NOW + 100_000
    assert [type(error) for _, error in choose([once], seen=True, time=late).refused] == [Replayed]
    assert [type(error) for _, error in choose([once], time=late).refused] == [Expired]
    twice = choose([once, once])
    assert (twice.chosen, [type(error) for _, error in twice.refused]) == ([once], [Replayed])
