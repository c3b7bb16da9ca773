"""What is asked at the same time is written at once, and nothing is answered before that."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from careledger.exchange.together import Together
from careledger.ledger.errors import Unavailable


class Disk:
    """Remembers what was written in one go; it may be full."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []
        self.full = False

    def write(self, things: Sequence[str]) -> None:
        if self.full:
            raise Unavailable("SQLITE_FULL")
        self.written.append(list(things))


def test_questions_of_one_turn_share_a_write_and_wait_for_it() -> None:
    async def story() -> None:
        disk = Disk()
        together = Together(disk.write)

        def question(number: int) -> int:
            assert together.takes([f"{number}a"])
            assert together.takes([f"{number}b"])
            assert not disk.written
            return number

        async def ask(number: int) -> int:
            answer = await together.ask(lambda: question(number))
            assert f"{number}b" in disk.written[0]
            return answer

        assert await asyncio.gather(*map(ask, range(8))) == list(range(8))
        assert disk.written == [[f"{number}{one}" for number in range(8) for one in "ab"]]
        await together.ask(lambda: together.takes(["later"]))
        assert disk.written[1:] == [["later"]]

    asyncio.run(story())


def test_a_question_that_leaves_nothing_waits_for_nobody() -> None:
    disk = Disk()
    assert asyncio.run(Together(disk.write).ask(lambda: 7)) == 7
    assert disk.written == []


def test_when_it_cannot_be_written_nobody_is_answered() -> None:
    async def story() -> None:
        disk = Disk()
        disk.full = True
        together = Together(disk.write)
        asked = (together.ask(lambda: together.takes(["read"])) for _ in range(3))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in answers] == [Unavailable] * 3
        disk.full = False
        assert await together.ask(lambda: together.takes(["again"]))
        assert disk.written == [["again"]]

    asyncio.run(story())


def test_whoever_goes_away_leaves_what_they_noted() -> None:
    async def story() -> None:
        disk = Disk()
        together = Together(disk.write)
        stays = asyncio.create_task(together.ask(lambda: together.takes(["stays"])))
        goes = asyncio.create_task(together.ask(lambda: together.takes(["goes"])))
        await asyncio.sleep(0)
        goes.cancel()
        assert await stays
        assert disk.written == [["stays", "goes"]]

    asyncio.run(story())


def test_what_was_noted_before_a_question_failed_is_written() -> None:
    disk = Disk()
    together = Together(disk.write)

    def fails() -> None:
        together.takes(["noted"])
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(together.ask(fails))
    assert disk.written == [["noted"]]


def test_other_threads_write_for_themselves() -> None:
    together = Together(Disk().write)
    with ThreadPoolExecutor(1) as elsewhere:
        theirs = asyncio.run(
            together.ask(lambda: elsewhere.submit(together.takes, ["theirs"]).result())
        )
    assert not theirs
    assert not together.takes(["outside"])
