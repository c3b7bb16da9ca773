"""Riverside's own resources, about nobody: for its people and systems, never a way to a patient."""

import json
from pathlib import Path
from typing import Any

import httpx2

from tests.exchange.world import ANA_MRN, patient
from tests.gateway.test_bulk_export import export, lines, names
from tests.gateway.test_partner_session import session
from tests.gateway.world import FHIR, World, tell

CODE = {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]}
SCANNER = {"resourceType": "Device", "id": "scanner", "status": "active", "serialNumber": "S1"}
MONDAYS = {
    "resourceType": "Schedule",
    "id": "mondays",
    "actor": [{"reference": "Device/scanner"}],
}
TEN = {
    "resourceType": "Slot",
    "id": "ten",
    "schedule": {"reference": "Schedule/mondays"},
    "status": "free",
    "start": "2026-06-01T10:00:00Z",
    "end": "2026-06-01T10:20:00Z",
}
CALIBRATION = {
    "resourceType": "Observation",
    "id": "calibration",
    "status": "final",
    "code": CODE,
    "device": {"reference": "Device/scanner"},
}
OWN = (SCANNER, MONDAYS, TEN, CALIBRATION)
NAMES = {f"{one['resourceType']}/{one['id']}" for one in OWN}


async def put(world: World, one: dict[str, Any], **headers: str) -> httpx2.Response:
    service = await world.service() | {"content-type": FHIR} | headers
    url = f"/fhir/{one['resourceType']}/{one['id']}"
    return await world.at_riverside.put(url, content=json.dumps(one), headers=service)


async def keep(world: World) -> None:
    for one in OWN:
        answer = await put(world, one)
        assert answer.status_code == 201, answer.text


async def seen(world: World, token: dict[str, str]) -> set[str]:
    """Which of them this caller finds, and can read."""
    found = set[str]()
    for one in OWN:
        type_, id_ = str(one["resourceType"]), str(one["id"])
        answer = await world.at_riverside.get(f"/fhir/{type_}?_id={id_}", headers=token)
        assert answer.status_code == 200, answer.text
        read = await world.at_riverside.get(f"/fhir/{type_}/{id_}", headers=token)
        past = await world.at_riverside.get(f"/fhir/{type_}/{id_}/_history", headers=token)
        assert (answer.json()["total"] == 1) == (read.status_code == 200)
        assert bool(past.json().get("entry")) == (read.status_code == 200)
        if read.status_code == 200:
            found.add(f"{type_}/{id_}")
    return found


