from dataclasses import replace
from typing import Any, NoReturn

import msgspec
import pytest
from msgspec import structs

from careledger.ledger.errors import BadSignature
from careledger.ledger.genesis import (
    Activation,
    BadGenesis,
    Genesis,
    GenesisEvent,
    MissingVersion,
    active_applications,
    genesis_block,
    genesis_changes,
    load_genesis,
    missing_versions,
)
from careledger.ledger.membership import ACTIVATIONS, ActivationRow, NetworkParameters, parameters
from careledger.ledger.record import Digest, digest
from careledger.ledger.state import View
from tests.ledger.world import NOTES, NOW, RIVERSIDE, TOY

EVENT = msgspec.Raw(b'{"type":"noted","owner":"riverside","at":"door","text":"hello"}')
GENESIS = Genesis(
    name="test",
    time=NOW,
    activations=(Activation(application="toy", version=1),),
    parameters=NetworkParameters(paper_consent=True),
    events=(GenesisEvent(application="toy", event=EVENT),),
)
INSTALLED = {("toy", 1): TOY}


def test_the_chain_id_is_the_digest_of_the_file() -> None:
    data = msgspec.json.encode(GENESIS)
    chain, genesis = load_genesis(data)
    assert chain == digest(data)
    assert genesis.name == "test"


def test_genesis_events_become_rows() -> None:
    changes = genesis_changes(GENESIS, active_applications(GENESIS, INSTALLED, 0))
    view = View(None, changes)
    assert view.row(NOTES, RIVERSIDE, "door").text == "hello"
    assert parameters(view).paper_consent


def test_the_log_begins_with_the_genesis_entry() -> None:
    closed = genesis_block(digest(b"x"), GENESIS, Digest(bytes(32)))
    assert (closed.header.height, closed.header.size, closed.header.time) == (0, 1, NOW)


def test_an_upgrade_acts_from_its_height() -> None:
    later = Genesis(
        name="test",
        time=NOW,
        activations=(Activation(application="toy", version=1, height=10),),
        parameters=NetworkParameters(),
        events=(),
    )
    assert active_applications(later, INSTALLED, 9) == {}
    assert active_applications(later, INSTALLED, 10) == {"toy": TOY}


def test_votes_add_to_what_genesis_activates_and_never_take_back() -> None:
    two, three = replace(TOY, version=2), replace(TOY, version=3)
    known = {("toy", 1): TOY, ("toy", 2): two, ("toy", 3): three}
    genesis = structs.replace(
        GENESIS,
        activations=(*GENESIS.activations, Activation(application="toy", version=3, height=20)),
    )
    view = View(
        None,
        {
            **ACTIVATIONS.put(ActivationRow(version=2), "toy", 10),
            **ACTIVATIONS.put(ActivationRow(version=2), "toy", 30),
        },
    )
    versions = [
        active_applications(genesis, known, height, view)["toy"].version
        for height in (0, 9, 10, 19, 20, 30, 99)
    ]
    assert versions == [1, 1, 2, 2, 3, 3, 3]


def test_what_is_missing_is_what_runs_now_or_will() -> None:
    view = View(None, ACTIVATIONS.put(ActivationRow(version=2), "toy", 10))
    ahead = (Activation(application="toy", version=2, height=10),)
    for height in (0, 9, 10, 11):
        assert missing_versions(GENESIS, INSTALLED, height, view) == ahead
    assert missing_versions(GENESIS, {("toy", 2): TOY}, 10, view) == (), "the old one is history"
    assert missing_versions(GENESIS, {("toy", 2): TOY}, 9, view) == GENESIS.activations
    assert active_applications(GENESIS, INSTALLED, 9, view) == {"toy": TOY}
    with pytest.raises(
        MissingVersion, match="toy version 2, which this network runs from height 10"
    ):
        active_applications(GENESIS, INSTALLED, 10, view)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\xff",
        msgspec.json.encode(GENESIS).replace(b'"time"', b'"tim"'),
        msgspec.json.encode(GENESIS).replace(bytes(EVENT), b"[" * 100_000 + b"]" * 100_000),
    ],
    ids=["nothing", "empty", "not json", "field", "deep"],
)
def test_what_is_no_genesis_says_what_is_wrong(data: bytes) -> None:
    with pytest.raises(BadGenesis, match="genesis file"):
        load_genesis(data)


def test_a_missing_application_or_event_is_named() -> None:
    with pytest.raises(BadGenesis, match="not installed: toy version 1"):
        active_applications(GENESIS, {}, 0)
    with pytest.raises(BadGenesis, match="not active: toy"):
        genesis_changes(GENESIS, {})


@pytest.mark.parametrize("fault", [KeyError, BadSignature])
def test_an_event_that_cannot_have_happened_first_is_named(fault: type[Exception]) -> None:
    def fail(*_: object) -> NoReturn:
        raise fault

    with pytest.raises(BadGenesis, match="event of toy: NoteSet"):
        genesis_changes(GENESIS, {"toy": replace(TOY, evolve=fail)})


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"parameters": NetworkParameters(transactions_per_block=1)}, "no room"),
        ({"activations": GENESIS.activations * 2}, "activated twice"),
    ],
)
def test_what_would_lock_everyone_out_is_no_genesis(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(BadGenesis, match=says):
        load_genesis(msgspec.json.encode(structs.replace(GENESIS, **changed)))
