"""What a caller may see at Riverside: what consent and the token leave, and not a trace more."""

from pathlib import Path

from careledger.exchange.asker import Asker
from careledger.exchange.limits import UNLIMITED, Limits
from careledger.fhir.bundle import Entry
from careledger.fhir.search.graph import Node
from careledger.mechanisms.delivery import TermsPackage
from careledger.mechanisms.terms import Provision, Terms
from tests.exchange.world import (
    ANA,
    ANA_MRN,
    BEN,
    BEN_MRN,
    DR_FINN,
    RIVERSIDE,
    World,
    bundle,
    medication,
    observation,
    patient,
    tell,
)

OWN = Asker(purpose="TREAT", practitioner=DR_FINN, role="clinician")
HERSELF = Asker(purpose="PATRQT", account=ANA)
NO_MEDICATIONS = Terms(base=Provision(effect="deny", types=("MedicationRequest",)))


def anything(_: Node) -> bool:
    return True


def names(
    world: World, asker: Asker = OWN, limits: Limits = UNLIMITED, patients: tuple[str, ...] = ()
) -> set[str]:
    with world.riverside.reach(asker, limits, "search") as reach:
        return {node.name for node in reach.of_type(None, frozenset(patients) or None, anything)}


async def ben_comes(world: World) -> None:
    await world.enrol(RIVERSIDE, BEN, BEN_MRN)
    theirs = patient(BEN_MRN, "Berger"), medication("b1", BEN_MRN), observation("b2", BEN_MRN)
    place = {"resourceType": "Location", "id": "ward", "name": "Ward 3"}
    await world.riverside.ingestion.bundle(bundle(*theirs, place))


async def ana_denies(world: World, terms: Terms | None = None) -> None:
    package: TermsPackage = world.package(terms, grantee=RIVERSIDE, grantee_account=None)
    await world.deny(consent_id=package.consent_id, grantee=RIVERSIDE, terms=package.commitment())
    if terms is not None:
        await world.deliver(RIVERSIDE, package)


ANAS = {f"Patient/{ANA_MRN}", "MedicationRequest/m1", "MedicationRequest/m2"} | {
    "Observation/o1",
    "DocumentReference/n1",
}
BENS = {f"Patient/{BEN_MRN}", "MedicationRequest/b1", "Observation/b2"}


