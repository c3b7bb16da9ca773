"""Moving to another server and back loses nothing: compared resource by resource."""

import json
from pathlib import Path
from typing import Any

import pytest

from careledger.exchange.upstream.moving import Move
from careledger.fhir.canonical import canonical
from tests.exchange.upstream.lying import LyingServer, said
from tests.exchange.upstream.test_sync import Side, tell
from tests.exchange.world import bundle, medication, note, observation, patient


def labelled(resource: dict[str, Any]) -> dict[str, Any]:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    return resource | {"meta": {"security": [label]}}


def record(mark: str) -> list[dict[str, Any]]:
    ana, ben = f"mv-ana-{mark}", f"mv-ben-{mark}"
    return [
        patient(ana),
        patient(ben),
        {"resourceType": "Organization", "id": f"mv-org-{mark}", "name": "Riverside"},
        *(observation(f"mv-o{n}-{mark}", ana, value=n + 0.5) for n in range(70)),
        labelled(observation(f"mv-secret-{mark}", ana)),
        medication(f"mv-m1-{mark}", ben),
        note(f"mv-n1-{mark}", ben),
    ]


def held(side: Side) -> dict[str, bytes]:
    """Every newest body that the vault keeps."""
    vault = side.organisation.vault
    people = [None, *(vault.patient(local) for local, _ in vault.patients())]
    return {f"{one.type}/{one.id}": one.data for who in people for one in vault.bodies_to_send(who)}


def without_stamps(data: bytes) -> Any:
    """A resource without what every server writes anew."""
    resource = json.loads(data)
    meta = resource.pop("meta", {})
    kept = {k: v for k, v in meta.items() if k not in {"versionId", "lastUpdated", "source"}}
    return resource | ({"meta": kept} if kept else {})


async def there_and_back(side: Side, mark: str) -> None:
    vault, ingestion = side.organisation.vault, side.world.riverside.ingestion
    resources = record(mark)
    await ingestion.bundle(bundle(*resources))
    await ingestion.bundle(bundle(observation(f"mv-o1-{mark}", f"mv-ana-{mark}", value=99.5)))
    before = held(side)
    assert len(before) == len(resources)
    move = Move(side.organisation, side.client, side.intake)

    sent = await move.there()
    assert (sent.moved, sent.taken, sent.refused) == (len(before), 0, 0)
    assert held(side) == {}
    assert side.names() >= set(before)
    for name, data in before.items():
        assert canonical(side.client.get(name).body) == canonical(data)
    assert vault.check() == []
    assert (await move.there()).moved == 0  # again: nothing is left to do

    brought = await move.here()
    assert (brought.moved, brought.absent) == (len(before), 0)
    after = held(side)
    assert set(after) == set(before)
    for name, data in before.items():
        assert without_stamps(after[name]) == without_stamps(data), name
    assert vault.check() == []
    assert side.names() == set()
    await ingestion.settled()  # all of it is committed to on the ledger


def test_there_and_back_at_a_memory_server(tmp_path: Path, medplum_url: str) -> None:
    tell(tmp_path, medplum_url, lambda side: there_and_back(side, "s"))


@pytest.mark.soak
def test_there_and_back_at_hapi(tmp_path: Path, hapi_url: str) -> None:
    tell(tmp_path, hapi_url, lambda side: there_and_back(side, "h"))


def test_what_changed_there_comes_back_as_a_version_and_the_one_before_too(
    tmp_path: Path, medplum_url: str
) -> None:
    async def story(side: Side) -> None:
        side.put(patient("cg-ana"), observation("cg-1", "cg-ana"))
        await side.sync().look()
        side.put(observation("cg-1", "cg-ana", value=1.25))
        names = [name for name in side.names() if name.startswith("Observation/cg-")]
        assert names == ["Observation/cg-1"]
        moved = await Move(side.organisation, side.client, side.intake).here()
        assert (moved.changed, moved.older) == (1, 1)
        assert json.loads(held(side)["Observation/cg-1"])["valueQuantity"]["value"] == 1.25

    tell(tmp_path, medplum_url, story)


def test_another_resource_of_that_name_there_is_left_alone(
    tmp_path: Path, medplum_url: str
) -> None:
    async def story(side: Side) -> None:
        await side.world.riverside.ingestion.bundle(
            bundle(patient("tk-ana"), observation("tk-1", "tk-ana", value=1.0))
        )
        side.put(observation("tk-1", "tk-ana", value=2.0))
        moved = await Move(side.organisation, side.client, side.intake).there()
        assert (moved.moved, moved.taken) == (1, 1)
        assert json.loads(held(side)["Observation/tk-1"])["valueQuantity"]["value"] == 1.0
        assert side.send("GET", "Observation/tk-1")["valueQuantity"]["value"] == 2.0

    tell(tmp_path, medplum_url, story)


def test_a_server_that_forgets_what_it_took_gets_nothing_away(
    tmp_path: Path, liar: LyingServer
) -> None:
    """It says that it stored all; nothing leaves the vault that was not read back."""

    def mouth(method: str, path: str, body: bytes) -> Any:
        if method == "POST" and json.loads(body)["type"] == "batch":
            entries = [{"response": {"status": "404"}} for _ in json.loads(body)["entry"]]
            return said({"resourceType": "Bundle", "type": "batch-response", "entry": entries})
        if method in {"POST", "PUT"}:
            return said({"resourceType": "Bundle", "type": "transaction-response"})
        return said({"resourceType": "OperationOutcome"}, 404)

    async def story(side: Side) -> None:
        ingestion = side.world.riverside.ingestion
        await ingestion.bundle(bundle(patient("fg-ana"), observation("fg-1", "fg-ana")))
        before = held(side)
        moved = await Move(side.organisation, side.client, side.intake).there()
        assert (moved.moved, moved.refused) == (0, 2)
        assert held(side) == before

    liar.mouth = mouth
    tell(tmp_path, liar.url, story)


def test_moving_goes_on_where_it_was(tmp_path: Path, medplum_url: str) -> None:
    async def story(side: Side) -> None:
        resources = [patient("go-ana"), *(observation(f"go-{n}", "go-ana") for n in range(120))]
        await side.world.riverside.ingestion.bundle(bundle(*resources))
        before = held(side)

        class Stop(Exception):
            pass

        move = Move(side.organisation, side.client, side.intake)
        with pytest.raises(Stop):
            await move.there(_after(60, Stop))
        assert 0 < len(held(side)) < len(before)
        await move.there()
        assert held(side) == {}
        with pytest.raises(Stop):
            await move.here(_after(60, Stop))
        await move.here()
        assert {name: canonical(data) for name, data in held(side).items()} == {
            name: canonical(data) for name, data in before.items()
        }

    tell(tmp_path, medplum_url, story)


def _after(number: int, error: type[Exception]) -> Any:
    """Stops a move once so many are moved."""

    def progress(moved: Any) -> None:
        if moved.moved >= number:
            raise error

    return progress
