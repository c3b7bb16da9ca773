"""What tokens of applications reach through the FHIR doors: their scopes and their patient."""

from pathlib import Path
from typing import Any

import pytest

from tests.exchange.world import ANA_MRN, BEN_MRN, bundle, medication, observation, patient
from tests.gateway.apps import House, tell

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def measured(id_: str, category: str, local: str = ANA_MRN) -> dict[str, Any]:
    coding = {"coding": [{"system": CATEGORY, "code": category}]}
    return observation(id_, local) | {"category": [coding]}


async def fill(house: House) -> None:
    """Ana has a blood pressure and a laboratory value; Ben has a blood pressure too."""
    ingestion = house.world.riverside.ingestion
    await ingestion.bundle(bundle(measured("vital", "vital-signs"), measured("lab", "laboratory")))
    await ingestion.bundle(bundle(patient(BEN_MRN, "Ode"), measured("ben", "vital-signs", BEN_MRN)))
    await ingestion.bundle(bundle(medication("b1", BEN_MRN)))
    await ingestion.settled()


async def found(house: House, token: str, path: str) -> set[str]:
    headers = {"authorization": f"Bearer {token}"}
    answer = await house.http.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    entries = answer.json().get("entry", [])
    matches = [one for one in entries if one["search"]["mode"] != "outcome"]
    return {one["resource"]["id"] for one in matches}


@pytest.mark.parametrize("context", ["patient", "user"])
def test_a_restriction_holds_at_every_door(tmp_path: Path, context: str) -> None:
    async def story(house: House) -> None:
        await fill(house)
        only = f"{context}/Observation.rs?category={CATEGORY}|vital-signs"
        token = (await house.tokens(scope=f"launch/patient {only}"))["access_token"]
        seen = {"vital"} if context == "patient" else {"vital", "ben"}
        assert await found(house, token, "/fhir/Observation") == seen
        assert await found(house, token, "/fhir/Observation?category=laboratory") == set()
        assert await found(house, token, f"/fhir/Observation?patient={ANA_MRN}") == {"vital"}
        assert await house.read(token, "/fhir/Observation/vital") == 200
        assert await house.read(token, "/fhir/Observation/lab") == 404
        assert await house.read(token, "/fhir/Observation/absent") == 404
        assert await house.read(token, "/fhir/Observation/lab/_history/1") == 404
        assert await house.read(token, "/fhir/MedicationRequest/m1") == 403

    tell(tmp_path, story)


def test_a_patient_in_context_is_the_only_one(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await fill(house)
        token = (await house.tokens(scope="launch/patient patient/*.rs"))["access_token"]
        assert await found(house, token, "/fhir/Observation") == {"vital", "lab", "o1"}
        assert await found(house, token, "/fhir/Patient") == {ANA_MRN}
        assert await found(house, token, f"/fhir/Observation?patient={BEN_MRN}") == set()
        for path in (f"/fhir/Patient/{BEN_MRN}", "/fhir/Observation/ben", "/fhir/Observation/x"):
            assert await house.read(token, path) == 404
        headers = {"authorization": f"Bearer {token}"}
        written = await house.http.put(
            "/fhir/Observation/vital", json=measured("vital", "laboratory"), headers=headers
        )
        assert written.status_code == 403

    tell(tmp_path, story)


def test_staff_writes_with_user_scopes_and_keeps_no_records(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await fill(house)
        scope = "launch/patient user/Observation.cruds"
        token = (await house.tokens(scope=scope))["access_token"]
        headers = {"authorization": f"Bearer {token}"}
        changed = await house.http.put(
            "/fhir/Observation/vital", json=measured("vital", "laboratory"), headers=headers
        )
        assert changed.status_code == 200, changed.text
        chosen = await house.http.put(
            "/fhir/Observation/chosen", json=measured("chosen", "laboratory"), headers=headers
        )
        assert chosen.status_code == 404
        desk = await house.http.get("/desk/patients", headers=headers)
        assert desk.status_code == 403

    tell(tmp_path, story)
