"""The CapabilityStatement claims what there is and no more."""

from pathlib import Path

from careledger.fhir.resource import parse_resource
from tests.exchange.world import ANA_MRN
from tests.gateway.world import World, tell


def test_everything_that_is_claimed_is_there(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, finn = world.at_riverside, await world.service()
        answer = await client.get("/fhir/metadata")  # anybody may ask
        parse_resource(answer.content)
        said = answer.json()
        (rest,) = said["rest"]
        assert [one["code"] for one in rest["interaction"]] == ["transaction", "batch"]
        for claimed in rest["resource"]:
            type_ = claimed["type"]
            codes = {one["code"] for one in claimed["interaction"]}
            assert codes == {"read", "vread", "update", "delete", "create", "search-type"}
            read = await client.get(f"/fhir/{type_}/none", headers=finn)
            assert read.status_code == 404
            about = "_id" if type_ == "Patient" else "patient"
            names = {one["name"] for one in claimed["searchParam"]}
            query = f"?{about}={ANA_MRN}" if about in names else ""
            for name in names - {about, "_id"}:
                value = "2026-01-01" if "date" in name else "x"
                glue = "&" if query else "?"
                path = f"/fhir/{type_}{query}{glue}{name}={value}"
                found = await client.get(path, headers=finn)
                assert found.status_code in {200, 400}, path
                if found.status_code == 400:
                    assert found.json()["issue"][0]["code"] == "value", found.text
            assert (await client.get(f"/fhir/{type_}{query}", headers=finn)).status_code == 200, (
                type_
            )

    tell(tmp_path, story)
