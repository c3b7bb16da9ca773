"""Riverside takes records in: all of a bundle or nothing, sealed, committed, found again."""

import json
from pathlib import Path
from typing import Any

import pytest

from careledger.apps.records.commands import CommitRecords
from careledger.apps.records.queries import stream
from careledger.exchange.asker import Asker
from careledger.exchange.exchange import Exchange
from careledger.exchange.ingest import Ingestion
from careledger.exchange.journal import Journal, _command, _entries
from careledger.exchange.outcome import NobodysRecord, Outcome
from careledger.exchange.plan import Conflict, NotThere
from careledger.fhir.bundle import Entry
from careledger.fhir.errors import DanglingReference, FhirError
from careledger.fhir.index import extract
from careledger.fhir.resource import parse_resource
from careledger.fhir.synthetic.population import population
from careledger.ledger.commitment import Batch
from careledger.ledger.state import View
from careledger.mechanisms.messages import Query
from careledger.vault.deposit import Arrival
from tests.exchange.reading import read, search
from tests.exchange.world import (
    ANA_MRN,
    DR_FINN,
    MEDICATIONS,
    RIVERSIDE,
    World,
    bundle,
    medication,
    observation,
    patient,
    tell,
)

OWN = Asker(purpose="TREAT", practitioner=DR_FINN, role="clinician")
NPI = "http://hl7.org/fhir/sid/us-npi"


def created(*resources: dict[str, Any], type_: str = "transaction", **request: Any) -> bytes:
    """A bundle that creates each resource; they refer to one another by `urn:uuid:`."""
    entries = [
        {
            "fullUrl": f"urn:uuid:00000000-0000-4000-8000-{number:012}",
            "resource": resource,
            "request": {"method": "POST", "url": resource["resourceType"]} | request,
        }
        for number, resource in enumerate(resources)
    ]
    return json.dumps({"resourceType": "Bundle", "type": type_, "entry": entries}).encode()


def practitioner(npi: str = "1234567890") -> dict[str, Any]:
    return {"resourceType": "Practitioner", "identifier": [{"system": NPI, "value": npi}]}


async def put(
    ingestion: Ingestion,
    data: bytes,
    type: str,  # noqa: A002
    id: str | None = None,  # noqa: A002
    if_match: int | None = None,
) -> Outcome:
    """What a single request does."""
    return await ingestion.one(
        Entry(
            position=0,
            full_url=None,
            method="POST" if id is None else "PUT",
            url=type,
            type=type,
            id=id,
            if_match=None if if_match is None else f'W/"{if_match}"',
            resource=data,
        )
    )


async def delete(ingestion: Ingestion, id_: str) -> Outcome:
    return await ingestion.one(
        Entry(position=0, full_url=None, method="DELETE", url="", type="Observation", id=id_)
    )


async def ids(world: World, query: Query, local: str = ANA_MRN) -> set[str]:
    return {one.id for one in search(world.riverside, OWN, local, query)}


def test_a_new_patient_gets_an_account_that_waits_to_be_claimed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        carla = patient("x", "Okonkwo")
        order = medication("x") | {
            "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000000"}
        }
        outcomes = await world.riverside.ingestion.bundle(created(carla, order))
        assert [one.status for one in outcomes] == [201, 201]
        local = outcomes[0].id
        assert local == "00000000-0000-4000-8000-000000000000"
        assert await ids(world, MEDICATIONS, local) == {outcomes[1].id}
        vault = world.riverside.organisation.vault
        ref = vault.patient(local)
        assert ref is not None
        assert vault.account_of(ref).startswith("@")
        again = await world.riverside.ingestion.bundle(created(carla, order))
        assert again[0].id != local  # the same ids are taken: others are given

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"subject": {"reference": "urn:uuid:99999999-0000-4000-8000-000000000000"}}, FhirError),
        ({"subject": {"reference": "Patient/nobody"}}, DanglingReference),
        ({"encounter": {"reference": "Encounter/nowhere"}}, DanglingReference),
        ({"requester": {"reference": f"Practitioner?identifier={NPI}|none"}}, DanglingReference),
        ({"status": 7}, FhirError),
        ({"unheardOf": 1}, FhirError),
        ({"subject": None}, FhirError),
    ],
)
def test_a_transaction_is_all_or_nothing(
    tmp_path: Path, changed: dict[str, Any], error: type[FhirError]
) -> None:
    async def story(world: World) -> None:
        good = medication("good")
        bad = {**medication("bad"), **changed}
        with pytest.raises(error) as refused:
            await world.riverside.ingestion.bundle(bundle(good, bad))
        assert "entry[1]" in str(refused.value)
        assert await ids(world, MEDICATIONS) == {"m1", "m2"}
        assert world.riverside.organisation.vault.unbatched() == []

    tell(tmp_path, story)


