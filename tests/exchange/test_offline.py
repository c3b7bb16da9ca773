"""What happens without a quorum: nothing, and the reason; and break-glass, on a written entry."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from careledger.apps.records.commands import AnchorLocalReads, RecordOffline
from careledger.apps.records.queries import late, log, offline
from careledger.exchange import offline as custodian_side
from careledger.exchange.ask import Requester
from careledger.exchange.cabinet import Cabinet
from careledger.exchange.errors import NotVerified, RequestRejected, Stale
from careledger.exchange.offline import Written
from careledger.exchange.remote_records import RemoteRecords
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import MemberId, decode, decode_trusted
from careledger.ledger.state import View
from careledger.ledger.statement import parse_statement
from careledger.mechanisms.messages import OFFLINE_NOTICE
from careledger.mechanisms.offline import CONTENT_TYPE, NONE_BEFORE, OfflineEntry
from tests.exchange.reading import read
from tests.exchange.test_other_bases import BREAK_GLASS, OWN, emergency
from tests.exchange.world import (
    ANA,
    ANA_LOCAL,
    DR_CHO,
    EVERYTHING,
    LAKEVIEW,
    MEDICATIONS,
    RIVERSIDE,
    TREAT,
    World,
    tell,
)

Query = Any


async def break_glass(
    world: World, query: Query = EVERYTHING, statement: bytes | None = None
) -> RemoteRecords:
    return await world.lakeview.requester.read(
        ANA_LOCAL, RIVERSIDE, query, BREAK_GLASS, emergency=statement or emergency(world)
    )


def entries(world: World) -> list[OfflineEntry]:
    """What Riverside wrote, oldest first."""
    kept = world.riverside.offline._cabinet.by_about("offline")
    written = [decode_trusted(one.content, Written) for one in kept]
    payloads = (parse_statement(one.entry, CONTENT_TYPE).payload for one in written)
    return [decode(payload, OfflineEntry) for payload in payloads]


def recorded(world: World) -> list[int]:
    """The numbers of Riverside's entries on the ledger."""
    with world.view() as committed:
        view = View(committed)
        numbers = range(1, 50)
        return [one for one in numbers if offline(view, RIVERSIDE, one) is not None]


async def until(done: Callable[[], bool]) -> None:
    """Wait for what happens by itself."""
    for _ in range(1_000):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError


async def settled(world: World) -> None:
    """Everything that waits at Riverside is recorded."""
    await until(lambda: not world.riverside.offline.waiting)


def test_without_the_ledger_nothing_is_permitted_and_the_message_says_so(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, MEDICATIONS, TREAT)
        await world.stop_the_network()
        with pytest.raises(Stale, match="the network does not decide now: its newest block is"):
            await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, MEDICATIONS, TREAT)
        with pytest.raises(Stale):
            read(world.riverside, OWN, "Observation", "o1")
        assert entries(world) == []

    tell(tmp_path, story)


