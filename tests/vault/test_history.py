"""What Ana's record was before, the newest first, as far as whoever asks may see it now."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.mechanisms import terms
from careledger.mechanisms.policy import Permit
from careledger.vault.index import consent_facts
from careledger.vault.objects import PatientRef
from careledger.vault.opening import Opened
from careledger.vault.rows import Step
from careledger.vault.vault import Vault

from . import world
from .world import ANA, ANA_MRN, BEN, BEN_MRN, NOW, arrival, deletion, observation, own

STORES = world.BOTH

A1C = terms.Provision(effect="permit", codes=(f"{world.LOINC}|4548-4",))


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with world.vault(tmp_path) as vault:
        yield vault


@pytest.fixture
def ana(vault: Vault) -> PatientRef:
    return vault.register(ANA_MRN, ANA)


def seen(versions: list[Opened]) -> list[tuple[str, int, bool]]:
    return [(one.id, one.version, one.deleted) for one in versions]


def test_versions_come_newest_first_with_deletions(vault: Vault, ana: PatientRef) -> None:
    vault.put([arrival(ana, observation("x")), arrival(ana, observation("y"))], NOW)
    vault.put([arrival(ana, observation("x", value="8.0"))], NOW + 1)
    vault.put([deletion(ana, "Observation", "y")], NOW + 2)
    vault.put([arrival(None, world.practitioner("cho"))], NOW + 3)
    everything = vault.history(own(ANA), limit=10, at=NOW)
    assert seen(everything) == [("y", 2, True), ("x", 2, False), ("y", 1, False), ("x", 1, False)]
    assert [one.stored - NOW for one in everything] == [2, 1, 0, 0]
    assert seen(vault.history(own(ANA), "Observation", "x", limit=10, at=NOW)) == [
        ("x", 2, False),
        ("x", 1, False),
    ]
    assert seen(vault.history(own(ANA), since=NOW + 1, limit=10, at=NOW)) == [
        ("y", 2, True),
        ("x", 2, False),
    ]
    assert vault.history(own(ANA), "Patient", limit=10, at=NOW) == []
    assert seen(vault.history(None, limit=10, at=NOW)) == [("cho", 1, False)]


def test_an_entry_says_when_and_in_which_order_it_was_stored(vault: Vault, ana: PatientRef) -> None:
    vault.put([arrival(ana, observation("x")), arrival(ana, observation("y"))], NOW)
    (again,) = vault.put([arrival(ana, observation("x"))], NOW + 5)
    entry = vault.entry(own(ANA), "Observation", "x", NOW)
    assert entry is not None
    assert (entry.version, entry.stored, entry.seq) == (2, NOW + 5, again.seq)
    late = vault.search(own(ANA), lambda entry: entry.stored > NOW, NOW)
    assert [entry.id for entry in late] == ["x"]
    assert vault.entry(own(BEN), "Observation", "x", NOW) is None
    assert vault.entry(own(ANA), "Observation", "z", NOW) is None
    vault.put([deletion(ana, "Observation", "y")], NOW + 6)
    gone = vault.entry(own(ANA), "Observation", "y", NOW)
    assert gone is not None
    assert gone.deleted
    only_a1c = world.granted(ANA, terms.Provision(effect="permit", types=("Condition",)))
    assert vault.entry(only_a1c, "Observation", "x", NOW) is None
    vault.put([arrival(None, world.practitioner("cho"))], NOW + 7)
    cho = vault.entry_directory("Practitioner", "cho")
    assert cho is not None
    assert cho.stored == NOW + 7
    assert vault.entry_directory("Observation", "x") is None


def test_merged_records_have_one_history(vault: Vault, ana: PatientRef) -> None:
    ben = vault.register(BEN_MRN, BEN)
    for number in range(3):
        vault.put([arrival(ana, observation(f"a{number}"))], NOW)
        vault.put([arrival(ben, observation(f"b{number}"))], NOW)
    vault.merge(ben, ana, NOW)
    found = vault.history(own(ANA), limit=5, at=NOW)
    assert [one.id for one in found] == ["b2", "a2", "b1", "a1", "b0"]
    assert {one.account for one in found} == {ANA, BEN}
    (last,) = vault.history(own(ANA), before=found[-1].seq, limit=5, at=NOW)
    assert last.id == "a0"


puts = st.lists(
    st.tuples(
        st.sampled_from("uvwxyz"), st.sampled_from(["4548-4", "7917-8", None]), st.booleans()
    ),
    max_size=30,
)


@given(puts=puts, limit=st.integers(1, 5))
def test_a_history_is_what_is_covered_whatever_the_pages(
    tmp_path_factory: pytest.TempPathFactory,
    puts: list[tuple[str, str | None, bool]],
    limit: int,
) -> None:
    """None stands for a deletion; a resource whose newest version is not covered has no history."""
    alive, expected = set[str](), list[Opened]()
    with world.vault(tmp_path_factory.mktemp("vault")) as vault:
        ana, ben = vault.register(ANA_MRN, ANA), vault.register(BEN_MRN, BEN)
        for number, (letter, code, of_ben) in enumerate(puts):
            patient, id_ = (ben, "b" + letter) if of_ben else (ana, letter)
            if code is not None:
                vault.put([arrival(patient, observation(id_, code))], NOW + number)
                alive.add(id_)
            elif id_ in alive:
                vault.put([deletion(patient, "Observation", id_)], NOW + number)
                alive.discard(id_)
        permit = world.granted(ANA, A1C)
        for id_ in "uvwxyz":
            expected += versions(vault, permit, id_)
        expected.sort(key=lambda one: -one.seq)
        found = list[Opened]()
        while page := vault.history(
            permit, before=found[-1].seq if found else None, limit=limit, at=NOW
        ):
            found += page
        assert found == expected


def versions(vault: Vault, permit: Permit, id_: str) -> list[Opened]:
    """By opening one after the other, which is how it is defined."""
    newest = vault.open(own(ANA), "Observation", id_, at=NOW)
    if newest is None or not permit.covers(consent_facts(newest.facts)).allowed:
        return []
    opened = (
        vault.open(permit, "Observation", id_, number, at=NOW)
        for number in range(newest.version, 0, -1)
    )
    return [one for one in opened if one is not None]


def test_an_index_of_an_earlier_release_is_made_anew(tmp_path: Path) -> None:
    with world.vault(tmp_path) as vault:
        vault.put([arrival(vault.register(ANA_MRN, ANA), observation("x"))], NOW)
        vault.put([arrival(None, world.practitioner("cho"))], NOW)
        before = vault.search(own(ANA), world.anything, NOW)
    with world.rows(tmp_path) as (data, _):
        data.write(
            [
                Step("UPDATE segments SET sealed = ?", [(b"of another form",)]),
                Step("DELETE FROM meta WHERE name = ?", [("index",)]),
            ]
        )
    with world.vault(tmp_path) as vault:
        assert vault.search(own(ANA), world.anything, NOW) == before
        assert vault.check() == []
