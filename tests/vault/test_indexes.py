"""An open index answers as if all of it had been decoded, and counts what it takes."""

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.ledger.errors import CorruptStore
from careledger.vault.index import Entry
from careledger.vault.indexes import OpenIndex

from . import world
from .world import NOW, account, anything, arrival, observation, own

TYPES = st.sampled_from(("Observation", "Condition", "Encounter"))
IDS = st.sampled_from("abcd")
STEPS: st.SearchStrategy[tuple[str, list[tuple[str, str]]]] = st.one_of(
    st.tuples(st.just("segment"), st.lists(st.tuples(TYPES, IDS), max_size=5)),
    st.tuples(st.just("add"), st.lists(st.tuples(TYPES, IDS), max_size=3)),
    st.tuples(st.just("get"), st.lists(st.tuples(TYPES, IDS), max_size=2)),
    st.tuples(st.just("type"), st.lists(st.tuples(TYPES, IDS), max_size=1)),
    st.tuples(st.just("all"), st.just([])),
)


def _entry(type_: str, id_: str, seq: int) -> Entry:
    facts = world.facts_of(observation(id_))
    return Entry(type_, id_, seq, deleted=False, facts=facts, stored=NOW, seq=seq)


@settings(deadline=None)
@given(st.lists(STEPS, max_size=12))
def test_whatever_was_looked_at_before_the_answers_are_the_same(
    steps: list[tuple[str, list[tuple[str, str]]]],
) -> None:
    index, expected, seq = OpenIndex({}, set(), 0, NOW), dict[tuple[str, str], Entry](), 0
    for step, keys in steps:
        entries = list[Entry]()
        for key in keys:
            seq += 1
            entries.append(_entry(*key, seq))
        if step == "segment":
            versions = index.take(msgspec.msgpack.encode(entries))
            assert versions == {(one.type, one.id): one.version for one in entries}
        if step == "add":
            index.add(entries, 0)
        if step in ("segment", "add"):
            expected.update({(one.type, one.id): one for one in entries})
        for key in keys:
            if step == "get":
                assert index.get(*key) == expected.get(key)
            if step == "type":
                found = list(index.of_type(key[0]))
                assert found == [one for one in expected.values() if one.type == key[0]]
    assert sorted(index.of_type(None), key=lambda one: one.seq) == sorted(
        expected.values(), key=lambda one: one.seq
    )


def test_what_is_no_entry_is_found_when_it_is_looked_at() -> None:
    index = OpenIndex({}, set(), 0, NOW)
    index.take(msgspec.msgpack.encode([("Observation", "a", 1, "not a flag")]))
    with pytest.raises(CorruptStore):
        index.get("Observation", "a")
    with pytest.raises(CorruptStore):
        list(index.of_type("Observation"))


def test_indexes_that_grow_when_they_are_looked_at_stay_within_the_bound() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        world.vault(Path(folder), index_bytes=100_000) as vault,
    ):
        people = [account(number) for number in range(12)]
        for number, one in enumerate(people):
            patient = vault.register(f"MRN-{number}", one)
            vault.put([arrival(patient, observation(f"o{number}-{at}")) for at in range(10)], NOW)
        for one in people:
            assert len(vault.search(own(one), anything, NOW)) == 10
        cache = vault._indexes._cache
        indexes = [index for _, index in cache._values.values()]
        assert 0 < len(indexes) < len(people)
        assert sum(index.weight for index in indexes[:-1]) <= 100_000
