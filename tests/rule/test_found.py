"""What the comparison of two worlds found, each as an example."""

from pathlib import Path

from careledger.mechanisms.terms import Provision, Terms
from tests.exchange.world import ANA_MRN, BEN_MRN, RIVERSIDE, observation
from tests.gateway.world import World, tell


def test_a_patient_who_is_withheld_is_nobody_to_write_for(tmp_path: Path) -> None:
    """One whose Patient resource is withheld, one who has none yet, and one who is none."""

    async def story(world: World) -> None:
        client = world.at_riverside
        finn = await world.dr_finn("system/*.cruds")

        async def tried(local: str) -> tuple[int, str]:
            made = observation("x", local)
            del made["id"]
            answer = await client.post("/fhir/Observation", json=made, headers=finn)
            return answer.status_code, answer.text if answer.status_code != 201 else ""

        assert (await tried(ANA_MRN))[0] == 201
        terms = Terms(base=Provision(effect="deny", types=("Patient",)))
        package = world.package(terms, grantee=RIVERSIDE, grantee_account=None)
        await world.deny(
            consent_id=package.consent_id, grantee=RIVERSIDE, terms=package.commitment()
        )
        await world.deliver(RIVERSIDE, package)
        withheld = await tried(ANA_MRN)
        assert withheld[0] == 422
        assert withheld == await tried(BEN_MRN) == await tried("MRN-999-9999")
        seen = await client.get("/fhir/Observation/o1", headers=finn)
        assert seen.status_code == 200

    tell(tmp_path, story)