def test_in_a_batch_each_entry_stands_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        data = bundle(
            medication("m3"),
            {**medication("bad"), "status": 7},
            medication("lost", "nobody"),
            medication("m4"),
            type_="batch",
        )
        outcomes = await world.riverside.ingestion.bundle(data)
        assert [one.status for one in outcomes] == [201, 400, 422, 201]
        assert await ids(world, MEDICATIONS) == {"m1", "m2", "m3", "m4"}

    tell(tmp_path, story)


def test_what_has_an_identifier_is_created_once_and_found_by_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ingestion = world.riverside.ingestion
        staff = created(practitioner(), type_="batch", ifNoneExist=f"identifier={NPI}|1234567890")
        (first,) = await ingestion.bundle(staff)
        (again,) = await ingestion.bundle(staff)
        assert (first.status, again.status, again.id) == (201, 200, first.id)
        order = medication("m3") | {
            "requester": {"reference": f"Practitioner?identifier={NPI}|1234567890"}
        }
        await ingestion.bundle(bundle(order))
        opened = read(world.riverside, OWN, "MedicationRequest", "m3")
        assert opened is not None
        assert f"Practitioner/{first.id}".encode() in opened.data

    tell(tmp_path, story)


def test_versions_follow_one_another(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        ingestion = world.riverside.ingestion
        second = json.dumps(observation("o1", value=6.9)).encode()
        one = await put(ingestion, second, type="Observation", id="o1", if_match=1)
        assert (one.status, one.version) == (200, 2)
        with pytest.raises(Conflict):
            await put(ingestion, second, type="Observation", id="o1", if_match=1)
        gone = await delete(ingestion, "o1")
        assert (gone.status, gone.version) == (204, 3)
        assert await ids(world, Query(type="Observation")) == set()
        with pytest.raises(NotThere):
            await delete(ingestion, "nothing")
        new = await put(ingestion, second, type="Observation")
        assert (new.status, new.version) == (201, 1)
        assert new.id not in {None, "o1"}

    tell(tmp_path, story)


def test_a_resource_stays_with_its_patient(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.riverside.ingestion.bundle(bundle(patient("other", "Lund")))
        stolen = json.dumps(observation("o1", "other")).encode()
        with pytest.raises(Conflict):
            await put(world.riverside.ingestion, stolen, type="Observation", id="o1")
        nobodys = observation("o9") | {"subject": {"display": "Ana"}}
        with pytest.raises(NobodysRecord):
            await put(
                world.riverside.ingestion, json.dumps(nobodys).encode(), type="Observation", id="o9"
            )

    tell(tmp_path, story)


def test_a_bundle_is_no_way_to_read(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        entry = {"request": {"method": "GET", "url": "Observation/o1"}}
        data = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        (outcome,) = await world.riverside.ingestion.bundle(json.dumps(data).encode())
        assert (outcome.status, outcome.data, outcome.id) == (204, None, None)

    tell(tmp_path, story)


def test_many_bundles_stream_in_and_all_is_committed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        bundles = [one for one in population(1, 2) if one.organisation == RIVERSIDE]
        done = [one async for one in world.riverside.ingestion.stream([b.body for b in bundles])]
        await world.riverside.ingestion.settled()
        for outcomes, sent in zip(done, bundles, strict=True):
            assert not isinstance(outcomes, FhirError), (sent.name, str(outcomes))
            assert [one.status for one in outcomes] == [201] * sent.resources
        assert world.riverside.organisation.vault.unbatched() == []
        with world.view() as committed:
            committed_records = stream(View(committed), RIVERSIDE, "records").items
        assert committed_records == 5 + sum(one.resources for one in bundles)

    tell(tmp_path, story)


def test_a_crash_between_put_and_commit_is_repaired_at_the_next_start(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        vault = world.riverside.organisation.vault
        _put(world, "late")
        assert len(vault.unbatched()) == 1  # as if the process had died here
        with world.view() as committed:
            before = stream(View(committed), RIVERSIDE, "records")
        await world.riverside.close()
        await _restart(world)
        with world.view() as committed:
            after = stream(View(committed), RIVERSIDE, "records")
        assert (after.batches, after.items) == (before.batches + 1, before.items + 1)

    tell(tmp_path, story)


def test_a_crash_between_commit_and_note_commits_nothing_twice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        organisation = world.riverside.organisation
        _put(world, "late")
        tree = Batch.of(one.commitment for one in organisation.vault.unbatched())
        await organisation.submit("records", CommitRecords(root=tree.root, size=tree.size))
        with world.view() as committed:
            before = stream(View(committed), RIVERSIDE, "records")
        await world.riverside.close()
        await _restart(world)
        with world.view() as committed:
            assert stream(View(committed), RIVERSIDE, "records") == before
        opened = read(world.riverside, OWN, "Observation", "late")
        assert opened is not None
        found = organisation.vault.opening(opened)
        assert found is not None
        assert found[0].number == before.batches

    tell(tmp_path, story)


def _put(world: World, id_: str) -> None:
    """What `ingest` does, up to the point at which the process dies."""
    vault = world.riverside.organisation.vault
    resource = parse_resource(json.dumps(observation(id_)).encode())
    arrival = Arrival(vault.patient(ANA_MRN), "Observation", id_, resource.raw, extract(resource))
    vault.put([arrival], world.clock())


async def _restart(world: World) -> None:
    """The same vault and files again, under a new exchange."""
    folder = world.folder / RIVERSIDE
    exchange = Exchange(world.riverside.organisation, folder, world.transport)
    world.exchanges[RIVERSIDE] = exchange
    await exchange.start()
    await exchange.ingestion.settled()
    assert exchange.organisation.vault.unbatched() == []


def test_reads_of_an_earlier_run_are_anchored_with_those_of_this_one(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        before = world.riverside.journal
        for task in world.riverside._tasks:
            task.cancel()
        search(world.riverside, OWN, ANA_MRN, MEDICATIONS)
        journal = Journal(world.riverside.organisation, before._cabinet)
        assert journal.waiting == 1
        world.riverside.journal = journal
        search(world.riverside, OWN, ANA_MRN, MEDICATIONS)
        reads = dict(_entries(journal._cabinet.undone()))
        assert len(reads) == 2
        assert await journal.flush() == 2
        with world.view() as committed:
            anchored = stream(View(committed), RIVERSIDE, "local")
        assert (anchored.batches, anchored.items) == (1, 2)
        assert journal.waiting == 0
        assert not journal._recent

    tell(tmp_path, story)


def test_reads_that_were_planned_before_a_crash_are_anchored_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        journal = world.riverside.journal
        for task in world.riverside._tasks:
            task.cancel()
        search(world.riverside, OWN, ANA_MRN, MEDICATIONS)
        undone = journal._cabinet.undone()
        journal._plan("local", [one.number for one in undone])  # and then it died
        assert await journal.flush() == 1
        with world.view() as committed:
            once = stream(View(committed), RIVERSIDE, "local")
        assert (once.batches, once.items) == (1, 1)
        search(world.riverside, OWN, ANA_MRN, MEDICATIONS)
        plan = journal._plan("local", [one.number for one in journal._cabinet.undone()])
        reads = dict(_entries(journal._cabinet.undone()))
        batch = Batch.of(reads[number].commitment() for number in plan.reads)
        await world.riverside.organisation.submit("records", _command(plan, batch))  # and then
        await journal.flush()
        with world.view() as committed:
            twice = stream(View(committed), RIVERSIDE, "local")
        assert (twice.batches, twice.items) == (2, 2)
        assert journal._cabinet.undone() == []

    tell(tmp_path, story)
