"""Riverside's warehouse brings a whole population in, line by line."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.exchange.world import ANA_MRN, BEN_MRN, observation, patient
from tests.gateway.world import World, tell

NDJSON = {"content-type": "application/fhir+ndjson"}


def ndjson(*resources: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in resources)


def counts(answer: Any) -> tuple[int, int]:
    assert answer.status_code == 200, answer.text
    found = {one["name"]: one.get("valueInteger") for one in answer.json()["parameter"]}
    return found["stored"], found["refused"]


def test_many_lines_in_pieces(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        people = [patient(BEN_MRN), *(observation(f"many-{n}", BEN_MRN, n) for n in range(600))]
        content = ndjson(*people)

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(content), 7_777):
                yield content[start : start + 7_777]

        answer = await client.post("/fhir/$import", content=pieces(), headers=service | NDJSON)
        assert counts(answer) == (601, 0)
        found = await client.get(
            "/fhir/Observation", params={"patient": BEN_MRN, "_count": "0"}, headers=service
        )
        assert found.json()["total"] == 600
        again = await client.post("/fhir/$import", content=content, headers=service | NDJSON)
        assert counts(again) == (601, 0)
        version = await client.get("/fhir/Observation/many-5", headers=service)
        assert version.json()["meta"]["versionId"] == "2"

    tell(tmp_path, story)


def test_wrong_lines_are_told_and_the_others_stored(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        content = b"".join(
            (
                ndjson(observation("good-1")),
                b"\n",
                b'{"resourceType":"Observation","id":"bad"}\n',
                b"not json\n",
                ndjson({"resourceType": "Bundle", "type": "batch"}),
                ndjson(observation("stranger", "MRN-nobody")),
                b'{"resourceType":"Observation","id":7}\n',
                ndjson(observation("../../etc")),
                ndjson(observation("good-2"))[:-1],
            )
        )
        answer = await client.post("/fhir/$import", content=content, headers=service | NDJSON)
        assert counts(answer) == (2, 6)
        outcome = answer.json()["parameter"][-1]["resource"]
        told = {
            int(one["diagnostics"].split(":")[0].removeprefix("line ")) for one in outcome["issue"]
        }
        assert told == {3, 4, 5, 6, 7, 8}
        assert ANA_MRN not in answer.text

    tell(tmp_path, story)


def test_only_record_keepers_and_nothing_is_fetched(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, line = world.at_riverside, ndjson(observation("x"))
        finn = await world.dr_finn("system/*.cruds")
        assert (
            await client.post("/fhir/$import", content=line, headers=finn | NDJSON)
        ).status_code == 403
        readers = await world.service("system/*.rs")
        refused = await client.post("/fhir/$import", content=line, headers=readers | NDJSON)
        assert refused.status_code in {200, 403}
        if refused.status_code == 200:
            assert counts(refused) == (0, 1)
        service = await world.service()
        manifest = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "input", "part": [{"name": "url", "valueUrl": "http://evil.test/x"}]}
            ],
        }
        fetched = await client.post(
            "/fhir/$import",
            content=json.dumps(manifest),
            headers=service | {"content-type": "application/fhir+json"},
        )
        assert fetched.status_code == 415
        assert (await client.get("/fhir/Observation/x", headers=service)).status_code == 404

    tell(tmp_path, story)