def test_staff_sees_everybody_who_does_not_deny(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await ben_comes(world)
        assert names(world) == ANAS | BENS | {"Location/ward"}
        assert names(world, patients=(BEN_MRN, "nobody")) == BENS
        await ana_denies(world)
        assert names(world) == BENS | {"Location/ward"}
        assert names(world, patients=(ANA_MRN,)) == set()

    tell(tmp_path, story)


def test_terms_that_come_later_count_from_then_on(tmp_path: Path) -> None:
    """A decision is remembered; a letter from the patient ends that at once."""

    async def story(world: World) -> None:
        package = world.package(NO_MEDICATIONS, grantee=RIVERSIDE, grantee_account=None)
        await world.deny(
            consent_id=package.consent_id, grantee=RIVERSIDE, terms=package.commitment()
        )
        assert names(world) == set()  # what the denial is about is not known yet
        await world.deliver(RIVERSIDE, package)
        assert names(world) == {one for one in ANAS if "Medication" not in one}

    tell(tmp_path, story)


def test_a_patient_sees_their_own_and_the_directory(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await ben_comes(world)
        assert names(world, HERSELF) == ANAS | {"Location/ward"}
        assert names(world, HERSELF, patients=(BEN_MRN,)) == set()
        with world.riverside.reach(HERSELF) as reach:
            assert reach.get("Observation", "b2") is None
            assert reach.open_version("Observation", "b2") is None
            assert list(reach.history("Observation", "b2")) == []

    tell(tmp_path, story)


def test_a_token_can_only_take_away(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await ben_comes(world)
        launched = Limits(patient=BEN_MRN)
        assert names(world, limits=launched) == BENS | {"Location/ward"}
        assert names(world, limits=launched, patients=(ANA_MRN,)) == set()
        few = Limits(visible=lambda facts, interaction: facts.type == "Observation")
        assert names(world, limits=few) == {"Observation/o1", "Observation/b2"}
        await ana_denies(world)
        assert names(world, limits=few) == {"Observation/b2"}

    tell(tmp_path, story)


def test_a_merged_patient_may_have_withheld_it_as_either(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await ben_comes(world)
        vault = world.riverside.organisation.vault
        ana, ben = vault.patient(ANA_MRN), vault.patient(BEN_MRN)
        assert ana is not None
        assert ben is not None
        vault.merge(ben, ana, world.clock())
        assert names(world, patients=(ANA_MRN,)) == ANAS | BENS
        assert names(world, patients=(BEN_MRN,)) == BENS
        assert names(world, HERSELF, patients=(ANA_MRN,)) == ANAS | BENS
        await ana_denies(world, NO_MEDICATIONS)
        left = {one for one in ANAS | BENS if "Medication" not in one}
        assert names(world, patients=(ANA_MRN,)) == left
        assert names(world) == left | {"Location/ward"}
        vault.unmerge(ben, world.clock())
        assert names(world, patients=(BEN_MRN,)) == BENS

    tell(tmp_path, story)


def test_what_comes_out_is_in_the_journal(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await ben_comes(world)
        journal = world.riverside.journal
        with world.riverside.reach(OWN) as reach:
            assert reach.get("Observation", "b2") is not None
        assert journal.reads_of(BEN) == []  # nothing was opened
        with world.riverside.reach(OWN) as reach:
            assert reach.open_version("Observation", "b2") is not None
            assert reach.open_version("MedicationRequest", "b1", 1) is not None
            assert reach.open_version("Location", "ward") is not None
        (read,) = journal.reads_of(BEN)
        assert {one.id for one in read.records} == {"b1", "b2"}
        with world.riverside.reach(OWN, action="search") as reach:
            assert not list(reach.of_type("Claim", frozenset([BEN_MRN]), anything))
            reach.note([BEN_MRN])
        assert [one.records for one in journal.reads_of(BEN)][1:] == [()]
        with world.riverside.reach(OWN, action="search") as reach:
            assert len(list(reach.of_type("Observation", None, anything))) == 2
            reach.note(counted=True)
        assert len(journal.reads_of(BEN)) == 3
        assert len(journal.reads_of(ANA)) == 1

    tell(tmp_path, story)


def test_history_has_deletions_and_pages(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ingestion = world.riverside.ingestion
        await ben_comes(world)
        for value in (1.0, 2.0):
            await ingestion.bundle(bundle(observation("o1", value=value)))
        await ingestion.one(Entry(0, None, "DELETE", "", "MedicationRequest", "m1"))
        with world.riverside.reach(OWN) as reach:
            versions = [(one.version, one.deleted) for one in reach.history("Observation", "o1")]
            assert versions == [(3, False), (2, False), (1, False)]
            gone = [(one.version, one.deleted) for one in reach.history("MedicationRequest", "m1")]
            assert gone == [(2, True), (1, False)]
            every = list(reach.history())
            assert [one.seq for one in every] == sorted((one.seq for one in every), reverse=True)
            assert {one.type for one in every} == {
                "Patient",
                "MedicationRequest",
                "Observation",
            } | {
                "DocumentReference",
                "Location",
            }
            after = list(reach.history(before=every[3].seq))
            assert [one.seq for one in after] == [one.seq for one in every[4:]]
        await ana_denies(world)
        with world.riverside.reach(OWN) as reach:
            assert {one.id for one in reach.history("Observation")} == {"b2"}
            assert list(reach.history("MedicationRequest", "m1")) == []

    tell(tmp_path, story)
