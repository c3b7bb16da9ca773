"""Dr Finn asks for Ana's summary and for her documents."""

from pathlib import Path

from tests.exchange.world import ANA_MRN, RIVERSIDE
from tests.gateway.world import World, tell


def test_a_summary_holds_what_the_caller_may_see(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, finn = world.at_riverside, await world.dr_finn()
        url = f"/fhir/Patient/{ANA_MRN}/$summary"
        document = (await client.get(url, headers=finn)).json()
        assert document["type"] == "document"
        composition = document["entry"][0]["resource"]
        assert composition["resourceType"] == "Composition"
        known = {one["fullUrl"] for one in document["entry"]}
        for section in composition["section"]:
            assert {one["reference"] for one in section.get("entry", ())} <= known
        nobody = await client.get("/fhir/Patient/nobody/$summary", headers=finn)
        await world.deny(grantee=RIVERSIDE)
        denied = await client.get(url, headers=finn)
        assert (denied.status_code, denied.content) == (404, nobody.content)

    tell(tmp_path, story)


def test_documents(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, finn = world.at_riverside, await world.dr_finn()
        url = "/fhir/DocumentReference/$docref"
        plain = (
            await client.get("/fhir/DocumentReference", params={"patient": ANA_MRN}, headers=finn)
        ).json()
        found = (await client.get(url, params={"patient": ANA_MRN}, headers=finn)).json()
        assert found["total"] == len(plain.get("entry", ())) > 0
        body = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "patient", "valueId": ANA_MRN},
                {"name": "start", "valueDate": "2990-01-01"},
            ],
        }
        later = await client.post(
            url, json=body, headers=finn | {"content-type": "application/fhir+json"}
        )
        assert later.json()["total"] == 0
        made = await client.get(url, params={"patient": ANA_MRN, "on-demand": "true"}, headers=finn)
        assert made.json()["total"] == 0
        assert (await client.get(url, headers=finn)).status_code == 400
        narrow = await world.dr_finn("system/Patient.rs")
        scope = await client.get(url, params={"patient": ANA_MRN}, headers=narrow)
        assert scope.status_code == 403

    tell(tmp_path, story)
