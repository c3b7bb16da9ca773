"""Riverside's software asks whether a resource would do, before it stores it."""

import json
from pathlib import Path
from typing import Any

from tests.exchange.world import ANA_MRN, BEN_MRN
from tests.gateway.world import FHIR, World, tell

US_CORE_PATIENT = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
ANA = {"resourceType": "Patient", "name": [{"family": "Mills"}], "contact": [{"gender": "male"}]}


def issues(answer: Any) -> set[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    found = answer.json()["issue"]
    return {(one["severity"], one.get("expression", [""])[0]) for one in found}


def test_resource_in_the_body_and_in_parameters(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, headers = world.at_riverside, await world.service() | {"content-type": FHIR}
        url = "/fhir/Patient/$validate"
        alone = await client.post(url, content=json.dumps(ANA), headers=headers)
        assert ("error", "Patient.contact[0]") in issues(alone)
        assert ("error", "Patient.gender") not in issues(alone)
        wrapped = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "resource", "resource": ANA},
                {"name": "profile", "valueUri": US_CORE_PATIENT},
                {"name": "mode", "valueCode": "update"},
            ],
        }
        held = await client.post(url, content=json.dumps(wrapped), headers=headers)
        assert issues(held) >= {
            ("error", "Patient.contact[0]"),
            ("error", "Patient.gender"),
            ("error", "Patient.identifier"),
            ("error", "Patient.id"),
        }
        by_url = await client.post(
            url, params={"profile": US_CORE_PATIENT}, content=json.dumps(ANA), headers=headers
        )
        assert ("error", "Patient.gender") in issues(by_url)

    tell(tmp_path, story)


def test_what_is_no_resource_is_told_in_an_outcome(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, headers = world.at_riverside, await world.service() | {"content-type": FHIR}
        url = "/fhir/Patient/$validate"
        odd = await client.post(url, content='{"resourceType":"Patient","x":1}', headers=headers)
        assert issues(odd) == {("error", "Patient.x")} or ("error", "Patient") in issues(odd)
        other = await client.post(url, content='{"resourceType":"Basic"}', headers=headers)
        assert "error" in {severity for severity, _ in issues(other)}
        nothing = await client.post(
            url, content='{"resourceType":"Parameters","parameter":[]}', headers=headers
        )
        assert issues(nothing) == {("error", "Parameters.parameter")}
        mode = await client.post(
            url, params={"mode": "guess"}, content=json.dumps(ANA), headers=headers
        )
        assert mode.status_code == 400

    tell(tmp_path, story)


def test_a_stored_resource_is_validated_for_whoever_may_see_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_riverside
        own = await client.get(f"/fhir/Patient/{ANA_MRN}/$validate", headers=await world.ana())
        assert own.status_code == 200
        other = await client.get(f"/fhir/Patient/{BEN_MRN}/$validate", headers=await world.ana())
        nobody = await client.get("/fhir/Patient/nobody/$validate", headers=await world.ana())
        assert (other.status_code, other.content) == (404, nobody.content)
        unsigned = await client.get(f"/fhir/Patient/{ANA_MRN}/$validate")
        assert unsigned.status_code == 401

    tell(tmp_path, story)
