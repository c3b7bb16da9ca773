"""An application moves on to another version at a height that was voted for, on every node."""

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careledger.apps.governance.commands import Activate
from careledger.apps.governance.motions import ACTIVATION_NOTICE
from careledger.consensus.chain import Chain
from careledger.consensus.solo import SoloEngine
from careledger.ledger.errors import Unavailable
from careledger.ledger.genesis import Activation, MissingVersion, load_genesis
from careledger.ledger.record import decode
from careledger.ledger.state import View
from careledger.node.fsck import check
from careledger.store.reader import StoreReader
from tests.apps.network import HILLTOP
from tests.ledger.world import NOTES, NoteSet, SetNote
from tests.node.governed import NEW, OLD, TOY_2, Governed

# Newer Pythons warn of any fork while pytest-xdist's own threads run; those hold none of our locks.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")

HEIGHT = ACTIVATION_NOTICE + 1
UPGRADE = Activate(application="toy", version=2, height=HEIGHT)
AHEAD = (Activation(application="toy", version=2, height=HEIGHT),)


def note(node: Governed, at: str) -> str:
    """What the ledger makes of a note that says hello."""
    [receipt] = node.block(node.sign(HILLTOP, SetNote(at=at, text="hello")))
    [event] = receipt.events
    return decode(event.event, NoteSet).text


def test_old_blocks_keep_what_the_old_version_made_of_them(tmp_path: Path) -> None:
    with Governed(tmp_path, NEW) as node:
        node.vote(UPGRADE)
        assert note(node, "early") == "hello"
        node.blocks_until(HEIGHT - 2)
        assert note(node, "last") == "hello"
        assert node.store.latest.height == HEIGHT - 1
        assert note(node, "first") == "HELLO"
        node.block()
        assert note(node, "later") == "HELLO"
    report = check(tmp_path, NEW)
    assert report.findings == ()
    assert report.blocks == HEIGHT + 3
    with StoreReader(tmp_path) as reader, reader.snapshot() as committed:
        view = View(committed)
        texts = [view.row(NOTES, HILLTOP, at).text for at in ("early", "last", "first", "later")]
    assert texts == ["hello", "hello", "HELLO", "HELLO"]


def test_replaying_under_one_version_only_would_be_another_chain(tmp_path: Path) -> None:
    """So the test above can fail."""
    with Governed(tmp_path, NEW) as node:
        node.vote(UPGRADE)
        note(node, "early")
        node.blocks_until(HEIGHT)
    always_new = {**NEW, ("toy", 1): replace(TOY_2, version=1)}
    first = check(tmp_path, always_new).first
    assert first is not None
    assert first.height == 2


def test_a_node_that_lacks_the_version_says_so_in_time_and_stops_before_the_height(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Governed(tmp_path, OLD) as node:
        assert node.chain.missing_versions() == ()
        with caplog.at_level(logging.WARNING):
            node.vote(UPGRADE)
        assert f"stops before height {HEIGHT}: it lacks toy version 2" in caplog.text
        node.blocks_until(HEIGHT - 1)
        assert note_refused(node) == f"toy version 2, which this network runs from height {HEIGHT}"
        assert node.store.latest.height == HEIGHT - 1
        assert node.chain.missing_versions() == AHEAD
        _, genesis = load_genesis(node.file)
        upgraded = Chain(node.store, node.id, genesis, NEW)
        assert upgraded.missing_versions() == ()
        assert upgraded.prepare([], node.store.latest.time).header.height == HEIGHT
    with Governed(tmp_path, NEW) as node:
        node.block()
    with pytest.raises(MissingVersion, match="toy version 2"):
        check(tmp_path, OLD)


def note_refused(node: Governed) -> str:
    with pytest.raises(MissingVersion) as caught:
        node.block(node.sign(HILLTOP, SetNote(at="too late", text="hello")))
    return str(caught.value).removeprefix("not installed: ").split(" on;")[0]


def test_an_engine_halts_for_good_and_answers_who_waits(tmp_path: Path) -> None:
    async def story(node: Governed) -> None:
        engine = SoloEngine(node.chain, clock=lambda: node.store.latest.time)
        await engine.start()
        waits = node.sign(HILLTOP, SetNote(at="door", text="hello"))
        with pytest.raises(Unavailable, match="MissingVersion"):
            await asyncio.wait_for(engine.submit(waits.raw), 10)
        assert engine.trouble is not None
        with pytest.raises(MissingVersion, match=f"from height {HEIGHT} on; upgrade first"):
            engine.halted.result()
        await engine.close()

    with Governed(tmp_path, OLD) as node:
        node.vote(UPGRADE)
        node.blocks_until(HEIGHT - 1)
        asyncio.run(story(node))


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 2), min_size=1, max_size=6), st.integers(0, 3))
def test_whatever_stood_around_the_height_a_replay_makes_the_same_of_it(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], before: int
) -> None:
    folder = tmp_path_factory.mktemp("upgrade")
    with Governed(folder, NEW) as node:
        node.vote(UPGRADE)
        node.blocks_until(HEIGHT - 1 - before)
        for number, size in enumerate(sizes):
            notes = [SetNote(at=f"{number}.{one}", text="hello") for one in range(size)]
            receipts = node.block(*(node.sign(HILLTOP, one) for one in notes))
            texts = {decode(one.events[0].event, NoteSet).text for one in receipts}
            loud = node.store.latest.height >= HEIGHT
            assert texts <= {"HELLO" if loud else "hello"}
    assert check(folder, NEW).findings == ()
