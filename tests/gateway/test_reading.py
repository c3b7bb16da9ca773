"""Dr Finn, Ana and Riverside's software read what Riverside holds."""

from pathlib import Path

from tests.gateway.world import FHIR, World, tell


def test_a_clinician_reads_what_was_put_byte_for_byte(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        answer = await world.at_riverside.get(
            "/fhir/MedicationRequest/m1", headers=await world.dr_finn()
        )
        assert answer.status_code == 200
        assert answer.json()["id"] == "m1"
        assert answer.headers["etag"] == 'W/"1"'
        assert answer.headers["content-type"] == f"{FHIR}; fhirVersion=4.0"

    tell(tmp_path, story)
