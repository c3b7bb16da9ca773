"""Riverside takes records in over HTTP; what is wrong is refused whole, in words of FHIR."""

import json
from pathlib import Path
from typing import Any

import pytest

from careledger.fhir.resource import MAXIMUM_BYTES, parse_resource
from tests.exchange.world import (
    ANA_MRN,
    BEN_MRN,
    RECORD,
    bundle,
    medication,
    observation,
    patient,
)
from tests.gateway.world import FHIR, World, tell


def test_a_transaction_goes_in_and_the_answer_says_where(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service("system/*.cu")
        body = bundle(patient(BEN_MRN, "Ng"), medication("b1", BEN_MRN))
        headers = service | {"content-type": FHIR}
        assert (await client.post("/fhir/", content=body, headers=headers)).status_code == 200
        answer = await client.post("/fhir", content=body, headers=headers)
        assert answer.status_code == 200
        parse_resource(answer.content)
        said = answer.json()
        assert (said["resourceType"], said["type"]) == ("Bundle", "transaction-response")
        responses = [one["response"] for one in said["entry"]]
        assert [one["status"] for one in responses] == ["200 OK", "200 OK"]
        assert responses[1]["location"] == "MedicationRequest/b1/_history/2"
        assert responses[1]["etag"] == 'W/"2"'
        finn = await world.dr_finn()
        assert (await client.get("/fhir/MedicationRequest/b1", headers=finn)).status_code == 200

    tell(tmp_path, story)


def test_one_resource_is_created_updated_and_deleted(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        headers = service | {"content-type": f"{FHIR}; charset=UTF-8"}
        made = await client.post("/fhir/Observation", json=_new(observation("x")), headers=headers)
        assert made.status_code == 201
        place = made.headers["location"]
        assert made.headers["etag"] == 'W/"1"'
        assert place.startswith("http://riverside.test/fhir/Observation/")
        assert place.endswith("/_history/1")
        url = place.removesuffix("/_history/1")
        id_ = url.rpartition("/")[2]
        assert made.json()["id"] == id_
        assert (await client.get(url, headers=service)).content == made.content
        later = observation(id_, value=8.1)
        late = await client.put(url, json=later, headers=headers | {"if-match": 'W/"9"'})
        assert (late.status_code, late.json()["issue"][0]["code"]) == (412, "conflict")
        update = await client.put(url, json=later, headers=headers | {"if-match": 'W/"1"'})
        assert (update.status_code, update.headers["etag"]) == (200, 'W/"2"')
        assert (await client.get(url, headers=service)).content == update.content
        quiet = headers | {"prefer": "return=minimal"}
        assert (await client.put(url, json=later, headers=quiet)).content == b""
        bad = await client.put(url, json=later, headers=headers | {"if-match": "two"})
        assert bad.status_code == 400
        assert (await client.delete(url, headers=service)).status_code == 204
        assert (await client.get(url, headers=service)).status_code == 404
        absent = await client.delete("/fhir/Observation/nothing", headers=service)
        assert absent.status_code == 404

    tell(tmp_path, story)


def test_what_belongs_to_nobody_is_created_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        headers = await world.service() | {"content-type": FHIR}
        known = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}
        doctor = {"resourceType": "Practitioner", "identifier": [known]}
        once = headers | {"if-none-exist": f"identifier={known['system']}|{known['value']}"}
        first = await client.post("/fhir/Practitioner", json=doctor, headers=once)
        again = await client.post("/fhir/Practitioner", json=doctor, headers=once)
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.headers["location"].startswith(again.headers["location"])
        assert again.content == first.content
        seen = observation("seen") | {
            "performer": [{"reference": f"Practitioner?{once['if-none-exist']}"}]
        }
        alone = await client.put("/fhir/Observation/seen", json=seen, headers=headers)
        assert (alone.status_code, alone.json()["issue"][0]["code"]) == (400, "not-found")
        inside = await client.post("/fhir", content=bundle(seen), headers=headers)
        assert inside.status_code == 200
        stored = (await client.get("/fhir/Observation/seen", headers=headers)).json()
        assert stored["performer"][0]["reference"] == f"Practitioner/{first.json()['id']}"
        bad = headers | {"if-none-exist": "colour=grey"}
        assert (
            await client.post("/fhir/Practitioner", json=doctor, headers=bad)
        ).status_code == 400

    tell(tmp_path, story)


def test_provenance_goes_where_its_target_is(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        headers = service | {"content-type": FHIR}
        new = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
        said = {
            "resourceType": "Provenance",
            "recorded": "2026-03-01T00:00:00Z",
            "agent": [{"who": {"display": "Riverside's laboratory"}}],
        }
        alone = said | {"target": [{"reference": "Observation/o1"}]}
        made = await client.post("/fhir/Provenance", json=alone, headers=headers)
        assert made.status_code == 201, made.text
        nowhere = said | {"target": [{"reference": "Observation/none"}]}
        refused = await client.post("/fhir/Provenance", json=nowhere, headers=headers)
        assert refused.status_code == 422
        together = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "fullUrl": new,
                    "resource": _new(observation("x")),
                    "request": {"method": "POST", "url": "Observation"},
                },
                {
                    "resource": said | {"target": [{"reference": new}]},
                    "request": {"method": "POST", "url": "Provenance"},
                },
            ],
        }
        stored = await client.post("/fhir", json=together, headers=headers)
        assert stored.status_code == 200, stored.text
        url = "/fhir/Observation?_revinclude=Provenance:target&_summary=false"
        seen = (await client.get(url, headers=await world.ana())).json()["entry"]
        kinds = [one["resource"]["resourceType"] for one in seen]
        assert kinds.count("Provenance") == 2

    tell(tmp_path, story)