def test_break_glass_goes_on_and_is_recorded_first_afterwards(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.stop_the_network()
        released = world.clock()
        got = await break_glass(world)
        assert (got.basis, len(got.resources), got.recorded) == ("break-glass", 5, False)
        assert got.notice == OFFLINE_NOTICE
        (entry,) = entries(world)
        assert (entry.number, entry.previous, entry.account) == (1, NONE_BEFORE, ANA)
        assert recorded(world) == []
        world.offset += 7_200
        await world.go_on()
        await world.riverside.organisation.submit(  # anything at all of Riverside's
            "records", AnchorLocalReads(root=bytes(32), size=1, sequence=1)
        )
        assert recorded(world) == [1]
        await settled(world)
        await until(lambda: not world.lakeview.acknowledgements.outstanding())
        (line,) = world.riverside.log.entries(ANA)
        assert (line.basis, line.practitioner, line.acknowledged) == ("break-glass", DR_CHO, "met")
        with world.view() as committed:
            (first,) = log(View(committed), ANA)
            row = late(View(committed), RIVERSIDE, MemberId(LAKEVIEW), first.number)
        assert row is not None
        assert (row.released, row.sequence, row.genuine) == (released, 1, True)

    tell(tmp_path, story)


def test_entries_are_numbered_and_chained_over_several_outages(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ids = [NONE_BEFORE]
        for outage in range(2):
            await world.stop_the_network()
            for _ in range(2):
                await break_glass(world, MEDICATIONS)
            await world.go_on()
            await settled(world)
            assert recorded(world) == list(range(1, 2 * outage + 3))
        with world.view() as committed:
            rows = [offline(View(committed), RIVERSIDE, one) for one in (1, 2, 3, 4)]
        ids += [row.entry for row in rows if row is not None]
        assert [(one.number, one.previous) for one in entries(world)] == [
            (number, ids[number - 1]) for number in (1, 2, 3, 4)
        ]

    tell(tmp_path, story)


def test_only_the_emergency_statement_opens_and_only_for_what_it_says(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.stop_the_network()
        for statement in (emergency(world, account="@" + "b" * 26), emergency(world, until=1)):
            with pytest.raises((RequestRejected, Stale)):
                await break_glass(world, statement=statement)
        assert entries(world) == []
        assert world.riverside.offline.waiting == 0

    tell(tmp_path, story)


def test_a_request_is_answered_once_without_the_ledger_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.stop_the_network()
        await break_glass(world)
        (url, message, _) = world.letters[-1]
        again = await world.transport(url, message)
        assert len(again) < 1_000  # a rejection, not the records
        assert len(entries(world)) == 1

    tell(tmp_path, story)


def test_what_was_altered_on_the_way_is_not_accepted(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.stop_the_network()
        world.tamper = lambda answer: answer[:-1] + bytes([answer[-1] ^ 1])
        with pytest.raises(NotVerified):
            await break_glass(world)

    tell(tmp_path, story)


@contextlib.contextmanager
def crash(monkeypatch: pytest.MonkeyPatch, where: object, name: str) -> Iterator[None]:
    """The process ends at that call: before whatever it does is done."""

    def end(*_: object, **__: object) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(where, name, end)
        yield


class Crash(BaseException):
    """The end of the process, for the test."""


@pytest.mark.parametrize(
    ("where", "name", "written"),
    [
        (Cabinet, "put", 0),
        (custodian_side, "parts_of", 1),
        (Requester, "_opened", 1),
    ],
)
def test_a_crash_while_releasing_loses_and_doubles_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: object,
    name: str,
    written: int,
) -> None:
    async def story(world: World) -> None:
        await world.stop_the_network()
        with crash(monkeypatch, where, name), pytest.raises(Crash):
            await break_glass(world)
        kept = world.riverside.offline._cabinet.undone()
        assert len(kept) == written
        again = await break_glass(world)
        assert again.number == written + 1
        await world.go_on()
        await settled(world)
        assert recorded(world) == list(range(1, written + 2))

    tell(tmp_path, story)


def test_a_crash_between_the_report_and_its_note_finds_it_on_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        await world.stop_the_network()
        await break_glass(world)
        await world.go_on()
        with crash(monkeypatch, Cabinet, "finish"), pytest.raises(Crash):
            await world.riverside.offline._record(world.riverside.offline._cabinet.undone()[0])
        assert recorded(world) == [1]
        assert world.riverside.offline.waiting == 1
        await settled(world)
        assert (recorded(world), world.riverside.offline.waiting) == ([1], 0)
        assert world.riverside.offline.trouble is None

    tell(tmp_path, story)


def test_an_entry_is_on_the_disk_before_anything_is_released(tmp_path: Path) -> None:
    """The file's every write waits for the disk; those that do not are the journal's alone."""

    async def story(world: World) -> None:
        rows = world.riverside.offline._cabinet._rows
        ((level,),) = rows.read("PRAGMA synchronous")
        assert level == 2  # FULL

    tell(tmp_path, story)


def test_what_waits_is_reported_by_the_next_run(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.stop_the_network()
        await break_glass(world)
        fresh = custodian_side.Offline(
            world.riverside.offline._organisation, world.riverside.offline._cabinet
        )
        assert fresh.waiting == 1
        await world.go_on()
        await fresh.report()
        assert (fresh.waiting, recorded(world)) == (0, [1])

    tell(tmp_path, story)


def test_an_entry_that_is_not_accepted_is_told_and_holds_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        await world.stop_the_network()
        await break_glass(world)
        await world.go_on()

        def wrong(**fields: bytes) -> RecordOffline:
            return RecordOffline(
                entry=fields["request"],
                **{name: value for name, value in fields.items() if name != "entry"},
            )

        with monkeypatch.context() as patched:
            patched.setattr(custodian_side, "RecordOffline", wrong)
            await world.riverside.offline.report()
        assert "entry 1 is not accepted" in str(world.riverside.offline.trouble)
        await world.riverside.organisation.submit(
            "records", AnchorLocalReads(root=bytes(32), size=1, sequence=1)
        )

    tell(tmp_path, story)


def test_while_the_network_is_still_away_nothing_of_riverside_s_goes_before(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        await world.stop_the_network()
        await break_glass(world)
        with pytest.raises(Unavailable):
            await world.riverside.organisation.submit(
                "records", AnchorLocalReads(root=bytes(32), size=1, sequence=1)
            )
        assert world.riverside.offline.waiting == 1

    tell(tmp_path, story)
