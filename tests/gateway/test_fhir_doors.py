"""Searches, histories, whole records and Binaries at the FHIR door, as clients ask for them."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx2

from careledger.fhir.resource import parse_resource
from tests.exchange.world import (
    ANA,
    ANA_MRN,
    BEN_MRN,
    DR_FINN,
    RIVERSIDE,
    bundle,
    observation,
    patient,
)
from tests.gateway.world import FHIR, World, tell

FORM = "application/x-www-form-urlencoded"

CHO = {
    "resourceType": "Practitioner",
    "id": "cho",
    "name": [{"family": "Cho"}],
    "gender": "female",
}


def names(answer: httpx2.Response, mode: str = "match") -> list[str]:
    """What a bundle holds, as `Type/id`."""
    assert answer.status_code == 200, answer.text
    parse_resource(answer.content)
    return [
        f"{one['resource']['resourceType']}/{one['resource']['id']}"
        for one in answer.json().get("entry", [])
        if one.get("search", {}).get("mode", mode) == mode and "resource" in one
    ]


def links(answer: httpx2.Response) -> dict[str, str]:
    return {one["relation"]: one["url"] for one in answer.json()["link"]}


async def people_come(world: World) -> None:
    performed = observation("o2") | {"performer": [{"reference": "Practitioner/cho"}]}
    await world.riverside.ingestion.bundle(bundle(CHO))
    await world.riverside.ingestion.bundle(
        bundle(patient(BEN_MRN, "Ng"), observation("b1", BEN_MRN), performed)
    )


def test_one_search_in_every_form(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await people_come(world)
        client, finn = world.at_riverside, await world.dr_finn()
        url = f"/fhir/Observation?patient={ANA_MRN}&_include=Observation:performer&_sort=_id"
        by_get = await client.get(url, headers=finn)
        assert names(by_get) == ["Observation/o1", "Observation/o2"]
        assert names(by_get, "include") == ["Practitioner/cho"]
        assert by_get.json()["entry"][0]["fullUrl"] == "http://riverside.test/fhir/Observation/o1"
        fields = {"patient": ANA_MRN, "_include": "Observation:performer", "_sort": "_id"}
        by_post = await client.post("/fhir/Observation/_search", data=fields, headers=finn)
        assert by_post.json()["entry"] == by_get.json()["entry"]
        assert links(by_post)["self"] == links(by_get)["self"]
        in_compartment = await client.get(f"/fhir/Patient/{ANA_MRN}/Observation", headers=finn)
        assert sorted(names(in_compartment)) == ["Observation/o1", "Observation/o2"]
        posted = await client.post(f"/fhir/Patient/{ANA_MRN}/_search", data={}, headers=finn)
        whole = await client.get(f"/fhir/Patient/{ANA_MRN}/*", headers=finn)
        assert sorted(names(posted)) == sorted(names(whole))
        assert len(names(whole)) == 6
        of_system = await client.get("/fhir?_type=Observation,Practitioner", headers=finn)
        assert len(names(of_system)) == 4
        assert "Observation/b1" in names(of_system)
        everybody = await client.get("/fhir/Observation", headers=finn)
        assert len(names(everybody)) == 3
        count = await client.get("/fhir/Observation?_summary=count", headers=finn)
        assert (count.json()["total"], names(count)) == (3, [])
        chained = await client.get("/fhir/Observation?patient.family=Ng", headers=finn)
        assert names(chained) == ["Observation/b1"]
        wrong = await client.post("/fhir/Observation/_search", content=b"{}", headers=finn)
        assert wrong.status_code == 415

    tell(tmp_path, story)


def test_a_value_set_of_the_house_is_searched_by(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, finn = world.at_riverside, await world.dr_finn()
        concept = {"system": "http://loinc.org", "concept": [{"code": "4548-4"}]}
        value_set = {
            "resourceType": "ValueSet",
            "id": "sugar",
            "url": "http://riverside.test/sugar",
            "status": "active",
            "compose": {"include": [concept]},
        }
        await world.riverside.ingestion.bundle(bundle(value_set))
        url = f"/fhir/Observation?patient={ANA_MRN}&code:in="
        found = await client.get(f"{url}http://riverside.test/sugar", headers=finn)
        assert names(found) == ["Observation/o1"]
        narrow = await world.dr_finn("system/Observation.rs")
        unseen = await client.get(f"{url}http://riverside.test/sugar", headers=narrow)
        unknown = await client.get(f"{url}http://riverside.test/salty", headers=finn)
        assert (unseen.status_code, unseen.content) == (400, unknown.content)

    tell(tmp_path, story)


def test_unknown_parameters_are_refused_or_told(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, finn = world.at_riverside, await world.dr_finn()
        url = f"/fhir/Observation?patient={ANA_MRN}&colour=red"
        assert (await client.get(url, headers=finn)).status_code == 400
        lenient = await client.get(url, headers=finn | {"prefer": "handling=lenient"})
        assert names(lenient) == ["Observation/o1"]
        (told,) = [one for one in lenient.json()["entry"] if one["search"]["mode"] == "outcome"]
        assert [one["severity"] for one in told["resource"]["issue"]] == ["warning"]
        assert "colour" not in links(lenient)["self"]
        assert "red" not in lenient.text

    tell(tmp_path, story)


def test_parts_of_resources_and_pretty_ones(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, finn = world.at_riverside, await world.dr_finn()
        url = f"/fhir/Observation?patient={ANA_MRN}&_elements=status"
        (entry,) = (await client.get(url, headers=finn)).json()["entry"]
        assert "valueQuantity" not in entry["resource"]
        assert entry["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
        alone = await client.get("/fhir/Observation/o1?_elements=status", headers=finn)
        assert "valueQuantity" not in alone.json()
        pretty = await client.get("/fhir/Observation/o1?_pretty=true", headers=finn)
        plain = await client.get("/fhir/Observation/o1", headers=finn)
        assert b"\n  " in pretty.content
        assert pretty.json() == plain.json()

    tell(tmp_path, story)


def test_a_cursor_is_of_one_caller_one_place_and_one_hour(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        many = [observation(f"p{number}", value=number) for number in range(4)]
        await world.riverside.ingestion.bundle(bundle(*many))
        client, finn, ana = world.at_riverside, await world.dr_finn(), await world.ana()
        url = f"/fhir/Observation?patient={ANA_MRN}&_count=2"
        seen, answer = list[str](), await client.get(url, headers=finn)
        first = links(answer)["next"]
        assert ANA_MRN not in first
        while True:
            seen += names(answer)
            if "next" not in links(answer):
                break
            answer = await client.get(links(answer)["next"], headers=finn)
        assert len(seen) == len(set(seen)) == 5
        narrow = await world.dr_finn("system/Observation.rs")
        for header, path in (
            (ana, first),
            (narrow, first),
            (finn, first.replace("/Observation?", "/MedicationRequest?")),
            (finn, first[:-3] + "AAA"),
            (finn, "/fhir/Observation?_cursor=nonsense"),
            (finn, "/fhir/Observation/_history?_cursor=" + first.partition("_cursor=")[2]),
        ):
            assert (await client.get(path, headers=header)).status_code == 410, path
        assert (await client.get(first + "&code=x", headers=finn)).status_code == 400
        world.offset += 3_700
        await world.pass_time(1)
        later = await world.dr_finn()
        assert (await client.get(first, headers=later)).status_code == 410

    tell(tmp_path, story)


def test_history_in_pages_with_deletions(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        ingestion = world.riverside.ingestion
        await world.pass_time(10)
        for value in (1.0, 2.0):
            await ingestion.bundle(bundle(observation("o1", value=value)))
        await client.delete("/fhir/Observation/o1", headers=service)
        finn = await world.dr_finn()
        answer = await client.get("/fhir/Observation/o1/_history", headers=finn)
        parse_resource(answer.content)
        entries: list[dict[str, Any]] = answer.json()["entry"]
        assert [one["request"]["method"] for one in entries] == ["DELETE", "PUT", "PUT", "PUT"]
        assert [one["response"]["etag"] for one in entries] == [f'W/"{n}"' for n in (4, 3, 2, 1)]
        assert "resource" not in entries[0]
        assert entries[1]["resource"]["meta"]["versionId"] == "3"
        assert (await client.get("/fhir/Observation/o1", headers=finn)).status_code == 404
        since = "2026-09-21T14:13:25Z"
        recent = await client.get(f"/fhir/Observation/o1/_history?_since={since}", headers=finn)
        assert len(recent.json()["entry"]) == 3
        then = await client.get(f"/fhir/Observation/_history?_at={since}", headers=finn)
        assert [one["response"]["etag"] for one in then.json()["entry"]] == ['W/"1"']
        seen, url = list[str](), "/fhir/_history?_count=3"
        while url:
            page = await client.get(url, headers=finn)
            parse_resource(page.content)
            seen += [
                f"{one['request']['url']} {one['response']['etag']}"
                for one in page.json().get("entry", [])
            ]
            url = links(page).get("next", "")
        assert len(seen) == len(set(seen)) == 8

    tell(tmp_path, story)


def test_a_whole_record_in_pages_with_its_directory(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await people_come(world)
        client, finn, ana = world.at_riverside, await world.dr_finn(), await world.ana()
        url = f"/fhir/Patient/{ANA_MRN}/$everything"
        whole = await client.get(url, headers=finn)
        assert len(names(whole)) == whole.json()["total"] == 6
        assert names(whole, "include") == ["Practitioner/cho"]
        paged, matches, page = f"{url}?_count=4", list[str](), 0
        while paged:
            answer = await client.get(paged, headers=finn)
            matches, page = matches + names(answer), page + 1
            paged = links(answer).get("next", "")
        assert (page, sorted(matches)) == (2, sorted(names(whole)))
        some = await client.get(f"{url}?_type=Observation&start=2026-06-01", headers=finn)
        assert sorted(names(some)) == ["Observation/o1", "Observation/o2"]
        assert names(some, "include") == []
        none = await client.get(f"{url}?end=1990&_type=Observation", headers=finn)
        assert (none.json()["total"], names(none)) == (0, [])
        mine = await client.get("/fhir/Patient/$everything", headers=ana)
        assert sorted(names(mine)) == sorted(names(whole))
        assert (await client.get("/fhir/Patient/$everything", headers=finn)).status_code == 400
        noted = {one.practitioner for one in world.riverside.journal.reads_of(ANA)}
        assert noted == {DR_FINN, None}

    tell(tmp_path, story)


def test_a_binary_is_what_it_holds_or_fhir(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        binary = {
            "resourceType": "Binary",
            "id": "scan",
            "contentType": "text/plain",
            "securityContext": {"reference": f"Patient/{ANA_MRN}"},
            "data": base64.b64encode(b"<script>").decode(),
        }
        put = await client.put(
            "/fhir/Binary/scan",
            content=json.dumps(binary).encode(),
            headers=service | {"content-type": FHIR},
        )
        assert put.status_code == 201, put.text
        ana = await world.ana()
        as_fhir = await client.get("/fhir/Binary/scan", headers=ana)
        assert as_fhir.json()["data"] == binary["data"]
        raw = await client.get("/fhir/Binary/scan", headers=ana | {"accept": "text/plain"})
        assert raw.content == b"<script>"
        assert raw.headers["content-type"].startswith("text/plain")
        assert raw.headers["content-security-policy"] == "sandbox"
        assert raw.headers["etag"] == 'W/"1"'
        image = await client.get("/fhir/Binary/scan", headers=ana | {"accept": "image/png"})
        assert image.status_code == 406
        research = await world.token(RIVERSIDE, RIVERSIDE, b2b={"purpose_of_use": ["HRESCH"]})
        for accept in ("text/plain", "image/png", FHIR):
            hidden = await client.get("/fhir/Binary/scan", headers=research | {"accept": accept})
            absent = await client.get("/fhir/Binary/none", headers=research | {"accept": accept})
            assert (hidden.status_code, hidden.content) == (404, absent.content)

    tell(tmp_path, story)