def _new(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "id"}


def test_only_staff_with_the_scope_writes(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        body = bundle(observation("w1"))
        tokens = {
            "ana": await world.ana("system/*.cruds"),
            "reads only": await world.dr_finn("system/*.rs"),
            "creates only": await world.dr_finn("system/*.c"),
            "another type": await world.dr_finn("system/Condition.cu"),
            "nobody": {},
        }
        for name, token in tokens.items():
            headers = token | {"content-type": FHIR}
            status = 401 if name == "nobody" else 403
            assert (await client.post("/fhir", content=body, headers=headers)).status_code == status
            put = await client.put("/fhir/Observation/w1", json=observation("w1"), headers=headers)
            assert put.status_code == status, name
            delete = await client.delete("/fhir/Observation/o1", headers=headers)
            assert delete.status_code == status, name
        finn = await world.dr_finn("system/Observation.cu") | {"content-type": FHIR}
        assert (await client.post("/fhir", content=body, headers=finn)).status_code == 404
        known = bundle(observation("o1"))
        assert (await client.post("/fhir", content=known, headers=finn)).status_code == 200

    tell(tmp_path, story)


ANA = {"subject": {"reference": f"Patient/{ANA_MRN}"}}
GOOD = {"resourceType": "Observation", "id": "new", "status": "final", "code": {"text": "a"}} | ANA

BAD: dict[str, tuple[bytes, int, str]] = {
    "not JSON": (b"{'resourceType': 'Observation'}", 400, "structure"),
    "not UTF-8": (
        b'{"resourceType":"Observation","id":"new","code":{"text":"\xff"}}',
        400,
        "structure",
    ),
    "nothing": (b"", 400, "structure"),
    "two documents": (json.dumps(GOOD).encode() * 2, 400, "structure"),
    "not a resource": (b'{"id": "new"}', 400, "structure"),
    "an array": (b"[]", 400, "structure"),
    "no R4 type": (b'{"resourceType": "Unicorn", "id": "new"}', 400, "structure"),
    "another type than the URL": (json.dumps(RECORD[1]).encode(), 400, "value"),
    "another id than the URL": (json.dumps(GOOD | {"id": "old"}).encode(), 400, "value"),
    "unknown element": (json.dumps(GOOD | {"colour": "red"}).encode(), 400, "structure"),
    "wrong type": (json.dumps(GOOD | {"code": "a"}).encode(), 400, "value"),
    "missing required element": (
        json.dumps({k: v for k, v in GOOD.items() if k != "code"}).encode(),
        400,
        "required",
    ),
    "a code that is none": (json.dumps(GOOD | {"status": "over"}).encode(), 400, "code-invalid"),
    "two value[x]": (
        json.dumps(GOOD | {"valueString": "a", "valueBoolean": True}).encode(),
        400,
        "structure",
    ),
    "an element twice": (json.dumps(GOOD).encode()[:-1] + b',"status":"final"}', 400, "structure"),
    "null": (json.dumps(GOOD | {"issued": None}).encode(), 400, "structure"),
    "over-deep": (b'{"resourceType":"Observation","id":"new","extension":' + b"[" * 5_000, 400, ""),
    "nobody's": (
        json.dumps(GOOD | {"subject": {"reference": "Patient/stranger"}}).encode(),
        422,
        "required",
    ),
}


def test_bad_resources_are_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        headers = service | {"content-type": FHIR}
        for name, (body, status, code) in BAD.items():
            answer = await client.put("/fhir/Observation/new", content=body, headers=headers)
            assert answer.status_code == status, (name, answer.text)
            parse_resource(answer.content)
            issue = answer.json()["issue"][0]
            assert answer.json()["resourceType"] == "OperationOutcome", name
            assert issue["severity"] == "error", name
            assert not code or issue["code"] == code, (name, issue)
            assert "Bundle" not in answer.text, name
            assert (await client.get("/fhir/Observation/new", headers=service)).status_code == 404

    tell(tmp_path, story)


def test_a_transaction_with_one_fault_leaves_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        headers = service | {"content-type": FHIR}
        dangling = observation("t2") | {"encounter": {"reference": "urn:uuid:nowhere"}}
        absent = observation("t2") | {"encounter": {"reference": "Encounter/nowhere"}}
        unknown = observation("t2") | {"colour": "red"}
        for faulty in (dangling, absent, unknown):
            body = bundle(observation("t1"), faulty)
            answer = await client.post("/fhir", content=body, headers=headers)
            assert answer.status_code == 400
            assert "Bundle.entry[1]" in answer.json()["issue"][0]["expression"][0]
            assert (await client.get("/fhir/Observation/t1", headers=service)).status_code == 404
        batch = bundle(observation("t1"), unknown, type_="batch")
        answer = await client.post("/fhir", content=batch, headers=headers)
        assert answer.status_code == 200
        first, second = (one["response"] for one in answer.json()["entry"])
        assert first["status"] == "201 Created"
        assert second["status"].startswith("400")
        assert second["outcome"]["resourceType"] == "OperationOutcome"
        for kind in ("searchset", "document", "message"):
            answer = await client.post(
                "/fhir", content=bundle(observation("t3"), type_=kind), headers=headers
            )
            assert answer.status_code == 400
        assert (await client.post("/fhir", json=GOOD, headers=headers)).status_code == 400

    tell(tmp_path, story)


def test_other_content_types_and_sizes_are_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        body = json.dumps(GOOD).encode()
        for type_ in (
            "application/fhir+xml",
            "text/plain",
            "",
            f"{FHIR}; charset=latin-1",
            f"{FHIR}; fhirVersion=5.0",
            "multipart/form-data; boundary=x",
        ):
            headers = service | {"content-type": type_}
            answer = await client.put("/fhir/Observation/new", content=body, headers=headers)
            assert answer.status_code == 415, type_
        headers = service | {"content-type": FHIR}
        claimed = await client.post(
            "/fhir", content=b"{}", headers=headers | {"content-length": str(MAXIMUM_BYTES + 1)}
        )
        assert (claimed.status_code, claimed.json()["issue"][0]["code"]) == (413, "too-long")
        sent = await client.post("/fhir", content=_pieces(), headers=headers)
        assert sent.status_code == 413

    tell(tmp_path, story)


async def _pieces() -> Any:
    """More than 50 MB, without saying so beforehand."""
    for _ in range(52):
        yield b" " * 1_000_000


@pytest.mark.parametrize("path", ["/fhir/Unicorn", "/fhir/Observation/a_b"])
def test_paths_of_nothing_take_nothing(tmp_path: Path, path: str) -> None:
    async def story(world: World) -> None:
        headers = await world.service() | {"content-type": FHIR}
        verb = world.at_riverside.put if path.count("/") > 2 else world.at_riverside.post
        assert (await verb(path, json=GOOD, headers=headers)).status_code == 404

    tell(tmp_path, story)
