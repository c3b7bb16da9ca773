"""Riverside's warehouse orders everything; what patients withhold is not in it."""

import asyncio
import json
from pathlib import Path
from typing import Any

from careledger.fhir.dates import instant_text
from tests.exchange.world import ANA_MRN, BEN_MRN, DR_FINN, RIVERSIDE, observation, patient
from tests.gateway.world import FHIR, World, tell

ASYNC = {"prefer": "respond-async", "accept": FHIR}


async def export(world: World, url: str, headers: dict[str, str], **params: str) -> dict[str, Any]:
    """The manifest of an export, once it is there."""
    client = world.at_riverside
    begun = await client.get(url, params=params, headers=headers | ASYNC)
    assert begun.status_code == 202, begun.text
    place = begun.headers["content-location"]
    while (answer := await client.get(place, headers=headers)).status_code == 202:
        assert answer.headers["x-progress"].endswith("so far")
        await asyncio.sleep(0.01)
    assert answer.status_code == 200, answer.text
    manifest: dict[str, Any] = answer.json() | {"place": place}
    return manifest


async def lines(
    world: World, manifest: dict[str, Any], headers: dict[str, str], kind: str = "output"
) -> dict[str, list[dict[str, Any]]]:
    """Every resource of an export, by the type its file is for."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in manifest[kind]:
        file = await world.at_riverside.get(one["url"], headers=headers)
        assert file.status_code == 200
        assert file.headers["content-type"].startswith("application/fhir+ndjson")
        found.setdefault(one["type"], []).extend(map(json.loads, file.text.splitlines()))
    return found


def names(found: dict[str, list[dict[str, Any]]]) -> set[str]:
    return {f"{one['resourceType']}/{one['id']}" for some in found.values() for one in some}


async def store(world: World, *resources: dict[str, Any]) -> None:
    service = await world.service() | {"content-type": FHIR}
    for one in resources:
        url = f"/fhir/{one['resourceType']}/{one['id']}"
        answer = await world.at_riverside.put(url, content=json.dumps(one), headers=service)
        assert answer.status_code in {200, 201}, answer.text


def test_a_record_in_files_by_type(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await store(world, patient(BEN_MRN), observation("ben-1", BEN_MRN))
        service = await world.service()
        manifest = await export(world, "/fhir/Patient/$export", service)
        assert manifest["requiresAccessToken"] is True
        assert manifest["request"] == "http://riverside.test/fhir/Patient/$export"
        found = await lines(world, manifest, service)
        assert {f"Patient/{ANA_MRN}", f"Patient/{BEN_MRN}", "Observation/ben-1"} <= names(found)
        counts = {one["type"]: one["count"] for one in manifest["output"]}
        assert counts == {type_: len(some) for type_, some in found.items()}
        assert all(one["meta"]["versionId"] for one in found["Patient"])

    tell(tmp_path, story)


def test_who_may_order_and_who_may_fetch(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        url = "/fhir/Patient/$export"
        assert (await client.get(url, headers=ASYNC)).status_code == 401
        assert (await client.get(url, headers=service)).status_code == 400
        own = await client.get(url, headers=await world.ana("patient/*.rs") | ASYNC)
        assert own.status_code == 403
        narrow = await world.service("system/Patient.rs")
        beyond = await client.get(url, params={"_type": "Observation"}, headers=narrow | ASYNC)
        assert beyond.status_code == 403
        only = await lines(world, await export(world, url, narrow), narrow)
        assert set(only) == {"Patient"}

        manifest = await export(world, url, service)
        finn = await world.dr_finn()
        nobody = await client.get("http://riverside.test/fhir/bulk/nothing", headers=finn)
        assert nobody.status_code == 404
        for place in (manifest["place"], manifest["output"][0]["url"]):
            assert (await client.get(place)).status_code == 401
            foreign = await client.get(place, headers=finn)
            assert (foreign.status_code, foreign.content) == (404, nobody.content)
        ended = await client.delete(manifest["place"], headers=service)
        assert ended.status_code == 202
        gone = await client.get(manifest["output"][0]["url"], headers=service)
        assert (gone.status_code, gone.content) == (404, nobody.content)

    tell(tmp_path, story)


def test_a_token_that_reaches_less_does_not_fetch(tmp_path: Path) -> None:
    """Of the same client: another scope, another person, another role."""

    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        manifest = await export(world, "/fhir/Patient/$export", service)
        absent = await client.get("http://riverside.test/fhir/bulk/nothing", headers=service)
        person = {"purpose_of_use": ["HOPERAT"], "subject_id": DR_FINN}
        others = [
            await world.service("system/Patient.rs"),
            await world.service("system/*.cruds?_id=nobody"),
            await world.token(RIVERSIDE, RIVERSIDE, "system/*.cruds", b2b=person),
            await world.token(
                RIVERSIDE, RIVERSIDE, "system/*.cruds", b2b=person | {"subject_role": "clinician"}
            ),
        ]
        for other in others:
            for place in (manifest["place"], manifest["output"][0]["url"]):
                answer = await client.get(place, headers=other)
                assert (answer.status_code, answer.content) == (404, absent.content)
            ended = await client.delete(manifest["place"], headers=other)
            assert ended.status_code == 404
        again = await world.service()
        assert await lines(world, manifest, again)

    tell(tmp_path, story)


def test_a_manifest_has_our_address_whatever_the_client_calls_us(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        elsewhere = await world.service() | {
            "host": "evil.example",
            "x-forwarded-host": "evil.example",
            "forwarded": "host=evil.example",
        }
        manifest = await export(world, "/fhir/Patient/$export", elsewhere, _type="Patient")
        assert manifest["request"] == "http://riverside.test/fhir/Patient/$export?_type=Patient"
        assert "evil" not in json.dumps(manifest)

    tell(tmp_path, story)


def test_what_a_patient_withholds_is_not_written_and_not_fetched(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await store(world, patient(BEN_MRN))
        service = await world.service()
        before = await export(world, "/fhir/Patient/$export", service)
        assert f"Patient/{ANA_MRN}" in names(await lines(world, before, service))
        await world.deny(grantee=RIVERSIDE)
        fetched = names(await lines(world, before, service))
        assert f"Patient/{BEN_MRN}" in fetched
        assert not any(ANA_MRN in one for one in fetched)
        after = await export(world, "/fhir/Patient/$export", service)
        assert names(await lines(world, after, service)) == fetched

    tell(tmp_path, story)


def test_narrowing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await store(world, patient(BEN_MRN), observation("ben-1", BEN_MRN))
        service = await world.service()
        url = "/fhir/Patient/$export"
        typed = await lines(world, await export(world, url, service, _type="Observation"), service)
        assert set(typed) == {"Observation"}
        some = await export(
            world, url, service, _type="Observation", _typeFilter=f"Observation?patient={BEN_MRN}"
        )
        assert names(await lines(world, some, service)) == {"Observation/ben-1"}
        cut = await export(world, url, service, _type="Patient", _elements="gender")
        (one, *_) = (await lines(world, cut, service))["Patient"]
        assert "name" not in one
        assert one["meta"]["tag"][0]["code"] == "SUBSETTED"
        await world.pass_time(100)
        since = instant_text(world.clock())
        await store(world, observation("ben-2", BEN_MRN))
        service = await world.service()
        gone = await world.at_riverside.delete("/fhir/Observation/ben-1", headers=service)
        assert gone.status_code == 204
        new = await export(world, url, service, _since=since)
        assert names(await lines(world, new, service)) == {"Observation/ben-2"}
        removed = await lines(world, new, service, "deleted")
        (request,) = [one["entry"][0]["request"] for one in removed["Bundle"]]
        assert request == {"method": "DELETE", "url": "Observation/ben-1"}

    tell(tmp_path, story)


def test_a_deletion_of_a_merged_patient_stands_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        since = instant_text(world.clock())
        await world.pass_time(60)
        await store(world, patient(BEN_MRN), observation("ben-1", BEN_MRN))
        service = await world.service()
        for name in ("Observation/ben-1", "Observation/o1"):
            gone = await world.at_riverside.delete(f"/fhir/{name}", headers=service)
            assert gone.status_code == 204
        vault = world.riverside.organisation.vault
        ana, ben = vault.patient(ANA_MRN), vault.patient(BEN_MRN)
        assert ana is not None
        assert ben is not None
        vault.merge(ben, ana, world.clock())
        manifest = await export(world, "/fhir/$export", service, _since=since)
        removed = (await lines(world, manifest, service, "deleted"))["Bundle"]
        urls = sorted(one["entry"][0]["request"]["url"] for one in removed)
        assert urls == ["Observation/ben-1", "Observation/o1"]

    tell(tmp_path, story)


def test_bad_orders(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        url = "/fhir/Patient/$export"
        for params in (
            {"_type": "Nothing"},
            {"_since": "yesterday"},
            {"_outputFormat": "text/csv"},
            {"_typeFilter": "Patient"},
            {"_typeFilter": "Patient?colour=red"},
            {"_elements": "a-b"},
            {"other": "1"},
        ):
            answer = await client.get(url, params=params, headers=service | ASYNC)
            assert answer.status_code == 400, params
            assert answer.json()["resourceType"] == "OperationOutcome"
        for body in (b'{"resourceType":"Parameters","parameter":[{"name":"\xff"}]}', b"[" * 90_000):
            sent = service | ASYNC | {"content-type": FHIR}
            broken = await client.post(url, content=body, headers=sent)
            assert broken.status_code == 400
        system = await client.get(
            "/fhir/$export", params={"patient": f"Patient/{ANA_MRN}"}, headers=service | ASYNC
        )
        assert system.status_code == 400
        absent = await client.get("/fhir/Group/none/$export", headers=service | ASYNC)
        assert absent.status_code == 404
        for _ in range(4):
            begun = await client.get(url, headers=service | ASYNC)
            assert begun.status_code == 202
        for scope in ("system/*.cruds", "system/Patient.rs"):  # the share is the client's
            same = await world.service(scope)
            busy = await client.get(url, headers=same | ASYNC)
            assert busy.status_code == 429
            assert busy.headers["retry-after"]

    tell(tmp_path, story)


def test_the_directory_goes_with_the_whole(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await store(world, {"resourceType": "Organization", "id": "lab", "name": "Lab"})
        service = await world.service()
        system = await lines(world, await export(world, "/fhir/$export", service), service)
        assert "Organization/lab" in names(system)
        people = await lines(world, await export(world, "/fhir/Patient/$export", service), service)
        assert "Organization/lab" not in names(people)

    tell(tmp_path, story)


def test_the_members_of_a_group(tmp_path: Path) -> None:
    """Rosters are the organisation's own: its systems keep them, nobody else sees any."""

    async def story(world: World) -> None:
        client = world.at_riverside
        members: list[dict[str, Any]] = [
            {"entity": {"reference": f"Patient/{BEN_MRN}"}},
            {"entity": {"reference": f"Patient/{ANA_MRN}"}, "inactive": True},
        ]
        group = {
            "resourceType": "Group",
            "id": "g1",
            "type": "person",
            "actual": True,
            "member": members,
        }
        await store(world, patient(BEN_MRN), group)
        service = await world.service()
        found = await lines(world, await export(world, "/fhir/Group/g1/$export", service), service)
        assert f"Patient/{BEN_MRN}" in names(found)
        assert not any(ANA_MRN in one for one in names(found))
        mine = await client.get("/fhir/Group", params={"member": BEN_MRN}, headers=service)
        assert mine.json()["total"] == 1
        for headers in (await world.dr_finn(), await world.ana()):
            there = await client.get("/fhir/Group/g1", headers=headers)
            absent = await client.get("/fhir/Group/g2", headers=headers)
            assert (there.status_code, there.content) == (404, absent.content)
            none = await client.get("/fhir/Group", params={"_id": "g1"}, headers=headers)
            assert none.json()["total"] == 0
            has = await client.get(
                "/fhir/Patient",
                params={"_id": BEN_MRN, "_revinclude": "Group:member"},
                headers=headers,
            )
            assert "Group" not in has.text.replace("Group%3Amember", "")
        joined = {**group, "member": [*members[:1], {"entity": members[1]["entity"]}]}
        await store(world, joined)
        service = await world.service()
        both = await lines(world, await export(world, "/fhir/Group/g1/$export", service), service)
        assert {f"Patient/{BEN_MRN}", f"Patient/{ANA_MRN}"} <= names(both)
        absolute: list[dict[str, Any]] = [
            {"entity": {"reference": f"http://riverside.test/fhir/Patient/{BEN_MRN}"}},
            {"entity": {"reference": f"https://elsewhere.example/fhir/Patient/{ANA_MRN}"}},
            {"entity": {"reference": f"x/Patient/{ANA_MRN}"}},
        ]
        await store(world, {**group, "member": absolute})
        ours = await lines(world, await export(world, "/fhir/Group/g1/$export", service), service)
        assert f"Patient/{BEN_MRN}" in names(ours)
        assert not any(ANA_MRN in one for one in names(ours))

    tell(tmp_path, story)