def test_the_organisations_own_people_see_them_and_nobody_else(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await keep(world)
        assert await seen(world, await world.dr_finn()) == NAMES
        assert await seen(world, await world.service()) == NAMES
        narrow = await world.dr_finn("system/Device.rs")
        for name, status in {"Device/scanner": 200, "Slot/ten": 403}.items():
            read = await world.at_riverside.get(f"/fhir/{name}", headers=narrow)
            assert read.status_code == status
        assert await seen(world, await world.ana()) == set()
        await world.grant()
        assert await seen(world, await session(world)) == set()

    tell(tmp_path, story)


def test_they_are_found_through_one_another_and_not_in_a_record(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await keep(world)
        finn = await world.dr_finn()

        async def found(query: str) -> list[str]:
            answer = await world.at_riverside.get(f"/fhir/{query}", headers=finn)
            assert answer.status_code == 200, answer.text
            return sorted(one["resource"]["id"] for one in answer.json().get("entry", []))

        assert await found("Slot?schedule.actor:Device.status=active") == ["ten"]
        assert await found("Device?_has:Observation:device:code=4548-4") == ["scanner"]
        assert await found("Slot?_include=Slot:schedule") == ["mondays", "ten"]
        assert await found("Observation?device=Device/scanner") == ["calibration"]
        record = await found(f"Observation?patient={ANA_MRN}")
        assert record
        assert "calibration" not in record
        everything = await found(f"Patient/{ANA_MRN}/$everything")
        assert not {"calibration", "scanner", "ten", "mondays"} & set(everything)

    tell(tmp_path, story)


def test_an_export_of_the_system_has_them_and_of_patients_has_not(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await keep(world)
        service = await world.service()
        whole = names(await lines(world, await export(world, "/fhir/$export", service), service))
        assert whole >= NAMES
        asked = {"_type": "Observation,Device,Slot"}
        manifest = await export(world, "/fhir/Patient/$export", service, **asked)
        assert not names(await lines(world, manifest, service)) & NAMES
        filtered = {"_type": "Observation", "_typeFilter": "Observation?device=Device/scanner"}
        manifest = await export(world, "/fhir/$export", service, **filtered)
        assert names(await lines(world, manifest, service)) == {"Observation/calibration"}

    tell(tmp_path, story)


def test_what_may_be_about_a_person_is_refused_with_the_reason(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await keep(world)
        about = {
            "subject": {"display": "Ana"},
            "focus": [{"reference": f"Patient/{ANA_MRN}"}],
            "hasMember": [{"reference": "Observation/o1"}],
            "derivedFrom": [{"reference": "Observation/nowhere"}],
        }
        for member, value in about.items():
            answer = await put(world, CALIBRATION | {"id": "x", member: value})
            assert answer.status_code == 422, (member, answer.text)
            [issue] = answer.json()["issue"]
            assert issue["code"] == "required"
            assert "a patient of this organisation" in issue["diagnostics"]
            assert "Ana" not in answer.text
        claim: dict[str, Any] = {
            "resourceType": "Flag",
            "id": "f",
            "status": "active",
            "code": CODE,
        }
        claim["subject"] = {"reference": "Patient/nobody-here"}
        assert (await put(world, claim)).status_code == 422
        ward: dict[str, Any] = {"resourceType": "Organization", "id": "w", "name": "W"}
        ward["extension"] = [{"url": "urn:x", "valueReference": {"reference": "Patient/p"}}]
        assert (await put(world, ward)).status_code == 422

    tell(tmp_path, story)


def test_it_does_not_become_a_patients_nor_a_patients_nobodys(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await keep(world)
        given = SCANNER | {"patient": {"reference": f"Patient/{ANA_MRN}"}}
        answer = await put(world, given)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (412, "conflict")
        freed = CALIBRATION | {"id": "o1"}
        del freed["device"]
        answer = await put(world, freed)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (412, "conflict")
        slot = TEN | {"id": "hers", "schedule": {"reference": "Schedule/hers"}}
        hers = MONDAYS | {"id": "hers", "actor": [{"reference": f"Patient/{ANA_MRN}"}]}
        for one in (hers, slot):  # what a slot is of says whose it is
            assert (await put(world, one)).status_code == 201
        ana = await world.ana()
        read = await world.at_riverside.get("/fhir/Slot/hers", headers=ana)
        assert read.status_code == 200

    tell(tmp_path, story)


def test_a_bundle_of_them_may_refer_within_itself(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async def sent(*resources: dict[str, Any]) -> httpx2.Response:
            entries = [
                {
                    "resource": one,
                    "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
                }
                for one in resources
            ]
            body = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            service = await world.service() | {"content-type": FHIR}
            return await world.at_riverside.post("/fhir", content=json.dumps(body), headers=service)

        answer = await sent(TEN, MONDAYS, SCANNER)
        assert answer.status_code == 200, answer.text
        hers = CALIBRATION | {"id": "hers", "subject": {"reference": f"Patient/{ANA_MRN}"}}
        beside = CALIBRATION | {"id": "beside", "hasMember": [{"reference": "Observation/hers"}]}
        refused = await sent(hers, beside)
        assert refused.status_code == 422, refused.text
        with_her = await sent(patient(ANA_MRN), hers, beside)
        assert with_her.status_code == 200, with_her.text
        ana = await world.ana()
        read = await world.at_riverside.get("/fhir/Observation/beside", headers=ana)
        assert read.status_code == 200  # it came with her record

    tell(tmp_path, story)
