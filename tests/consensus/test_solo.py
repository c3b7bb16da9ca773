import asyncio
import errno
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from careledger.consensus.chain import Chain
from careledger.consensus.intake import Busy, Limits, Ordered
from careledger.consensus.solo import SoloEngine
from careledger.ledger.errors import Unavailable
from careledger.ledger.membership import NetworkParameters
from careledger.ledger.state import View
from careledger.ledger.transaction import (
    Expired,
    MalformedTransaction,
    NotYetValid,
    OverBudget,
    SignatureInvalid,
    UnknownKey,
    WrongChain,
)
from tests.consensus.world import engine, sign
from tests.ledger.world import ANA, LAKEVIEW, NOTES, NOW, RIVERSIDE, Protect, SetNote, Unwelcome

Story = Callable[[SoloEngine, Chain], Awaitable[None]]


def run(folder: Path, story: Story, **options: Any) -> None:
    async def play() -> None:
        async with engine(folder / "chain", **options) as (solo, chain):
            await story(solo, chain)

    asyncio.run(asyncio.wait_for(play(), 60))


def note(chain: Chain, number: int, signer: str = ANA, **changed: Any) -> bytes:
    return sign(chain.id, signer, SetNote(at=f"n{number}", text="hello"), number, **changed)


def test_a_submitted_transaction_is_durable_when_acknowledged(tmp_path: Path) -> None:
    async def story(solo: SoloEngine, chain: Chain) -> None:
        ordered = await solo.submit(note(chain, 1))
        assert (ordered.receipt.code, ordered.index, ordered.height) == (0, 1, 1)
        with chain.store.snapshot() as committed:
            assert View(committed).row(NOTES, ANA, "n1").text == "hello"
            assert committed.latest().height == ordered.height

    run(tmp_path, story)


def test_a_refusal_has_a_receipt(tmp_path: Path) -> None:
    async def story(solo: SoloEngine, chain: Chain) -> None:
        raw = sign(chain.id, ANA, SetNote(at="x", text="unwelcome"), 1)
        assert (await solo.submit(raw)).receipt.code == Unwelcome.code

    run(tmp_path, story)


