"""Dr Finn, Ana and Riverside's software read what Riverside holds."""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from careledger.fhir.resource import parse_resource
from careledger.mechanisms.deadline import day_of
from tests.exchange.world import (
    ANA_MRN,
    BEN_MRN,
    DR_FINN,
    NOW,
    RIVERSIDE,
    bundle,
    medication,
    observation,
    patient,
)
from tests.gateway.world import FHIR, World, tell

SPACED = b"""{ "resourceType": "Observation",\t"id":"exact", "status":"final",
  "code": {"text": "HbA1c"}, "subject": {"reference": "Patient/MRN-000-4711"},
  "valueQuantity": {"value": 1.00, "unit": "%"} }"""


STORED = b'{"meta":{"versionId":"%d","lastUpdated":"%s"},'


def answered(version: int, stored: str, data: bytes) -> bytes:
    """Byte for byte what was put, with its version and time in front."""
    return STORED % (version, stored.encode()) + data[1:]


def test_a_resource_comes_back_byte_for_byte_with_its_version(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        put = await client.put(
            "/fhir/Observation/exact", content=SPACED, headers=service | {"content-type": FHIR}
        )
        assert put.status_code == 201
        world.offset += 5
        finn = await world.dr_finn()
        answer = await client.get("/fhir/Observation/exact", headers=finn)
        assert answer.content == answered(1, "2026-09-21T14:13:20Z", SPACED)
        assert answer.headers["etag"] == 'W/"1"'
        assert answer.headers["last-modified"] == "Mon, 21 Sep 2026 14:13:20 GMT"
        assert answer.headers["content-type"] == f"{FHIR}; fhirVersion=4.0"
        assert answer.headers["cache-control"] == "no-store"
        known = await client.get(
            "/fhir/Observation/exact", headers=finn | {"if-none-match": 'W/"1"'}
        )
        assert (known.status_code, known.content) == (304, b"")
        stale = await client.get(
            "/fhir/Observation/exact", headers=finn | {"if-none-match": 'W/"7"'}
        )
        assert stale.status_code == 200

        again = SPACED.replace(b"1.00", b"2.00")
        headers = service | {"content-type": FHIR, "if-match": 'W/"1"'}
        assert (
            await client.put("/fhir/Observation/exact", content=again, headers=headers)
        ).status_code == 200
        first = await client.get("/fhir/Observation/exact/_history/1", headers=finn)
        assert first.content == answer.content
        newest = await client.get("/fhir/Observation/exact/_history/2", headers=finn)
        assert newest.content == answered(2, "2026-09-21T14:13:25Z", again)
        assert newest.headers["etag"] == 'W/"2"'
        assert (await client.head("/fhir/Observation/exact", headers=finn)).status_code == 200

    tell(tmp_path, story)


def test_forbidden_deleted_and_absent_are_one_answer_byte_for_byte(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        await world.riverside.ingestion.bundle(
            bundle(
                patient(BEN_MRN, "Ng"), medication("ben-1", BEN_MRN), medication("gone", ANA_MRN)
            )
        )
        assert (
            await client.delete("/fhir/MedicationRequest/gone", headers=service)
        ).status_code == 204
        ana, finn = await world.ana(), await world.dr_finn()
        research = await world.token(DR_FINN, RIVERSIDE, b2b={"purpose_of_use": ["HRESCH"]})
        absent = await client.get("/fhir/MedicationRequest/none", headers=finn)
        assert absent.status_code == 404
        asked = [
            (ana, "/fhir/MedicationRequest/ben-1"),
            (ana, f"/fhir/Patient/{BEN_MRN}"),
            (ana, f"/fhir/Patient/{BEN_MRN}/$everything"),
            (ana, "/fhir/Patient/nobody/$everything"),
            (ana, "/fhir/MedicationRequest/ben-1/_history/1"),
            (research, "/fhir/MedicationRequest/m1"),
            (research, f"/fhir/Patient/{ANA_MRN}/$everything"),
            (finn, "/fhir/MedicationRequest/gone"),
            (finn, "/fhir/MedicationRequest/m1/_history/9"),
            (finn, "/fhir/MedicationRequest/m1/_history/0"),
            (finn, "/fhir/MedicationRequest/m1/_history/one"),
            (finn, "/fhir/MedicationRequest/m%2F1"),
            (finn, f"/fhir/MedicationRequest/{'x' * 65}"),
            (finn, "/fhir/Unicorn/m1"),
            (finn, "/fhir/Practitioner/nobody"),
        ]
        for token, path in asked:
            answer = await client.get(path, headers=token)
            assert (answer.status_code, answer.content) == (404, absent.content), path
            assert dict(answer.headers) == dict(absent.headers), path
        nothing = [
            (await client.get(f"/fhir/MedicationRequest?patient={local}", headers=token)).json()
            for token, local in ((ana, BEN_MRN), (research, ANA_MRN), (finn, "nobody"))
        ]
        assert [(one["total"], "entry" in one) for one in nothing] == [(0, False)] * 3

    tell(tmp_path, story)


def test_ana_reads_her_own_record_and_whom_she_denies_sees_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, ana, finn = world.at_riverside, await world.ana(), await world.dr_finn()
        mine = (await client.get("/fhir/MedicationRequest", headers=ana)).json()
        assert sorted(one["resource"]["id"] for one in mine["entry"]) == ["m1", "m2"]
        everything = (await client.get(f"/fhir/Patient/{ANA_MRN}/$everything", headers=ana)).json()
        assert everything["total"] == 5
        assert (await client.get("/fhir/Patient", headers=ana)).json()["total"] == 1
        await world.deny(grantee=RIVERSIDE, valid_from=day_of(NOW))
        denied = await client.get("/fhir/MedicationRequest/m1", headers=finn)
        assert denied.status_code == 404
        assert (
            await client.get(f"/fhir/Patient/{ANA_MRN}/$everything", headers=finn)
        ).status_code == 404
        assert (await client.get("/fhir/MedicationRequest/m1", headers=ana)).status_code == 200
        reads = world.riverside.journal.reads_of("@" + "a" * 26)
        assert {(one.purpose, one.practitioner) for one in reads} == {("PATRQT", None)}

    tell(tmp_path, story)


def test_each_page_is_decided_anew_and_totals_count_what_is_seen(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        many = [observation(f"p{number}", value=number) for number in range(7)]
        await world.riverside.ingestion.bundle(bundle(*many))
        finn = await world.dr_finn()
        url = f"/fhir/Observation?patient={ANA_MRN}&code=http%3A%2F%2Floinc.org%7C4548-4&_count=3"
        seen, pages, last = list[str](), 0, ""
        while url:
            answer = await client.get(url, headers=finn)
            parse_resource(answer.content)
            page = answer.json()
            assert page["total"] == 8
            seen += [one["resource"]["id"] for one in page["entry"]]
            links: dict[str, Any] = {one["relation"]: one["url"] for one in page["link"]}
            pages, last, url = pages + 1, url, links.get("next", "")
        assert (pages, len(seen), len(set(seen))) == (3, 8, 8)
        await world.deny(grantee=RIVERSIDE, valid_from=day_of(NOW))
        assert (await client.get(last, headers=finn)).json()["total"] == 0

    tell(tmp_path, story)


def test_searches_that_are_not_answered_say_so(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, finn = world.at_riverside, await world.dr_finn()

        async def status(path: str) -> tuple[int, str]:
            answer = await client.get(path, headers=finn)
            return answer.status_code, answer.json()["issue"][0]["code"]

        assert await status(f"/fhir/Observation?patient={ANA_MRN}&colour=red") == (
            400,
            "not-supported",
        )
        assert await status(f"/fhir/Observation?patient={ANA_MRN}&date=soon") == (400, "value")
        assert await status(f"/fhir/Observation?patient={ANA_MRN}&_count=-1") == (400, "value")
        assert await status("/fhir/Observation?" + "a=b&" * 70) == (400, "too-costly")
        everything = f"/fhir/Patient/{ANA_MRN}/$everything"
        assert await status(f"{everything}?colour=red") == (400, "not-supported")
        assert await status(f"{everything}?start=soon") == (400, "value")
        assert await status("/fhir/Observation/o1/_history?_count=0") == (400, "value")
        assert await status("/fhir/Unicorn?patient=a") == (404, "not-found")
        directory = await client.get("/fhir/Practitioner", headers=finn)
        assert directory.json()["total"] == 0
        one = await client.get(f"/fhir/Patient?_id={ANA_MRN}", headers=finn)
        assert one.json()["total"] == 1

    tell(tmp_path, story)


def test_scopes_bound_what_a_token_reads(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        narrow = await world.dr_finn("system/MedicationRequest.r system/Patient.r")
        assert (await client.get("/fhir/MedicationRequest/m1", headers=narrow)).status_code == 200
        refused = await client.get("/fhir/Observation/o1", headers=narrow)
        assert (refused.status_code, refused.json()["issue"][0]["code"]) == (403, "forbidden")
        assert "insufficient_scope" in refused.headers["www-authenticate"]
        search = f"/fhir/MedicationRequest?patient={ANA_MRN}"
        assert (await client.get(search, headers=narrow)).status_code == 403
        everything = await client.get(f"/fhir/Patient/{ANA_MRN}/$everything", headers=narrow)
        types = {one["resource"]["resourceType"] for one in everything.json()["entry"]}
        assert types == {"MedicationRequest", "Patient"}

    tell(tmp_path, story)


def test_other_media_types_and_versions_are_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, finn = world.at_riverside, await world.dr_finn()
        for accept, status in (
            ("application/fhir+xml", 406),
            ("application/xml, text/html;q=0.9", 406),
            ("application/fhir+json; fhirVersion=5.0", 406),
            ("application/fhir+json;q=0", 406),
            ("application/fhir+json; fhirVersion=4.0", 200),
            ("text/html, */*;q=0.1", 200),
            ("application/json", 200),
        ):
            answer = await client.get("/fhir/Observation/o1", headers=finn | {"accept": accept})
            assert answer.status_code == status, accept
            assert answer.headers["content-type"].startswith(FHIR)
        for form, status in (("xml", 406), ("json", 200), ("application%2Ffhir%2Bjson", 200)):
            path = f"/fhir/Observation/o1?_format={form}"
            assert (await client.get(path, headers=finn)).status_code == status
        assert (
            await client.get("/fhir/metadata", headers={"accept": "text/turtle"})
        ).status_code == 406

    tell(tmp_path, story)


def test_a_flipped_byte_in_the_vault_is_told_and_nothing_is_released(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, finn = world.at_riverside, await world.dr_finn()
        flipped = "substr(sealed, 1, 40) || x'00' || substr(sealed, 42)"
        for damaged in (f"CAST({flipped} AS BLOB)", "'now it is text'"):
            with contextlib.closing(sqlite3.connect(tmp_path / RIVERSIDE / "vault.sqlite")) as file:
                file.execute(f"UPDATE objects SET sealed = {damaged}")
                file.commit()
            answer = await client.get("/fhir/MedicationRequest/m1", headers=finn)
            assert answer.status_code == 500
            (issue,) = answer.json()["issue"]
            assert issue["diagnostics"] == "what is stored here is not what was put"
            assert "m1" not in answer.text
        assert (await client.get("/fhir/MedicationRequest/none", headers=finn)).status_code == 404

    tell(tmp_path, story)


def test_errors_carry_nothing_personal(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, finn = world.at_riverside, await world.dr_finn()
        for path in (
            "/fhir/Observation?patient=Rivera-Quill*",
            "/fhir/Observation?patient=a&code=Zolpidemex|10|mg",
            "/fhir/Patient?_id=Rivera Quill",
            "/fhir/Rivera-Quill/1",
        ):
            answer = await client.get(path, headers=finn)
            assert answer.status_code >= 400
            assert "Rivera" not in answer.text
            assert "Zolpi" not in answer.text
            json.loads(answer.text)

    tell(tmp_path, story)
