"""The CapabilityStatement claims what there is and no more."""

from pathlib import Path

from careledger.fhir.resource import parse_resource
from tests.exchange.world import ANA_MRN
from tests.gateway.world import World, tell

SAID = {
    "date": "2026-01-01",
    "number": "1",
    "quantity": "1",
    "reference": "Patient/x",
    "composite": "x$y",
}


def test_everything_that_is_claimed_is_there(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        answer = await client.get("/fhir/metadata")  # anybody may ask
        parse_resource(answer.content)
        (rest,) = answer.json()["rest"]
        assert {one["code"] for one in rest["interaction"]} == {
            "transaction",
            "batch",
            "search-system",
            "history-system",
        }
        types = [one["type"] for one in rest["resource"]]
        assert {"Patient", "Observation", "Binary", "Practitioner", "Provenance"} <= set(types)
        for path in ("/fhir?_type=Location", "/fhir/_history", f"/fhir/Patient/{ANA_MRN}/*"):
            assert (await client.get(path, headers=service)).status_code == 200, path
        for claimed in rest["resource"]:
            type_ = claimed["type"]
            read = await client.get(f"/fhir/{type_}/none", headers=service)
            assert read.status_code == 404
            assert (await client.get(f"/fhir/{type_}", headers=service)).status_code == 200
            for include in claimed.get("searchInclude", [])[:2]:
                path = f"/fhir/{type_}?_id=x&_include={include}"
                assert (await client.get(path, headers=service)).status_code == 200, path
            for include in claimed.get("searchRevInclude", [])[:2]:
                path = f"/fhir/{type_}?_id=x&_revinclude={include}"
                assert (await client.get(path, headers=service)).status_code == 200, path

    tell(tmp_path, story)


def test_every_search_parameter_that_is_claimed_is_answered(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, service = world.at_riverside, await world.service()
        (rest,) = (await client.get("/fhir/metadata")).json()["rest"]
        for claimed in rest["resource"]:
            if claimed["type"] not in {"Patient", "Observation", "Claim", "Practitioner"}:
                continue
            for one in claimed["searchParam"]:
                value = SAID.get(one["type"], "x")
                path = f"/fhir/{claimed['type']}?{one['name']}={value}"
                found = await client.get(path, headers=service)
                assert found.status_code in {200, 400}, path
                if found.status_code == 400:
                    assert found.json()["issue"][0]["code"] == "value", found.text

    tell(tmp_path, story)