def test_resubmitting_returns_the_first_receipt(tmp_path: Path) -> None:
    async def story(solo: SoloEngine, chain: Chain) -> None:
        raw = note(chain, 1)
        first = await solo.submit(raw)
        await solo.submit(note(chain, 2))
        assert await solo.submit(raw) == first
        twins = await asyncio.gather(*(solo.submit(note(chain, 3)) for _ in range(5)))
        assert len({(one.index, one.height) for one in twins}) == 1

    run(tmp_path, story)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_inadmissible_are_told_why_and_enter_no_block(tmp_path: Path, workers: int) -> None:
    async def story(solo: SoloEngine, chain: Chain) -> None:
        forged = bytearray(note(chain, 1))
        forged[-1] ^= 1
        cases: list[tuple[bytes, type[Exception]]] = [
            (b"garbage", MalformedTransaction),
            (bytes(forged), SignatureInvalid),
            (note(chain, 1, audience="0" * 64), WrongChain),
            (note(chain, 1, not_before=NOW - 9, expires=NOW - 1), Expired),
            (note(chain, 1, not_before=NOW + 61, expires=NOW + 99), NotYetValid),
            (note(chain, 1, "@" + "z" * 26), UnknownKey),
        ]
        answers = await asyncio.gather(
            *(solo.submit(raw) for raw, _ in cases), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [error for _, error in cases]
        assert chain.store.latest.size == 1

    run(tmp_path, story, workers=workers)


def test_many_are_ordered_once_each_in_one_order(tmp_path: Path) -> None:
    async def story(solo: SoloEngine, chain: Chain) -> None:
        raws = [note(chain, number) for number in range(600)]
        ordered = await asyncio.gather(*map(solo.submit, raws))
        assert len({one.index for one in ordered}) == 600
        with chain.store.snapshot() as committed:
            for raw, one in zip(raws, ordered, strict=True):
                assert committed.transaction_at(one.index) == raw
        assert chain.store.latest.height < 600  # group commit

    run(tmp_path, story, workers=1)


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    async def story(solo: SoloEngine, chain: Chain) -> None:
        answers = [solo.enqueue(note(chain, number)) for number in range(10)]
        with pytest.raises(Busy):
            solo.enqueue(note(chain, 11))
        with pytest.raises(Busy):
            solo.enqueue(b"garbage")
        revoked = solo.enqueue(sign(chain.id, ANA, Protect(), 12))  # a tenth is kept for these
        await asyncio.gather(*answers, revoked)
        await solo.submit(note(chain, 11))

    run(tmp_path, story, queue=Limits(transactions=12))


def test_a_member_has_its_share_of_a_block_and_revocations_a_reserved_one(tmp_path: Path) -> None:
    limits = NetworkParameters(transactions_per_block=10, protective_percent=20)

    async def story(solo: SoloEngine, chain: Chain) -> None:
        crowd = [solo.enqueue(note(chain, number, RIVERSIDE)) for number in range(40)]
        other = solo.enqueue(note(chain, 90, LAKEVIEW))
        protect = solo.enqueue(sign(chain.id, ANA, Protect(), 91))
        first: Ordered = await protect
        assert (await other).height == first.height
        ordered = await asyncio.gather(*crowd)
        by_height: dict[int, int] = {}
        for one in ordered:
            by_height[one.height] = by_height.get(one.height, 0) + 1
        assert set(by_height.values()) == {8}

    run(tmp_path, story, limits=limits)


def test_block_time_never_runs_back(tmp_path: Path) -> None:
    times = iter([NOW + 50, NOW + 50])

    async def story(solo: SoloEngine, chain: Chain) -> None:
        first = await solo.submit(note(chain, 1))
        second = await solo.submit(note(chain, 2))
        assert first.time <= second.time

    run(tmp_path, story, clock=lambda: next(times, NOW - 1_000_000))


@pytest.mark.parametrize("persisted", [True, False])
def test_a_failed_write_is_not_acknowledged_unless_it_is_there(
    tmp_path: Path, *, persisted: bool
) -> None:
    failures = [True]

    def commit(transaction: Any) -> None:
        if failures:
            failures.pop()
            if persisted:
                transaction.commit()
            raise OSError(errno.EIO, "no answer")
        transaction.commit()

    async def story(solo: SoloEngine, chain: Chain) -> None:
        raw = note(chain, 1)
        if persisted:
            assert (await solo.submit(raw)).receipt.code == 0
        else:
            with pytest.raises(Unavailable):
                await solo.submit(raw)
            assert solo.trouble
        again = await solo.submit(raw)
        assert (again.receipt.code, again.index) == (0, 1)
        assert solo.trouble is None

    run(tmp_path, story, commit=commit)


def test_an_unknown_failure_halts_and_leaves_nobody_waiting(tmp_path: Path) -> None:
    def commit(transaction: Any) -> None:
        raise AssertionError

    async def story(solo: SoloEngine, chain: Chain) -> None:
        with pytest.raises(Unavailable):
            await solo.submit(note(chain, 1))
        with pytest.raises(AssertionError):
            await solo.halted
        with pytest.raises(Unavailable):
            await solo.submit(note(chain, 2))

    run(tmp_path, story, commit=commit)


def test_a_dead_worker_costs_speed_not_transactions(tmp_path: Path) -> None:
    async def story(solo: SoloEngine, chain: Chain) -> None:
        await asyncio.gather(*(solo.submit(note(chain, number)) for number in range(50)))
        for child in multiprocessing.active_children():
            child.kill()
        answers = await asyncio.gather(*(solo.submit(note(chain, 100 + n)) for n in range(50)))
        assert [one.receipt.code for one in answers] == [0] * 50

    run(tmp_path, story, workers=1)


def slow(transaction: Any) -> None:
    time.sleep(0.3)
    transaction.commit()


async def until_checked(solo: SoloEngine, answer: "asyncio.Future[Ordered]") -> None:
    """Until the transaction waits for a block."""
    while not solo._intake._by_id and not answer.done():  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)


