"""Transactions and batches: R4's order, reads after changes, each resource once, all or nothing."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from careledger.gateway import fhir_batch
from tests.exchange.world import ANA_MRN, RIVERSIDE, medication, observation, patient
from tests.gateway.test_bulk_export import export
from tests.gateway.world import FHIR, World, tell

URN = "urn:uuid:00000000-0000-4000-8000-00000000000"


def entry(
    method: str, url: str, resource: dict[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    full = {"fullUrl": more.pop("full_url")} if "full_url" in more else {}
    made = full | {"request": {"method": method, "url": url} | more}
    return made if resource is None else made | {"resource": resource}


async def send(
    world: World, headers: dict[str, str], *entries: dict[str, Any], type_: str = "transaction"
) -> httpx2.Response:
    body = {"resourceType": "Bundle", "type": type_, "entry": entries}
    return await world.at_riverside.post(
        "/fhir", json=body, headers=headers | {"content-type": FHIR}
    )


def new(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "id"}


def test_changes_come_before_reads_in_the_order_of_r4(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        answer = await send(
            world,
            service,
            entry("GET", "Observation/o1"),
            entry("GET", f"Observation?patient={ANA_MRN}"),
            entry("GET", "MedicationRequest/m1"),
            entry("HEAD", "Observation/o1"),
            entry("GET", "Observation/o1/_history/1"),
            entry("GET", "Observation/o1", ifNoneMatch='W/"2"'),
            entry("PUT", "Observation/o1", observation("o1", value=1.5), ifMatch='W/"1"'),
            entry("POST", "Observation", new(observation("x"))),
            entry("DELETE", "MedicationRequest/m1"),
        )
        assert answer.status_code == 200, answer.text
        read, search, gone, head, first, known, put, post, delete = answer.json()["entry"]
        assert read["resource"]["valueQuantity"]["value"] == 1.5
        assert read["response"]["etag"] == 'W/"2"'
        assert read["response"]["lastModified"].endswith("Z")
        assert search["resource"]["total"] == 2
        assert gone["response"]["status"] == "404 Not Found"
        assert gone["response"]["outcome"]["resourceType"] == "OperationOutcome"
        assert (head["response"]["status"], "resource" in head) == ("200 OK", False)
        assert first["resource"]["valueQuantity"]["value"] == 7.2
        assert known["response"]["status"] == "304 Not Modified"
        assert put["response"]["status"] == "200 OK"
        assert post["response"]["status"] == "201 Created"
        assert post["response"]["location"].endswith("/_history/1")
        assert delete["response"]["status"] == "204 No Content"

    tell(tmp_path, story)


def test_each_resource_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        lab = observation("o1") | {"identifier": [{"system": "urn:lab", "value": "a"}]}
        await send(world, service, entry("PUT", "Observation/o1", lab))
        put = entry("PUT", "Observation/o1", lab)
        conditional = entry("PUT", "Observation?identifier=urn:lab|a", new(lab))
        once = entry("POST", "Observation", new(lab), ifNoneExist="identifier=urn:lab|b")
        for pair in (
            (put, put),
            (put, entry("DELETE", "Observation/o1")),
            (put, conditional),
            (once, once),
        ):
            answer = await send(world, service, *pair)
            assert (answer.status_code, answer.json()["issue"][0]["code"]) == (400, "duplicate")
        batch = await send(world, service, put, put, type_="batch")
        assert [one["response"]["etag"] for one in batch.json()["entry"]] == ['W/"3"', 'W/"4"']

    tell(tmp_path, story)


def test_references_inside_a_transaction(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        carla = new(patient("x", "Okonkwo", identifier=[{"system": "urn:mrn", "value": "c"}]))
        order = new(medication("x")) | {"subject": {"reference": URN + "0"}}
        answer = await send(
            world,
            service,
            entry("POST", "MedicationRequest", order, full_url=URN + "1"),
            entry("POST", "Patient", carla, full_url=URN + "0", ifNoneExist="identifier=urn:mrn|c"),
        )
        assert answer.status_code == 200, answer.text
        made, person = (one["response"]["location"] for one in answer.json()["entry"])
        local = person.split("/")[1]
        stored = await world.at_riverside.get(f"/fhir/{made}", headers=service)
        assert stored.json()["subject"]["reference"] == f"Patient/{local}"
        again = await send(
            world,
            service,
            entry("POST", "MedicationRequest", order, full_url=URN + "1"),
            entry("POST", "Patient", carla, full_url=URN + "0", ifNoneExist="identifier=urn:mrn|c"),
        )
        second, same = (one["response"] for one in again.json()["entry"])
        assert same["status"] == "200 OK"
        assert same["location"] == f"Patient/{local}"
        assert second["location"] != made
        stored = await world.at_riverside.get(f"/fhir/{second['location']}", headers=service)
        assert stored.json()["subject"]["reference"] == f"Patient/{local}"

    tell(tmp_path, story)


def test_a_transaction_that_fails_anywhere_leaves_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        service, vault = await world.service(), world.riverside.organisation.vault
        await world.riverside.ingestion.settled()
        good = [
            entry("POST", "Observation", new(observation("x"))),
            entry("PUT", "Observation/o1", observation("o1", value=9.9)),
            entry("PUT", "Observation/fresh", observation("fresh")),
            entry("DELETE", "MedicationRequest/m1"),
        ]
        lost = {"subject": {"reference": "Patient/nobody"}}
        bad = [
            entry("POST", "Observation", new(observation("x")) | {"status": "over"}),
            entry("POST", "Observation", new(observation("x")) | lost),
            entry("PUT", "MedicationRequest/m2", medication("m2"), ifMatch='W/"9"'),
            entry("PUT", "MedicationRequest/m2", medication("another")),
            entry("DELETE", "MedicationRequest/absent"),
            entry("PATCH", "MedicationRequest/absent", {"resourceType": "Parameters"}),
            entry("PUT", "MedicationRequest?status=active", new(medication("x"))),
            entry("POST", "Observation", new(observation("x")), ifNoneExist="colour=red"),
            entry("TRACE", "Observation/o1"),
        ]
        before = (await world.at_riverside.get("/fhir/Observation/o1", headers=service)).content
        for fault in bad:
            for place in (0, 2, len(good)):
                answer = await send(world, service, *good[:place], fault, *good[place:])
                assert 400 <= answer.status_code < 500, (fault, answer.text)
                assert answer.status_code == 412 or f"entry[{place}]" in answer.text, answer.text
                assert vault.unbatched() == []
        assert (
            await world.at_riverside.get("/fhir/Observation/o1", headers=service)
        ).content == before
        assert (await send(world, service, *good)).status_code == 200

    tell(tmp_path, story)


def test_a_batch_does_what_the_token_reaches(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        finn = await world.dr_finn("system/Observation.cru")
        answer = await send(
            world,
            finn,
            entry("PUT", "Observation/o1", observation("o1")),
            entry("DELETE", "Observation/o1"),
            entry("PUT", "MedicationRequest/m1", medication("m1")),
            entry("GET", "MedicationRequest/m1"),
            entry("GET", "metadata"),
            type_="batch",
        )
        said = [one["response"]["status"][:3] for one in answer.json()["entry"]]
        assert said == ["200", "403", "403", "403", "200"]
        ana = await world.ana()
        reads = await send(world, ana, entry("GET", "Observation/o1"), type_="batch")
        assert reads.json()["entry"][0]["response"]["status"] == "200 OK"
        write = await send(world, ana, entry("DELETE", "Observation/o1"), type_="batch")
        assert write.status_code == 403
        many = [entry("GET", "Observation/o1")] * 201
        assert (await send(world, finn, *many, type_="batch")).status_code == 400
        assert RIVERSIDE not in write.text

    tell(tmp_path, story)


def test_a_consent_that_names_a_drug_finds_it_behind_a_reference(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        drug = {
            "resourceType": "Medication",
            "meta": {"security": [{"system": "urn:label", "code": "PSY"}]},
            "code": {"coding": [{"system": "urn:rx", "code": "17"}]},
        }
        order = {
            n: v for n, v in medication("x").items() if n not in ("id", "medicationCodeableConcept")
        }
        inside = await send(
            world,
            service,
            entry("POST", "Medication", drug, full_url=URN + "0"),
            entry(
                "POST",
                "MedicationRequest",
                order | {"medicationReference": {"reference": URN + "0"}},
            ),
        )
        assert inside.status_code == 200, inside.text
        stored, first = (
            one["response"]["location"].split("/")[1] for one in inside.json()["entry"]
        )
        known = order | {"medicationReference": {"reference": f"Medication/{stored}"}}
        contained = order | {
            "contained": [drug | {"id": "d"} | {"meta": {"tag": [{"code": "t"}]}}],
            "medicationReference": {"reference": "#d"},
        }
        later = await send(
            world,
            service,
            entry("POST", "MedicationRequest", known),
            entry("POST", "MedicationRequest", contained),
        )
        second, third = (one["response"]["location"].split("/")[1] for one in later.json()["entry"])
        facts = {}
        vault = world.riverside.organisation.vault
        vault.locate(vault.patient(ANA_MRN), lambda one: bool(facts.update({one.id: one.facts})), 0)
        assert [facts[id_].codes for id_ in (first, second, third)] == [(("urn:rx", "17"),)] * 3
        assert facts[first].labels == facts[second].labels == (("urn:label", "PSY"),)
        assert json.dumps(drug) not in inside.text

    tell(tmp_path, story)


def test_what_is_no_fhir_json_stays_out_of_a_bundle(tmp_path: Path) -> None:
    """The words of a Binary close their entry and open another, of a patient who is none."""
    forged = b'{"resourceType":"Patient","id":"forged"}},{"resource":{"resourceType":"Patient"}'
    binary = {
        "resourceType": "Binary",
        "id": "words",
        "contentType": "text/plain",
        "securityContext": {"reference": f"Patient/{ANA_MRN}"},
        "data": base64.b64encode(forged).decode(),
    }

    async def story(world: World) -> None:
        service = await world.service()
        stored = await send(world, service, entry("PUT", "Binary/words", binary), type_="batch")
        assert stored.json()["entry"][0]["response"]["status"].startswith("201")
        alone = await world.at_riverside.get(
            "/fhir/Binary/words?_format=text/plain", headers=service
        )
        assert alone.content == forged
        reads = [
            entry("GET", "Binary/words?_format=text/plain"),
            entry("HEAD", "Binary/words?_format=text/plain"),
            entry("GET", "Binary/words"),
        ]
        asked = await send(world, service, *reads, type_="batch")
        answers = asked.json()["entry"]
        statuses = [one["response"]["status"][:3] for one in answers]
        assert statuses == ["406", "406", "200"]
        assert "resource" not in answers[0]
        assert answers[2]["resource"] | {"meta": {}} == binary | {"meta": {}}

    tell(tmp_path, story)


def test_a_file_of_an_export_in_a_bundle_stops_nobody(tmp_path: Path) -> None:
    """A door that answers piece by piece also listens whether its client has left."""

    async def story(world: World) -> None:
        service = await world.service()
        manifest = await export(world, "/fhir/Patient/$export", service)
        file = manifest["output"][0]["url"].partition("/fhir/")[2]
        asked = await send(world, service, entry("GET", file), type_="batch")
        assert asked.json()["entry"][0]["response"]["status"].startswith("406")

    tell(tmp_path, story)


def test_reads_in_a_bundle_answer_so_much_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        whole = await world.at_riverside.get(f"/fhir/Patient/{ANA_MRN}", headers=service)
        monkeypatch.setattr(fhir_batch, "MOST_READ_BYTES", 2 * len(whole.content))
        reads = [entry("GET", f"Patient/{ANA_MRN}")] * 3
        asked = await send(world, service, *reads, type_="batch")
        statuses = [one["response"]["status"][:3] for one in asked.json()["entry"]]
        assert statuses == ["200", "200", "413"]

    tell(tmp_path, story)


def test_an_entity_tag_of_strange_letters_is_no_fault(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        service = await world.service()
        strange = entry("GET", f"Patient/{ANA_MRN}")
        strange["request"]["ifNoneMatch"] = 'W/"\u2603"'
        asked = await send(world, service, strange, type_="batch")
        assert asked.json()["entry"][0]["response"]["status"].startswith("200")

    tell(tmp_path, story)
