"""Ana's results go in sealed and come out for her, for whom she allows, and for nobody else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.fhir.index import Facts
from careledger.ledger.record import AccountId
from careledger.mechanisms import terms
from careledger.vault.deposit import Arrival
from careledger.vault.errors import (
    AlreadyBound,
    NoOwner,
    NotMergeable,
    NotRegistered,
    Tampered,
    VersionConflict,
    WrongFacts,
    WrongOwner,
)
from careledger.vault.indexes import ENTRY_BYTES, JUDGED_BYTES
from careledger.vault.objects import PatientRef
from careledger.vault.rows import Step
from careledger.vault.vault import Vault

from . import world
from .world import ANA, ANA_MRN, BEN, BEN_MRN, NOW, anything, arrival, deletion, observation, own

STORES = world.BOTH


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with world.vault(tmp_path) as vault:
        yield vault


@pytest.fixture
def ana(vault: Vault) -> PatientRef:
    return vault.register(ANA_MRN, ANA)


@pytest.fixture
def ben(vault: Vault) -> PatientRef:
    return vault.register(BEN_MRN, BEN)


def test_what_goes_in_comes_out_byte_for_byte(vault: Vault, ana: PatientRef) -> None:
    data = observation("a1c", value="7.20")
    (stored,) = vault.put([arrival(ana, data)], NOW)
    assert (stored.version, stored.account) == (1, ANA)
    opened = vault.open(own(ANA), "Observation", "a1c", at=NOW)
    assert opened is not None
    assert (opened.data, opened.version, opened.stored) == (data, 1, NOW)
    assert opened.facts == world.facts_of(data)
    assert len(opened.salt) == 32


@given(
    resources=st.lists(
        st.tuples(st.sampled_from("xyz"), st.binary(min_size=1, max_size=300)), max_size=40
    ),
    cut=st.integers(0, 40),
)
def test_every_version_comes_back(
    tmp_path_factory: pytest.TempPathFactory, resources: list[tuple[str, bytes]], cut: int
) -> None:
    directory = tmp_path_factory.mktemp("vault")
    arrivals = list[Arrival]()
    with world.vault(directory) as vault:
        ana = vault.register(ANA_MRN, ANA)
        for id_, data in resources:
            facts = Facts(type="Observation", id=id_)
            arrivals.append(Arrival(ana, "Observation", id_, data, facts))
        vault.put(arrivals[:cut], NOW)
        for late in arrivals[cut:]:
            vault.put([late], NOW)
    with world.vault(directory) as vault:
        assert vault.check() == []
        for id_ in "xyz":
            versions = [data for one, data in resources if one == id_]
            for number, data in enumerate(versions, start=1):
                opened = vault.open(own(ANA), "Observation", id_, number, at=NOW)
                assert opened is not None
                assert opened.data == data
            newest = vault.open(own(ANA), "Observation", id_, at=NOW)
            assert (newest.data if newest else None) == (versions[-1] if versions else None)
        found = vault.search(own(ANA), anything, NOW)
        assert {entry.id for entry in found} == {id_ for id_, _ in resources}


LABS_ONLY = terms.Provision(effect="permit", codes=(f"{world.LOINC}|4548-4",))


@settings(max_examples=25)  # a vault and a write each
@given(
    puts=st.lists(
        st.tuples(st.sampled_from("wxyz"), st.sampled_from(("4548-4", "7917-8"))), max_size=24
    ),
    wanted=st.lists(
        st.tuples(st.just("Observation"), st.sampled_from("vwxyz"), st.integers(-1, 6)), max_size=30
    ),
)
def test_opening_many_gives_what_opening_each_gives(
    tmp_path_factory: pytest.TempPathFactory,
    puts: list[tuple[str, str]],
    wanted: list[tuple[str, str, int]],
) -> None:
    with world.vault(tmp_path_factory.mktemp("vault")) as vault:
        ana, ben = vault.register(ANA_MRN, ANA), vault.register(BEN_MRN, BEN)
        arrivals = [
            arrival(ben if id_ == "w" else ana, observation(id_, code, value=str(number)))
            for number, (id_, code) in enumerate(puts)
        ]
        vault.put(arrivals, NOW)
        for permit in (own(ANA), own(BEN), world.granted(ANA, LABS_ONLY)):
            each = [vault.open(permit, *one, at=NOW) for one in wanted]
            assert vault.open_each(permit, wanted, at=NOW) == each


def test_a_version_that_was_taken_away_is_missed_among_many(vault: Vault, ana: PatientRef) -> None:
    ids = [f"o{number}" for number in range(250)]
    vault.put([arrival(ana, observation(id_)) for id_ in ids], NOW)
    wanted = [("Observation", id_, 1) for id_ in ids]
    found = vault.open_each(own(ANA), wanted, at=NOW)
    assert [one.id for one in found if one is not None] == ids
    vault._data.write([Step("DELETE FROM objects WHERE seq = ?", [(137,)])])
    with pytest.raises(Tampered):
        vault.open_each(own(ANA), wanted, at=NOW)


def test_a_search_may_name_a_type(vault: Vault, ana: PatientRef) -> None:
    vault.put([arrival(ana, observation("a1c")), arrival(None, world.practitioner("cho"))], NOW)
    assert vault.search(own(ANA), anything, NOW, "Observation") == vault.search(
        own(ANA), anything, NOW
    )
    assert vault.search(own(ANA), anything, NOW, "Condition") == []
    assert [one.id for one in vault.search_directory(anything, "Practitioner")] == ["cho"]
    assert vault.search_directory(anything, "Organization") == []


def test_what_a_permit_looked_at_is_found_anew_when_it_changes(
    vault: Vault, ana: PatientRef
) -> None:
    permit = world.granted(ANA, LABS_ONLY)
    vault.put([arrival(ana, observation("a1c"))], NOW)
    open_index = vault._indexes.open(vault._patients.patient(ana), until=NOW + 1)
    before = open_index.weight
    for _ in range(3):
        assert [one.id for one in vault.search(permit, anything, NOW)] == ["a1c"]
    assert open_index.weight == before + ENTRY_BYTES + JUDGED_BYTES
    assert vault._indexes._cache._total == open_index.weight
    vault.put([arrival(ana, observation("a1c", "7917-8"))], NOW)
    assert vault.search(permit, anything, NOW) == []
    assert vault.open(permit, "Observation", "a1c", 1, at=NOW) is None
    vault.put([arrival(ana, observation("a1c"))], NOW)
    assert [one.version for one in vault.search(permit, anything, NOW)] == [3]
    assert vault.open(permit, "Observation", "a1c", 2, at=NOW) is None


def test_what_logs_may_show_of_a_resource_says_nothing_of_it(vault: Vault, ana: PatientRef) -> None:
    vault.put([arrival(ana, observation("a1c"))], NOW)
    opened = vault.open(own(ANA), "Observation", "a1c", at=NOW)
    assert repr(opened) == "Opened('Observation', version=1, seq=0)"


def test_a_permit_for_one_patient_opens_nothing_of_another(
    vault: Vault, ana: PatientRef, ben: PatientRef
) -> None:
    vault.put([arrival(ana, observation("a1c")), arrival(ben, observation("b1c"))], NOW)
    assert vault.open(own(BEN), "Observation", "a1c", at=NOW) is None
    assert vault.open(own(BEN), "Observation", "nothing", at=NOW) is None
    assert [entry.id for entry in vault.search(own(BEN), anything, NOW)] == ["b1c"]
    assert vault.open(own(AccountId("@" + "c" * 26)), "Observation", "a1c", at=NOW) is None


def test_a_permit_opens_only_at_its_custodian_and_while_it_is_live(
    vault: Vault, ana: PatientRef
) -> None:
    vault.put([arrival(ana, observation("a1c"))], NOW)
    permit = own(ANA)
    assert vault.open(permit, "Observation", "a1c", at=permit.expires - 1) is not None
    assert vault.open(permit, "Observation", "a1c", at=permit.expires) is None
    assert vault.open(permit, "Observation", "a1c", at=NOW - 1) is None
    assert vault.search(permit, anything, permit.expires) == []
    elsewhere = own(ANA, custodian=world.BAYVIEW)
    assert vault.open(elsewhere, "Observation", "a1c", at=NOW) is None


def test_a_permit_opens_only_what_it_covers(vault: Vault, ana: PatientRef) -> None:
    vault.put(
        [arrival(ana, observation("a1c", "4548-4")), arrival(ana, observation("hiv", "7917-8"))],
        NOW,
    )
    permit = world.granted(ANA, terms.Provision(effect="permit", codes=(f"{world.LOINC}|4548-4",)))
    assert vault.open(permit, "Observation", "a1c", at=NOW) is not None
    assert vault.open(permit, "Observation", "hiv", at=NOW) is None
    assert [entry.id for entry in vault.search(permit, anything, NOW)] == ["a1c"]


def test_a_label_given_later_closes_the_older_versions(vault: Vault, ana: PatientRef) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}
    plain, labelled = observation("a1c"), observation("a1c", meta={"security": [label]})
    dated = terms.Provision(effect="permit", codes=(f"{world.LOINC}|4548-4",))
    permit = world.granted(ANA, dated)
    vault.put([arrival(ana, plain)], NOW)
    assert vault.open(permit, "Observation", "a1c", 1, at=NOW) is not None
    vault.put([arrival(ana, observation("a1c", code="7917-8"))], NOW)
    for version in (None, 1, 2):
        assert vault.open(permit, "Observation", "a1c", version, at=NOW) is None
    only_labelled = world.granted(
        ANA, terms.Provision(effect="permit", labels=(f"{label['system']}|PSY",))
    )
    vault.put([arrival(ana, labelled)], NOW)
    assert vault.open(only_labelled, "Observation", "a1c", at=NOW) is not None
    assert vault.open(only_labelled, "Observation", "a1c", 1, at=NOW) is None


def test_versions_are_kept_and_a_deletion_is_one(vault: Vault, ana: PatientRef) -> None:
    first, third = observation("a1c", value="7.2"), observation("a1c", value="6.9")
    vault.put([arrival(ana, first)], NOW)
    (deleted,) = vault.put([deletion(ana, "Observation", "a1c")], NOW + 1)
    assert deleted.version == 2
    gone = vault.open(own(ANA), "Observation", "a1c", at=NOW)
    assert gone is not None
    assert gone.deleted
    assert vault.search(own(ANA), anything, NOW) == []
    vault.put([arrival(ana, third, if_version=2)], NOW + 2)
    bodies = [
        opened.data
        for version in (1, 2, 3)
        if (opened := vault.open(own(ANA), "Observation", "a1c", version, at=NOW))
    ]
    assert bodies == [first, b"", third]
    for version in (0, 4):
        assert vault.open(own(ANA), "Observation", "a1c", version, at=NOW) is None
    assert vault.check() == []


def test_one_version_that_does_not_fit_undoes_the_whole_put(vault: Vault, ana: PatientRef) -> None:
    vault.put([arrival(ana, observation("a1c"))], NOW)
    with pytest.raises(VersionConflict) as raised:
        vault.put(
            [arrival(ana, observation("new")), arrival(ana, observation("a1c"), if_version=0)], NOW
        )
    assert (raised.value.expected, raised.value.actual) == (0, 1)
    assert vault.open(own(ANA), "Observation", "new", at=NOW) is None
    with pytest.raises(VersionConflict):
        vault.put([deletion(ana, "Observation", "never")], NOW)
    assert vault.put([], NOW) == []


def test_a_resource_stays_with_its_patient(vault: Vault, ana: PatientRef, ben: PatientRef) -> None:
    vault.put([arrival(ana, observation("a1c"))], NOW)
    with pytest.raises(WrongOwner):
        vault.put([arrival(ben, observation("a1c"))], NOW)
    owner = vault.owner("Observation", "a1c")
    assert owner is not None
    assert (owner.patient, owner.accounts) == (ana, (ANA,))
    assert vault.owner("Observation", "absent") is None


def test_facts_must_be_of_the_resource(vault: Vault, ana: PatientRef) -> None:
    data = observation("a1c")
    for facts in (None, world.facts_of(observation("other"))):
        with pytest.raises(WrongFacts):
            vault.put([Arrival(ana, "Observation", "a1c", data, facts)], NOW)


def test_an_id_given_here_is_added_to_the_facts(vault: Vault, ana: PatientRef) -> None:
    facts = Facts(type="Observation", id=None)
    vault.put([Arrival(ana, "Observation", "given", b"{}", facts)], NOW)
    (entry,) = vault.search(own(ANA), anything, NOW)
    assert entry.facts.id == "given"
    assert vault.check() == []


def test_the_directory_holds_what_belongs_to_no_patient(vault: Vault, ana: PatientRef) -> None:
    data = world.practitioner("cho")
    (stored,) = vault.put([arrival(None, data)], NOW)
    assert stored.account == ""
    opened = vault.open_directory("Practitioner", "cho")
    assert opened is not None
    assert opened.data == data
    assert [entry.id for entry in vault.search_directory(anything)] == ["cho"]
    owner = vault.owner("Practitioner", "cho")
    assert owner is not None
    assert owner.accounts == ()
    vault.put([arrival(ana, observation("a1c"))], NOW)
    assert vault.open_directory("Observation", "a1c") is None
    assert vault.open(own(ANA), "Practitioner", "cho", at=NOW) is None


def test_clinical_data_without_a_patient_is_refused(vault: Vault) -> None:
    with pytest.raises(NoOwner):
        vault.put([Arrival(None, "Claim", "c", b"{}", Facts(type="Claim", id="c"))], NOW)
    with pytest.raises(NoOwner):
        vault.put([arrival(None, observation("a1c", subject={"reference": "Patient/p"}))], NOW)
    with pytest.raises(NotRegistered):
        vault.put([arrival(PatientRef(b"?" * 16), observation("a1c"))], NOW)
    assert vault.unbatched() == []


def test_local_ids_and_accounts_are_bound_one_to_one(vault: Vault, ana: PatientRef) -> None:
    assert vault.register(ANA_MRN, ANA) == ana
    assert (vault.patient(ANA_MRN), vault.patient_of(ANA)) == (ana, ana)
    assert vault.account_of(ana) == ANA
    assert (vault.patient(BEN_MRN), vault.patient_of(BEN)) == (None, None)
    for pair in ((ANA_MRN, BEN), (BEN_MRN, ANA)):
        with pytest.raises(AlreadyBound):
            vault.register(*pair)
    with pytest.raises(AlreadyBound):
        vault.register_all([("one", BEN), ("two", BEN)])
    assert vault.patient("one") is None
    again, ben, same = vault.register_all([(ANA_MRN, ANA), (BEN_MRN, BEN), (BEN_MRN, BEN)])
    assert (again, same) == (ana, ben)


def test_locate_tells_where_but_not_what(vault: Vault, ana: PatientRef) -> None:
    vault.put([arrival(ana, observation("a1c")), arrival(None, world.practitioner("cho"))], NOW)
    assert vault.locate(ana, lambda entry: entry.type == "Observation", NOW) == [
        ("Observation", "a1c", 1)
    ]
    assert vault.locate(None, anything, NOW) == [("Practitioner", "cho", 1)]


def test_merged_patients_are_opened_together_and_come_apart_again(
    vault: Vault, ana: PatientRef, ben: PatientRef
) -> None:
    vault.put([arrival(ana, observation("a1c")), arrival(ben, observation("b1c"))], NOW)
    vault.merge(ben, ana, NOW)
    vault.put([arrival(ben, observation("b2c"))], NOW)
    assert {entry.id for entry in vault.search(own(ANA), anything, NOW)} == {"a1c", "b1c", "b2c"}
    opened = vault.open(own(ANA), "Observation", "b1c", at=NOW)
    assert opened is not None
    assert opened.account == BEN
    assert vault.open(own(BEN), "Observation", "a1c", at=NOW) is None
    owner = vault.owner("Observation", "b1c")
    assert owner is not None
    assert owner.accounts == (BEN, ANA)
    vault.unmerge(ben, NOW + 1)
    vault.unmerge(ben, NOW + 2)
    assert [entry.id for entry in vault.search(own(ANA), anything, NOW)] == ["a1c"]
    assert {entry.id for entry in vault.search(own(BEN), anything, NOW)} == {"b1c", "b2c"}
    vault.merge(ben, ana, NOW + 3)
    assert vault.check() == []


def test_merges_do_not_run_in_circles(vault: Vault, ana: PatientRef, ben: PatientRef) -> None:
    carl = vault.register("MRN-3", AccountId("@" + "c" * 26))
    vault.merge(ben, ana, NOW)
    vault.merge(carl, ben, NOW)
    for source, into in ((ana, ana), (ana, carl), (ben, carl)):
        with pytest.raises(NotMergeable):
            vault.merge(source, into, NOW)


def test_an_index_is_in_memory_only_while_a_permit_is_live(vault: Vault, ana: PatientRef) -> None:
    vault.put([arrival(ana, observation("a1c"))], NOW)
    permit = own(ANA)
    vault.search(permit, anything, NOW)
    assert len(vault._indexes) == 1
    vault.expire(permit.expires - 1)
    assert len(vault._indexes) == 1
    vault.expire(permit.expires)
    assert len(vault._indexes) == 0


def test_reindex_finds_facts_anew_and_keeps_bytes_and_commitments(
    vault: Vault, ana: PatientRef
) -> None:
    data = observation("a1c")
    poor = Facts(type="Observation", id="a1c")
    vault.put([Arrival(ana, "Observation", "a1c", data, poor)], NOW)
    vault.put([deletion(ana, "Observation", "a1c")], NOW)
    vault.put([Arrival(ana, "Observation", "b1c", data, poor.__replace__(id="b1c"))], NOW)
    before = vault.open(own(ANA), "Observation", "a1c", 1, at=NOW)
    assert vault.reindex(ana, world.facts_of) == 3
    after = vault.open(own(ANA), "Observation", "a1c", 1, at=NOW)
    assert before is not None
    assert after is not None
    assert (after.data, after.salt) == (before.data, before.salt)
    assert after.facts == world.facts_of(data)
    assert vault.check() == []
    (found,) = vault.search(own(ANA), lambda entry: bool(entry.facts.codes), NOW)
    assert found.id == "b1c"


def test_segments_are_joined(vault: Vault, ana: PatientRef) -> None:
    for number in range(100):
        vault.put([arrival(ana, observation(f"o{number % 60}", value=f"{number}.0"))], NOW)
    ((segments,),) = vault._data.read("SELECT count(*) FROM segments")
    assert segments < 24
    assert len(vault.search(own(ANA), anything, NOW)) == 60
    assert vault.check() == []
