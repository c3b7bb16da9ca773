"""Riverside's records stay in the FHIR server that it has; the gateway decides in front of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from careledger.exchange.upstream.settings import Upstream
from tests.exchange.world import ANA_MRN, BEN_MRN, RIVERSIDE, observation, patient
from tests.gateway.world import World, tell
from tests.peers.servers import medplum

Story = Callable[[World, httpx2.AsyncClient], Awaitable[None]]


@pytest.fixture(scope="module")
def server(interop_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Medplum's router in memory."""
    with medplum(interop_modules, tmp_path_factory.mktemp("medplum") / "log") as url:
        yield url


@pytest.fixture
def peer(server: str) -> str:
    """The same, empty."""
    httpx2.post(server.replace("/fhir", "/clear"))
    return server


def play(folder: Path, peer: str, story: Story, *, poll_s: float = 3600.0) -> None:
    """Ana's record has been put through our door; by default nobody looks for changes."""

    async def told(here: World) -> None:
        async with httpx2.AsyncClient(base_url=peer) as direct:
            await story(here, direct)

    tell(folder, told, Upstream(peer, timeout_s=2, poll_s=poll_s))


async def ids(here: World, query: str, headers: dict[str, str]) -> list[str]:
    answer = await here.at_riverside.get(f"/fhir/{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    found = answer.json().get("entry", [])
    return sorted(one["resource"]["id"] for one in found if one["search"]["mode"] == "match")


def test_what_is_put_through_our_door_is_there_and_only_there(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        there = (await direct.get("/Observation/o1")).json()
        assert there["valueQuantity"]["value"] == 7.2
        opened = here.riverside.organisation.vault.check()
        assert opened == []
        ana = await here.ana()
        answer = await here.at_riverside.get("/fhir/Observation/o1", headers=ana)
        assert answer.status_code == 200
        assert answer.json()["valueQuantity"] == there["valueQuantity"]
        assert answer.headers["etag"] == 'W/"1"'
        assert await ids(here, f"Observation?patient={ANA_MRN}", ana) == ["o1"]
        assert await ids(here, f"MedicationRequest?patient={ANA_MRN}", ana) == ["m1", "m2"]
        everything = await here.at_riverside.get(
            f"/fhir/Patient/{ANA_MRN}/$everything", headers=ana
        )
        assert everything.json()["total"] == 5

    play(tmp_path, peer, story)


def test_what_changed_there_is_marked_and_gets_a_version(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        ana = await here.ana()
        await direct.put("/Observation/o1", json=observation("o1", value=9.9))
        answer = await here.at_riverside.get("/fhir/Observation/o1", headers=ana)
        assert answer.status_code == 200
        assert answer.json()["valueQuantity"]["value"] == 9.9
        assert answer.headers["etag"] == 'W/"2"'
        assert "changed since it was committed to" in answer.headers["warning"]
        again = await here.at_riverside.get("/fhir/Observation/o1", headers=ana)
        assert "warning" not in again.headers
        await here.riverside.ingestion.settled()
        before = await here.at_riverside.get("/fhir/Observation/o1/_history/1", headers=ana)
        assert before.json()["valueQuantity"]["value"] == 7.2  # from that server's history

    play(tmp_path, peer, story)


def test_what_is_gone_there_is_gone_here(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        ana = await here.ana()
        assert (await direct.delete("/MedicationRequest/m1")).status_code == 200
        gone = await here.at_riverside.get("/fhir/MedicationRequest/m1", headers=ana)
        never = await here.at_riverside.get("/fhir/MedicationRequest/never", headers=ana)
        assert (gone.status_code, gone.content) == (never.status_code, never.content)
        assert await ids(here, f"MedicationRequest?patient={ANA_MRN}", ana) == ["m2"]

    play(tmp_path, peer, story)


def test_what_moved_to_another_patient_there_is_nobodys_here(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        ana = await here.ana()
        await direct.put("/Observation/o1", json=observation("o1", BEN_MRN))
        gone = await here.at_riverside.get("/fhir/Observation/o1", headers=ana)
        assert gone.status_code == 404
        assert await ids(here, f"Observation?patient={ANA_MRN}", ana) == []

    play(tmp_path, peer, story)


def test_a_server_that_is_down_is_said_and_searches_are_partial(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        ana = await here.ana()
        here.riverside.upstream.client._base = "http://127.0.0.1:9/fhir"  # type: ignore[union-attr] # it is there
        read = await here.at_riverside.get("/fhir/Observation/o1", headers=ana)
        assert read.status_code == 503
        assert "retry-after" in read.headers
        answer = await here.at_riverside.get(
            f"/fhir/MedicationRequest?patient={ANA_MRN}", headers=ana
        )
        assert answer.status_code == 200
        (entry,) = answer.json()["entry"]
        assert entry["search"]["mode"] == "outcome"
        assert entry["resource"]["issue"][0]["code"] == "transient"

    play(tmp_path, peer, story)


def test_writes_go_there_and_follow_what_it_stored(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        service = await here.service()
        body = {name: value for name, value in observation("x").items() if name != "id"}
        made = await here.at_riverside.post("/fhir/Observation", json=body, headers=service)
        assert made.status_code == 201, made.text
        id_ = made.json()["id"]
        assert (await direct.get(f"/Observation/{id_}")).status_code == 200

        changed = await here.at_riverside.put(
            f"/fhir/Observation/{id_}",
            json=observation(id_, value=1.5),
            headers=service | {"if-match": 'W/"1"'},
        )
        assert changed.status_code == 200, changed.text
        assert (await direct.get(f"/Observation/{id_}")).json()["valueQuantity"]["value"] == 1.5

        # somebody writes there without us: our version 2 is not the newest any more
        await direct.put(f"/Observation/{id_}", json=observation(id_, value=2.5))
        stale = await here.at_riverside.put(
            f"/fhir/Observation/{id_}",
            json=observation(id_, value=3.5),
            headers=service | {"if-match": 'W/"2"'},
        )
        assert stale.status_code == 412
        assert (await direct.get(f"/Observation/{id_}")).json()["valueQuantity"]["value"] == 2.5

        gone = await here.at_riverside.delete(f"/fhir/Observation/{id_}", headers=service)
        assert gone.status_code in {200, 204}
        assert (await direct.get(f"/Observation/{id_}")).status_code in {404, 410}

    play(tmp_path, peer, story)


def test_what_that_server_does_not_take_is_not_stored_here(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        service = await here.service()
        here.riverside.upstream.client._base = "http://127.0.0.1:9/fhir"  # type: ignore[union-attr] # it is there
        made = await here.at_riverside.put(
            "/fhir/Observation/lost", json=observation("lost"), headers=service
        )
        assert made.status_code == 503
        assert here.riverside.organisation.vault.owner("Observation", "lost") is None

    play(tmp_path, peer, story)


def test_changes_there_are_followed_by_looking(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        ana = await here.ana()
        await direct.put("/Observation/o9", json=observation("o9"))
        await direct.put("/Patient/new-here", json=patient("new-here"))
        for _ in range(200):
            known = here.riverside.organisation.vault.patient("new-here")
            if known and await ids(here, f"Observation?patient={ANA_MRN}", ana) == ["o1", "o9"]:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("not followed")

    play(tmp_path, peer, story, poll_s=0.1)


def test_another_organisation_gets_what_the_ledger_committed_to(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        await here.grant()
        await here.riverside.ingestion.settled()
        cho = await here.dr_cho()
        url = f"/fhir/remote/{RIVERSIDE}/Patient/lv-2210/Observation"
        answer = await here.at_lakeview.get(url, headers=cho)
        assert answer.status_code == 200, answer.text
        entries = answer.json()["entry"]
        assert [one["resource"]["id"] for one in entries if one["search"]["mode"] == "match"] == [
            "o1"
        ]

        await direct.put("/Observation/o1", json=observation("o1", value=8.8))
        changed = await here.at_lakeview.get(url, headers=cho)
        await here.riverside.ingestion.settled()
        changed = await here.at_lakeview.get(url, headers=cho)
        (match,) = [one for one in changed.json()["entry"] if one["search"]["mode"] == "match"]
        assert match["resource"]["valueQuantity"]["value"] == 8.8

    play(tmp_path, peer, story)


def test_labels_go_along_with_what_the_ledger_committed_to(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        await here.grant()
        service = await here.service()
        label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
        meta = {"security": [label | {"display": "restricted"}], "tag": [{"code": "ours"}]}
        put = await here.at_riverside.put(
            "/fhir/Observation/o1", json=observation("o1") | {"meta": meta}, headers=service
        )
        assert put.status_code == 200, put.text
        await here.riverside.ingestion.settled()
        url = f"/fhir/remote/{RIVERSIDE}/Patient/lv-2210/Observation"
        answer = await here.at_lakeview.get(url, headers=await here.dr_cho())
        assert answer.status_code == 200, answer.text
        (match,) = [one for one in answer.json()["entry"] if one["search"]["mode"] == "match"]
        assert match["resource"]["meta"]["security"] == [label]
        assert "tag" not in match["resource"]["meta"]
        desk = await here.token(RIVERSIDE, RIVERSIDE, "system/Patient.d")
        erased = await here.at_riverside.post(f"/desk/patients/{ANA_MRN}/shred", headers=desk)
        assert (erased.status_code, erased.json()["elsewhere"]) == (200, True)

    play(tmp_path, peer, story)


def test_a_question_to_many_goes_on_without_our_own_server(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        finn = await here.dr_finn()
        url = f"/fhir/federated/Patient/{ANA_MRN}/Observation"
        whole = await here.at_riverside.get(url, headers=finn)
        assert whole.status_code == 200, whole.text
        assert '"o1"' in whole.text
        here.riverside.upstream.client._base = "http://127.0.0.1:9/fhir"  # type: ignore[union-attr] # it is there
        partial = await here.at_riverside.get(url, headers=finn)
        assert partial.status_code == 200, partial.text
        assert '"o1"' not in partial.text
        assert "unreachable" in partial.text

    play(tmp_path, peer, story)


def test_a_history_as_of_a_moment_has_its_bodies(tmp_path: Path, peer: str) -> None:
    async def story(here: World, _: httpx2.AsyncClient) -> None:
        ana = await here.ana()
        for path in ("Observation/o1/_history", "Observation/_history"):
            answer = await here.at_riverside.get(f"/fhir/{path}?_at=2999", headers=ana)
            assert answer.status_code == 200, answer.text
            (entry,) = answer.json()["entry"]
            assert entry["resource"]["valueQuantity"]["value"] == 7.2

    play(tmp_path, peer, story)


def test_what_is_about_nobody_is_the_houses_own_there_too(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        scanner = {"resourceType": "Device", "id": "scanner", "status": "active"}
        doubtful = scanner | {"id": "doubtful", "patient": {"display": "Ana"}}
        service, ana = await here.service(), await here.ana()
        put = await here.at_riverside.put("/fhir/Device/scanner", json=scanner, headers=service)
        assert put.status_code == 201, put.text
        again = await here.at_riverside.put("/fhir/Device/scanner", json=scanner, headers=service)
        assert again.status_code == 200, again.text
        assert (await direct.get("/Device/scanner")).status_code == 200
        refused = await here.at_riverside.put(
            "/fhir/Device/doubtful", json=doubtful, headers=service
        )
        assert refused.status_code == 422, refused.text
        assert await ids(here, "Device", service) == ["scanner"]
        assert await ids(here, "Device", ana) == []

    play(tmp_path, peer, story)
