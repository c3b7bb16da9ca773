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


def test_what_is_whose_its_target_is_tells_nothing_of_a_target_that_is_withheld(
    tmp_path: Path,
) -> None:
    """A Provenance, or a Binary with its context, goes into the record of what it is about."""

    async def story(world: World) -> None:
        client = world.at_riverside
        finn = await world.dr_finn("system/*.cruds")

        async def tried(name: str) -> list[tuple[int, str]]:
            what = {"reference": name}
            agent = [{"who": {"reference": "Practitioner/finn"}}]
            told = {"target": [what], "recorded": "2026-01-01T00:00:00Z", "agent": agent}
            binary = {"contentType": "text/plain", "data": "b3Blbg==", "securityContext": what}
            found = []
            for type_, body in (("Provenance", told), ("Binary", binary)):
                made = {"resourceType": type_} | body
                answer = await client.post(f"/fhir/{type_}", json=made, headers=finn)
                found.append((answer.status_code, answer.text))
            return found

        assert [status for status, _ in await tried("Observation/o1")] == [201, 201]
        terms = Terms(base=Provision(effect="deny", types=("Observation",)))
        package = world.package(terms, grantee=RIVERSIDE, grantee_account=None)
        await world.deny(
            consent_id=package.consent_id, grantee=RIVERSIDE, terms=package.commitment()
        )
        await world.deliver(RIVERSIDE, package)
        withheld = await tried("Observation/o1")
        assert [status for status, _ in withheld] == [422, 422]
        assert withheld == await tried("Observation/none")

    tell(tmp_path, story)