def test_who_gives_up_waiting_takes_nobody_along(tmp_path: Path) -> None:
    async def story(solo: SoloEngine, chain: Chain) -> None:
        impatient = solo.enqueue(note(chain, 1))
        await until_checked(solo, impatient)
        twin = solo.enqueue(note(chain, 1))
        impatient.cancel()
        assert (await twin).receipt.code == 0
        impatient = solo.enqueue(note(chain, 2))
        await until_checked(solo, impatient)
        impatient.cancel()
        await asyncio.sleep(0)
        assert (await solo.submit(note(chain, 2))).receipt.code == 0

    run(tmp_path, story, commit=slow)


def test_what_waits_is_bounded_though_nobody_waits_for_it(tmp_path: Path) -> None:
    async def story(solo: SoloEngine, chain: Chain) -> None:
        for number in range(10):
            solo.enqueue(note(chain, number)).cancel()
            await asyncio.sleep(0)
        with pytest.raises(Busy):
            solo.enqueue(note(chain, 10))
        await asyncio.sleep(1)
        await solo.submit(note(chain, 99))

    run(tmp_path, story, queue=Limits(transactions=12), commit=slow)


def test_closing_answers_everyone_the_durable_with_their_receipts(tmp_path: Path) -> None:
    async def story(solo: SoloEngine, chain: Chain) -> None:
        first = solo.enqueue(note(chain, 1))
        await asyncio.sleep(0.1)
        others = []
        for number in range(2, 5):
            others.append(solo.enqueue(note(chain, number)))
            await asyncio.sleep(0.05)
        await solo.close()
        assert (await asyncio.wait_for(first, 1)).receipt.code == 0
        for other in others:
            with pytest.raises(Unavailable):
                await asyncio.wait_for(other, 1)

    run(tmp_path, story, commit=slow)


def test_a_halt_leaves_nobody_waiting_who_came_later(tmp_path: Path) -> None:
    def commit(transaction: Any) -> None:
        time.sleep(0.3)
        raise AssertionError

    async def story(solo: SoloEngine, chain: Chain) -> None:
        answers = []
        for number in range(5):
            answers.append(solo.enqueue(note(chain, number)))
            await asyncio.sleep(0.05)
        for answer in answers:
            with pytest.raises(Unavailable):
                await asyncio.wait_for(answer, 2)

    run(tmp_path, story, commit=commit)


def test_what_fits_into_no_block_is_told_so_and_makes_no_blocks(tmp_path: Path) -> None:
    async def story(solo: SoloEngine, chain: Chain) -> None:
        large = sign(chain.id, ANA, SetNote(at="x", text="x" * 900), 1)
        with pytest.raises(OverBudget):
            await asyncio.wait_for(solo.submit(large), 3)
        assert (await solo.submit(sign(chain.id, ANA, Protect(), 2))).receipt.code == 0
        assert chain.store.latest.height <= 3

    run(tmp_path, story, limits=NetworkParameters(bytes_per_block=1_000))


def test_resubmitting_gives_the_first_receipt_even_when_its_time_is_over(tmp_path: Path) -> None:
    now = [NOW]

    async def story(solo: SoloEngine, chain: Chain) -> None:
        raw = note(chain, 1)
        first = await solo.submit(raw)
        now[0] = NOW + 100_000
        assert await solo.submit(raw) == first

    run(tmp_path, story, clock=lambda: now[0])


def test_no_block_is_older_than_the_time_its_transactions_were_judged_by(tmp_path: Path) -> None:
    times = iter([NOW, NOW + 100])

    async def story(solo: SoloEngine, chain: Chain) -> None:
        ahead = note(chain, 1, not_before=NOW + 160, expires=NOW + 600)
        with pytest.raises(NotYetValid):
            await solo.submit(ahead)
        ordered = await solo.submit(ahead)
        assert ordered.time + 60 >= NOW + 160

    run(tmp_path, story, clock=lambda: next(times, NOW))
