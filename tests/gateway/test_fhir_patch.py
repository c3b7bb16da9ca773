"""Riverside's staff changes part of a resource; numbers elsewhere keep their digits."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

from careledger.fhir.patch.json_patch import JSON_PATCH
from tests.exchange.world import ANA_MRN, observation
from tests.gateway.world import FHIR, World, tell

O1 = "/fhir/Observation/o1"
AMENDED = [{"op": "replace", "path": "/status", "value": "amended"}]
BY_PATH = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Observation.status"},
                {"name": "value", "valueCode": "corrected"},
            ],
        }
    ],
}
PRECISE = json.dumps(observation("o1")).replace('"value": 7.2', '"value": 7.20').encode()


def test_both_kinds_of_patch_and_digits_that_stay(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        resource, patch = service | {"content-type": FHIR}, service | {"content-type": JSON_PATCH}
        await client.put(O1, content=PRECISE, headers=resource)
        first = await client.patch(O1, json=AMENDED, headers=patch)
        assert (first.status_code, first.headers["etag"]) == (200, 'W/"3"'), first.text
        assert b'"value":7.20' in first.content
        assert first.json()["status"] == "amended"
        assert (await client.get(O1, headers=service)).content == first.content
        second = await client.patch(O1, json=BY_PATH, headers=resource)
        assert (second.status_code, second.json()["status"]) == (200, "corrected")
        assert b'"value":7.20' in second.content
        found = await client.patch(
            f"/fhir/Observation?patient={ANA_MRN}&status=corrected", json=AMENDED, headers=patch
        )
        assert (found.status_code, found.json()["status"]) == (200, "amended"), found.text
        none = await client.patch("/fhir/Observation?status=preliminary", json=[], headers=patch)
        assert none.status_code == 404

    tell(tmp_path, story)


def test_a_patch_of_a_version_that_is_old_is_refused_and_none_is_lost(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        headers = await world.service() | {"content-type": JSON_PATCH}
        old = await client.patch(O1, json=AMENDED, headers=headers | {"if-match": 'W/"9"'})
        assert (old.status_code, old.json()["issue"][0]["code"]) == (412, "conflict")
        only = headers | {"if-match": 'W/"1"'}
        raced = await asyncio.gather(*(client.patch(O1, json=AMENDED, headers=only),) * 1)
        assert [one.status_code for one in raced] == [200]
        notes = [
            [{"op": "add", "path": "/note", "value": [{"text": f"{n}"}]}]
            if n == 0
            else [{"op": "add", "path": "/note/-", "value": {"text": f"{n}"}}]
            for n in range(4)
        ]
        await client.patch(O1, json=notes[0], headers=headers)
        await asyncio.gather(*(client.patch(O1, json=one, headers=headers) for one in notes[1:]))
        after = (await client.get(O1, headers=headers)).json()
        assert {one["text"] for one in after["note"]} == {"0", "1", "2", "3"}

    tell(tmp_path, story)


BAD: tuple[tuple[Any, int], ...] = (
    ([{"op": "replace", "path": "/absent", "value": 1}], 422),
    ([{"op": "test", "path": "/status", "value": "amended"}], 422),
    ([{"op": "replace", "path": "/status", "value": "over"}], 400),
    ([{"op": "add", "path": "/colour", "value": "red"}], 400),
    ([{"op": "replace", "path": "/id", "value": "o2"}], 400),
    ([{"op": "replace", "path": "/resourceType", "value": "Basic"}], 400),
    ([{"op": "add", "path": "/encounter", "value": {"reference": "urn:uuid:0"}}], 400),
    ({"op": "remove"}, 400),
    ("nothing", 400),
)


def test_bad_patches_change_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        headers = service | {"content-type": JSON_PATCH}
        before = (await client.get(O1, headers=service)).content
        for patch, status in BAD:
            answer = await client.patch(O1, json=patch, headers=headers)
            assert answer.status_code == status, (patch, answer.text)
            assert "Bundle" not in answer.text
        other = service | {"content-type": "application/xml-patch+xml"}
        assert (await client.patch(O1, content=b"<diff/>", headers=other)).status_code == 415
        assert (await client.get(O1, headers=service)).content == before

    tell(tmp_path, story)


def test_patches_in_a_transaction(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        headers = await world.service() | {"content-type": FHIR}
        binary = {
            "resourceType": "Binary",
            "contentType": JSON_PATCH,
            "data": base64.b64encode(json.dumps(AMENDED).encode()).decode(),
        }
        request = {"method": "PATCH", "url": "Observation/o1"}
        read = {"request": {"method": "GET", "url": "Observation/o1"}}
        for resource, status in ((binary, "amended"), (BY_PATH, "corrected")):
            entry = {"request": request, "resource": resource}
            body = {"resourceType": "Bundle", "type": "transaction", "entry": [read, entry]}
            answer = await client.post("/fhir", json=body, headers=headers)
            assert answer.status_code == 200, answer.text
            first, second = answer.json()["entry"]
            assert first["resource"]["status"] == status  # reads come after changes
            assert second["response"]["status"] == "200 OK"

    tell(tmp_path, story)
