"""Riverside's gateway ends while its warehouse has exports: what was promised is still there."""

import asyncio
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from careledger.exchange.bulk.jobs import KEPT_S, MOST_TRIES, RUNS_S
from careledger.exchange.bulk.writing import Writer
from careledger.vault.errors import Tampered
from tests.exchange.world import ANA_MRN, BEN_MRN, RIVERSIDE, observation, patient
from tests.gateway.test_bulk_export import ASYNC, export, lines, names, store
from tests.gateway.world import World, tell

URL = "/fhir/Patient/$export"


class Gate:
    """Holds up whoever writes an export, until it is opened or the export is to stop."""

    def __init__(self) -> None:
        self.is_open, self.has_come = threading.Event(), threading.Event()

    def wait(self, writer: Writer) -> None:
        self.has_come.set()
        while not (self.is_open.wait(0.01) or writer._job.cancelled):
            pass

    async def reached(self) -> None:
        await asyncio.to_thread(self.has_come.wait, 30)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Exports stop before the first patient."""
    here, write = Gate(), Writer.write

    def held(self: Writer, everybody: Any) -> None:
        here.wait(self)
        write(self, everybody)

    monkeypatch.setattr(Writer, "write", held)
    yield here
    here.is_open.set()


async def order(world: World, headers: dict[str, str]) -> str:
    begun = await world.at_riverside.get(URL, headers=headers | ASYNC)
    assert begun.status_code == 202, begun.text
    place: str = begun.headers["content-location"]
    return place


async def manifest_at(world: World, place: str, headers: dict[str, str]) -> dict[str, Any]:
    while (answer := await world.at_riverside.get(place, headers=headers)).status_code == 202:
        assert answer.headers["x-progress"].endswith("so far")
        await asyncio.sleep(0.01)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def files(world: World) -> list[Path]:
    return [one for one in (world.folder / RIVERSIDE / "exports").rglob("*") if one.is_file()]


def test_what_is_finished_is_fetched_after_a_restart_and_decided_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await store(world, patient(BEN_MRN), observation("ben-1", BEN_MRN))
        service = await world.service()
        before = await export(world, URL, service)
        there = await lines(world, before, service)
        for again in (world.restart, world.crash):
            await again(RIVERSIDE)
            after = await manifest_at(world, before["place"], service)
            assert after == {name: before[name] for name in after}
            assert await lines(world, after, service) == there
        finn = await world.dr_finn()
        absent = await world.at_riverside.get("/fhir/bulk/nothing", headers=finn)
        foreign = await world.at_riverside.get(before["place"], headers=finn)
        assert (foreign.status_code, foreign.content) == (404, absent.content)
        await world.deny(grantee=RIVERSIDE)
        await world.restart(RIVERSIDE)
        fetched = names(await lines(world, before, service))
        assert {f"Patient/{BEN_MRN}", "Observation/ben-1"} <= fetched
        assert not any(ANA_MRN in one for one in fetched)
        assert "Observation/o1" not in fetched

    tell(tmp_path, story)


def test_what_was_being_written_is_begun_again(tmp_path: Path, gate: Gate) -> None:
    async def story(world: World) -> None:
        await store(world, patient(BEN_MRN))
        service = await world.service()
        place = await order(world, service)
        await gate.reached()
        await world.restart(RIVERSIDE)
        waiting = await world.at_riverside.get(place, headers=service)
        assert waiting.status_code == 202
        await world.crash(RIVERSIDE)
        await world.deny(grantee=RIVERSIDE)
        gate.is_open.set()
        found = names(await lines(world, await manifest_at(world, place, service), service))
        assert f"Patient/{BEN_MRN}" in found
        assert not any(ANA_MRN in one for one in found), "each patient is decided about anew"

    tell(tmp_path, story)


def test_an_export_that_no_gateway_survives_has_failed(tmp_path: Path, gate: Gate) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        place = await order(world, service)
        for _ in range(MOST_TRIES):
            await gate.reached()
            assert (await world.at_riverside.get(place, headers=service)).status_code == 202
            gate.has_come.clear()
            await world.crash(RIVERSIDE)
        for _ in range(2):
            failed = await world.at_riverside.get(place, headers=service)
            assert failed.status_code == 500
            assert failed.json()["resourceType"] == "OperationOutcome"
            await world.restart(RIVERSIDE)
        assert files(world) == []

    tell(tmp_path, story)


def test_one_that_stops_as_it_should_may_go_on_as_often_as_it_likes(
    tmp_path: Path, gate: Gate
) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        place = await order(world, service)
        for _ in range(MOST_TRIES + 1):
            await world.restart(RIVERSIDE)
        gate.is_open.set()
        assert await lines(world, await manifest_at(world, place, service), service)

    tell(tmp_path, story)


def test_what_is_ended_or_over_stays_so(tmp_path: Path, gate: Gate) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        running = await order(world, service)
        await gate.reached()
        await world.pass_time(RUNS_S)
        await world.restart(RIVERSIDE)
        service = await world.service()
        assert (await world.at_riverside.get(running, headers=service)).status_code == 404
        gate.is_open.set()
        ended, kept = [await export(world, URL, service) for _ in range(2)]
        assert (await world.at_riverside.delete(ended["place"], headers=service)).status_code == 202
        await world.crash(RIVERSIDE)
        assert (await world.at_riverside.get(ended["place"], headers=service)).status_code == 404
        assert await lines(world, kept, service)
        await world.pass_time(KEPT_S)
        await world.restart(RIVERSIDE)
        service = await world.service()
        assert (await world.at_riverside.get(kept["place"], headers=service)).status_code == 404
        assert files(world) == []

    tell(tmp_path, story)


def test_a_client_has_no_more_exports_for_a_restart(tmp_path: Path, gate: Gate) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        for _ in range(4):
            await order(world, service)
        await world.restart(RIVERSIDE)
        fifth = await world.at_riverside.get(URL, headers=service | ASYNC)
        assert fifth.status_code == 429
        gate.is_open.set()

    tell(tmp_path, story)


def test_who_is_erased_is_in_no_file_whatever_is_put_back(tmp_path: Path) -> None:
    """The export's files and its key are put back afterwards: the patient's key is gone."""

    async def story(world: World) -> None:
        await store(world, patient(BEN_MRN), observation("ben-1", BEN_MRN))
        service = await world.service()
        manifest = await export(world, URL, service)
        assert f"Patient/{ANA_MRN}" in names(await lines(world, manifest, service))
        here, copy = world.folder / RIVERSIDE, world.folder / "copy"
        copy.mkdir()
        for path in here.glob("unfinished*"):
            shutil.copy(path, copy)
        shutil.copytree(here / "exports", copy / "exports")
        desk = await world.service()
        erased = await world.at_riverside.post(f"/desk/patients/{ANA_MRN}/shred", headers=desk)
        assert erased.status_code == 200, erased.text
        without = names(await lines(world, manifest, service))
        assert without == {f"Patient/{BEN_MRN}", "Observation/ben-1"}
        ended = await world.at_riverside.delete(manifest["place"], headers=service)
        assert ended.status_code == 202
        await world.stop(RIVERSIDE)
        for path in here.glob("unfinished*"):
            path.unlink()
        for path in copy.glob("unfinished*"):
            shutil.copy(path, here)
        shutil.copytree(copy / "exports", here / "exports", dirs_exist_ok=True)
        await world.open(RIVERSIDE)
        assert names(await lines(world, manifest, service)) == without

    tell(tmp_path, story)


def test_nothing_on_disk_can_be_read(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        manifest = await export(world, URL, service, _type="Patient,MedicationRequest")
        read = json.dumps(await lines(world, manifest, service))
        kept = [*files(world), *(world.folder / RIVERSIDE).glob("unfinished*")]
        assert len(kept) >= 3
        content = b"".join(path.read_bytes() for path in kept)
        for secret in ("Rivera-Quill", "Zolpidemex", ANA_MRN, "HOPERAT", "_type=Patient"):
            assert secret in read or secret in {"HOPERAT", "_type=Patient"}
            assert secret.encode() not in content
        await world.at_riverside.delete(manifest["place"], headers=service)
        assert files(world) == []

    tell(tmp_path, story)


def test_a_file_that_was_altered_is_told(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        manifest = await export(world, URL, service)
        await world.stop(RIVERSIDE)
        for path in files(world):
            content = bytearray(path.read_bytes())
            content[-1] ^= 1
            path.write_bytes(content)
        await world.open(RIVERSIDE)
        with pytest.raises((Tampered, RuntimeError)) as broken:  # the answer breaks off
            await lines(world, manifest, service)
        assert Tampered in {type(broken.value), type(broken.value.__cause__)}

    tell(tmp_path, story)
