"""Conditional operations: what matches decides; what is withheld neither matches nor is there."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2

from careledger.fhir.patch.json_patch import JSON_PATCH
from careledger.mechanisms.deadline import day_of
from tests.exchange.world import ANA_MRN, NOW, RIVERSIDE, bundle, medication, observation, patient
from tests.gateway.world import FHIR, World, tell

LAB = "urn:lab"
HEMOGLOBIN = f"identifier={LAB}|a"


def labelled(id_: str | None, value: str, **more: Any) -> dict[str, Any]:
    made = observation("x") | {"identifier": [{"system": LAB, "value": value}]} | more
    del made["id"]
    return made if id_ is None else made | {"id": id_}


def test_create_update_and_delete_by_condition(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        headers = await world.service() | {"content-type": FHIR}
        once = headers | {"if-none-exist": HEMOGLOBIN}
        first = await client.post("/fhir/Observation", json=labelled(None, "a"), headers=once)
        again = await client.post("/fhir/Observation", json=labelled(None, "a"), headers=once)
        assert (first.status_code, again.status_code) == (201, 200)
        id_ = first.json()["id"]
        assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
        by = f"/fhir/Observation?{HEMOGLOBIN}"
        in_url = await client.post(by, json=labelled(None, "a"), headers=headers)
        assert (in_url.status_code, in_url.content) == (200, first.content)
        blind = await world.service("system/*.cu") | {"content-type": FHIR}
        unread = await client.post(by, json=labelled(None, "a"), headers=blind)
        assert (unread.status_code, unread.content, "etag" in unread.headers) == (200, b"", False)
        changed = labelled(None, "a", status="amended")
        update = await client.put(by, json=changed, headers=headers)
        assert (update.status_code, update.headers["etag"]) == (200, 'W/"2"'), update.text
        assert update.json()["id"] == id_
        other = await client.put(by, json=labelled("other", "a"), headers=headers)
        assert other.status_code == 400
        late = await client.put(by, json=changed, headers=headers | {"if-match": 'W/"1"'})
        assert late.status_code == 412
        made = await client.put(
            f"/fhir/Observation?identifier={LAB}|b", json=labelled(None, "b"), headers=headers
        )
        assert (made.status_code, made.headers["etag"]) == (201, 'W/"1"')
        both = f"/fhir/Observation?patient={ANA_MRN}&identifier={LAB}|a,{LAB}|b"
        several = [
            await client.put(both, json=changed, headers=headers),
            await client.delete(both, headers=headers),
            await client.patch(both, json=[], headers=headers | {"content-type": JSON_PATCH}),
            await client.post(
                "/fhir/Observation",
                json=labelled(None, "c"),
                headers=headers | {"if-none-exist": both.partition("?")[2]},
            ),
        ]
        assert [one.status_code for one in several] == [412] * 4, [one.text for one in several]
        assert {one.json()["issue"][0]["code"] for one in several} == {"multiple-matches"}
        assert (await client.delete(by, headers=headers)).status_code == 204
        assert (await client.get(f"/fhir/Observation/{id_}", headers=headers)).status_code == 404
        assert (await client.delete(by, headers=headers)).status_code == 204
        for bad in (
            "/fhir/Observation",
            "/fhir/Observation?colour=red",
            "/fhir/Observation?_count=1",
        ):
            answer = await client.delete(bad, headers=headers)
            assert answer.status_code == 400, (bad, answer.text)

    tell(tmp_path, story)


def test_if_match(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        headers = await world.service() | {"content-type": FHIR}
        url, body = "/fhir/Observation/o1", observation("o1", value=1.0)
        both = [
            await client.put(url, json=body, headers=headers | {"if-match": 'W/"1"'})
            for _ in range(2)
        ]
        assert sorted(one.status_code for one in both) == [200, 412]
        for _ in range(2):
            await client.put(url, json=body, headers=headers)
        versions = [f"{url}/_history/{number}" for number in range(1, 5)]
        found = [(await client.get(one, headers=headers)).status_code for one in versions]
        assert found == [200] * 4
        some = headers | {"if-match": "*"}
        assert (await client.put(url, json=body, headers=some)).status_code == 200
        nothing = observation("nothing")
        none = await client.put("/fhir/Observation/nothing", json=nothing, headers=some)
        assert none.status_code == 412
        for bad in ('W/"0"', "5", 'W/"-1"', '"a"', ""):
            answer = await client.put(url, json=body, headers=headers | {"if-match": bad})
            assert answer.status_code == 400, bad
        gone = await client.delete(url, headers=headers | {"if-match": 'W/"2"'})
        assert gone.status_code == 412
        assert (
            await client.delete(url, headers=headers | {"if-match": 'W/"5"'})
        ).status_code == 204

    tell(tmp_path, story)


def test_conditional_references_to_any_type(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        headers = await world.service() | {"content-type": FHIR}
        ana = patient(ANA_MRN, identifier=[{"system": "urn:mrn", "value": "7"}])
        await client.put(f"/fhir/Patient/{ANA_MRN}", json=ana, headers=headers)
        order = medication("m9") | {"subject": {"reference": "Patient?identifier=urn:mrn|7"}}
        answer = await client.post("/fhir", content=bundle(order), headers=headers)
        assert answer.status_code == 200, answer.text
        stored = (await client.get("/fhir/MedicationRequest/m9", headers=headers)).json()
        assert stored["subject"]["reference"] == f"Patient/{ANA_MRN}"
        nobody = order | {"id": "m8", "subject": {"reference": "Patient?identifier=urn:mrn|8"}}
        none = await client.post("/fhir", content=bundle(nobody), headers=headers)
        assert (none.status_code, none.json()["issue"][0]["code"]) == (400, "not-found")

    tell(tmp_path, story)


def said(answer: httpx2.Response, *names: str) -> tuple[int, str]:
    """Status and body; ids that were asked for, or drawn, read the same."""
    text = answer.text
    for name in names:
        text = text.replace(name, "it")
    if answer.status_code == 201:
        text = ""
    return answer.status_code, text


async def attempts(world: World, id_: str, local: str, value: str) -> list[tuple[int, str]]:
    """All that Dr Finn can try against one observation, of one patient, with one identifier."""
    client = world.at_riverside
    headers = await world.dr_finn("system/*.cruds") | {"content-type": FHIR}
    patch = headers | {"content-type": JSON_PATCH}
    url, by = f"/fhir/Observation/{id_}", f"/fhir/Observation?identifier={LAB}|{value}"
    mine = {"subject": {"reference": "Patient/own"}}
    fresh = labelled(None, "new", **mine)
    refers = observation("x", "own") | {"hasMember": [{"reference": f"Observation/{id_}"}]}
    proposed = f"urn:uuid:{id_}"
    by_reference = refers | {"hasMember": [{"reference": f"Observation?identifier={LAB}|{value}"}]}
    post = {"method": "POST", "url": "Observation"}

    async def transaction(resource: dict[str, Any], url: str = "urn:uuid:a") -> httpx2.Response:
        entry = {"fullUrl": url, "resource": resource, "request": post}
        body = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        return await client.post("/fhir", json=body, headers=headers)

    answers = [
        await client.put(url, json=observation(id_, "own"), headers=headers),
        await client.put(url, json=observation(id_, local), headers=headers),
        await client.put(url, json=fresh | {"id": id_}, headers=headers | {"if-match": 'W/"1"'}),
        await client.patch(url, json=[], headers=patch),
        await client.patch(url, json=[], headers=patch | {"if-match": 'W/"7"'}),
        await client.delete(url, headers=headers),
        await client.patch(by, json=[], headers=patch),
        await client.delete(by, headers=headers),
        await client.post(
            "/fhir/Observation",
            json=labelled(None, "n", subject={"reference": f"Patient/{local}"}),
            headers=headers,
        ),
        await transaction(refers),
        await transaction(by_reference),
        await transaction(refers | {"hasMember": [{"reference": f"Observation/{id_}/_history/1"}]}),
    ]
    found = [said(one, id_, local, value) for one in answers]
    drawn = await transaction(fresh, proposed)
    assert drawn.status_code == 200
    assert id_ not in drawn.text
    once = headers | {"if-none-exist": f"identifier={LAB}|{value}"}
    made = await client.post("/fhir/Observation", json=fresh, headers=once)
    found.append((made.status_code, made.headers["etag"]))
    new = await client.put(by, json=labelled(None, value + "'", **mine), headers=headers)
    found.append((new.status_code, new.headers["etag"]))
    return found


def test_what_is_withheld_is_absent_from_every_change(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        keeper = await world.service() | {"content-type": FHIR}
        uuid = "00000000-0000-4000-8000-000000000001"
        absent = "00000000-0000-4000-8000-000000000002"
        await world.riverside.ingestion.bundle(
            bundle(patient("own", "Ng"), labelled(uuid, "theirs"))
        )
        await world.deny(grantee=RIVERSIDE, valid_from=day_of(NOW))
        withheld = await attempts(world, uuid, ANA_MRN, "theirs")
        nothing = await attempts(world, absent, "nobody", "nothing")
        assert withheld == nothing
        assert {status for status, _ in withheld} == {404, 204, 422, 400, 201}
        # The organisation's own system keeps its records: what it writes is not confined.
        put = await client.put(
            f"/fhir/Observation/{uuid}", json=labelled(uuid, "theirs"), headers=keeper
        )
        assert (put.status_code, put.headers["etag"]) == (200, 'W/"2"')
        assert (await client.get(f"/fhir/Observation/{uuid}", headers=keeper)).status_code == 404
        patched = await client.patch(
            f"/fhir/Observation/{uuid}",
            json=[{"op": "test", "path": "/status", "value": "final"}],
            headers=keeper | {"content-type": JSON_PATCH},
        )
        assert patched.status_code == 404

    tell(tmp_path, story)


def test_only_who_keeps_the_records_chooses_ids(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        finn = await world.dr_finn("system/*.cruds") | {"content-type": FHIR}
        chosen = await client.put("/fhir/Observation/new", json=observation("new"), headers=finn)
        assert chosen.status_code == 404
        by = "/fhir/Observation?identifier=urn:lab|z"
        assert (await client.put(by, json=labelled("new", "z"), headers=finn)).status_code == 400
        made = await client.put(by, json=labelled(None, "z"), headers=finn)
        assert made.status_code == 201
        blind = await world.dr_finn("system/*.cud") | {"content-type": FHIR}
        assert (await client.put(by, json=labelled(None, "z"), headers=blind)).status_code == 403
        patch = blind | {"content-type": JSON_PATCH}
        assert (
            await client.patch("/fhir/Observation/o1", json=[], headers=patch)
        ).status_code == 403
        own = await client.put("/fhir/Observation/o1", json=observation("o1"), headers=finn)
        assert own.status_code == 200
        for id_ in ("%2e%2e", "..%2fo1", "o1%00", "é", "a" * 65, "o1%2F_history"):
            url = f"/fhir/Observation/{id_}"
            for verb in ("PUT", "DELETE", "PATCH"):
                body = json.dumps(observation("o1")).encode()
                answer = await client.request(verb, url, content=body, headers=finn)
                assert answer.status_code in {404, 405}, (verb, id_, answer.text)

    tell(tmp_path, story)


def test_versions_and_times_that_a_client_sends_are_ignored(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        headers = await world.service() | {"content-type": FHIR}
        meta = {"versionId": "99", "lastUpdated": "1999-01-01T00:00:00Z", "source": "urn:x"}
        answer = await client.put(
            "/fhir/Observation/o1", json=observation("o1") | {"meta": meta}, headers=headers
        )
        said = answer.json()["meta"]
        assert (said["versionId"], said["source"]) == ("2", "urn:x")
        assert said["lastUpdated"] > "2020"
        assert (await client.get("/fhir/Observation/o1", headers=headers)).content == answer.content

    tell(tmp_path, story)


def test_at_the_same_time(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        headers = await world.service() | {"content-type": FHIR}
        once = headers | {"if-none-exist": f"identifier={LAB}|once"}
        creates = (
            client.post("/fhir/Observation", json=labelled(None, "once"), headers=once)
            for _ in range(5)
        )
        answers = await asyncio.gather(*creates)
        assert sorted(one.status_code for one in answers) == [200, 200, 200, 200, 201]
        places = {one.headers["location"].partition("/_history")[0] for one in answers}
        assert len(places) == 1
        url, body = "/fhir/Observation/o1", observation("o1")
        same = headers | {"if-match": 'W/"1"'}
        racing = await asyncio.gather(*(client.put(url, json=body, headers=same) for _ in range(4)))
        assert sorted(one.status_code for one in racing) == [200, 412, 412, 412]
        free = await asyncio.gather(
            *(client.put(url, json=observation("o1", value=n), headers=headers) for n in range(4))
        )
        kept = {one.headers["etag"]: one.json()["valueQuantity"]["value"] for one in free}
        assert set(kept) == {f'W/"{number}"' for number in range(3, 7)}
        for tag, value in kept.items():
            version = await client.get(f"{url}/_history/{tag[3:-1]}", headers=headers)
            assert version.json()["valueQuantity"]["value"] == value

    tell(tmp_path, story)
