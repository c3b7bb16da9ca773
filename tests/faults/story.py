"""What people lived through while a network was broken, and whether every node tells it so."""

import asyncio
import contextlib
import random
import threading
from collections.abc import Iterator
from pathlib import Path

from careledger.apps import installed
from careledger.node.fsck import check
from careledger.store.reader import StoreReader
from tests.faults.history import Log, Placed, contradictions
from tests.faults.people import People, wrongly_disclosed
from tests.faults.validators import Validators

PATIENTS = 4


@contextlib.contextmanager
def people_in(network: Validators, chance: random.Random) -> Iterator[People]:
    """Everybody, in a thread of their own; at the end, they have finished."""
    people = People(network.network, [node.url for node in network.nodes], chance)
    arrived, failed = threading.Event(), list[BaseException]()
    enough = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def live() -> None:
        await people.arrive(PATIENTS)
        arrived.set()
        await enough.wait()
        await people.leave()

    def run() -> None:
        try:
            loop.run_until_complete(live())
        except BaseException as error:  # noqa: BLE001 - the test's thread raises it
            failed.append(error)
            arrived.set()
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert arrived.wait(120)
        yield people
    finally:
        with contextlib.suppress(RuntimeError):  # it has failed and is closed
            loop.call_soon_threadsafe(enough.set)
        thread.join(180)
    if failed:
        raise failed[0]
    assert not thread.is_alive()


def check_story(people: People, ledgers: list[Path]) -> None:
    """Nothing lost, nothing twice, in real order, and the same at every node."""
    logs = {str(ledger): _log(ledger) for ledger in ledgers}
    assert contradictions(people.operations, logs) == []
    assert wrongly_disclosed(people) == []
    hashes = [_app_hashes(ledger) for ledger in ledgers]
    shortest = min(map(len, hashes))
    assert all(one[:shortest] == hashes[0][:shortest] for one in hashes)
    for ledger in ledgers:
        report = check(ledger, installed())
        assert report.is_sound, report.findings
    by_kind = [(one.kind, one.code) for one in people.operations]
    # Without each of these, the run would have shown nothing.
    assert ("RevokeConsent", 0) in by_kind
    assert ("DiscloseRecords", 0) in by_kind
    assert any(kind == "DiscloseRecords" and code for kind, code in by_kind)


def _log(ledger: Path) -> Log:
    with StoreReader(ledger) as reader, reader.snapshot() as committed:
        return {
            index: Placed(id=receipt.id, code=receipt.code)
            for index, receipt in committed.receipts(0)
        }


def _app_hashes(ledger: Path) -> list[bytes]:
    with StoreReader(ledger) as reader, reader.snapshot() as committed:
        heights = range(committed.latest().height + 1)
        headers = [committed.header(height) for height in heights]
    return [header.app_hash for header in headers if header is not None]
