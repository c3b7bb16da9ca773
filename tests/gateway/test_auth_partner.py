"""Another member signs in: the ledger vouches for its key, and no door but its own opens."""

from pathlib import Path
from typing import Any

from tests.exchange.world import DR_CHO, DR_FINN, LAKEVIEW, RIVERSIDE
from tests.gateway.world import World, tell

ORGANISATION = {"organization_id": "urn:careledger:member:lakeview"}
CONSENT = "urn:careledger:consent:" + "ab" * 16


def test_another_member_signs_in_and_opens_no_door_of_ours(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        said = ORGANISATION | {
            "organization_name": "Lakeview",
            "subject_id": DR_CHO,
            "subject_role": "clinician",
            "subject_name": "Dr Cho",
            "consent_policy": ["urn:oid:1.2.3"],
            "consent_reference": [CONSENT],
        }
        assertion = world.assertion(LAKEVIEW, RIVERSIDE, b2b=said)
        answer = await world.sign_in(RIVERSIDE, assertion, "system/*.cruds")
        assert answer.status_code == 200, answer.text
        assert answer.json()["scope"] == "system/*.rs"
        token = {"authorization": f"Bearer {answer.json()['access_token']}"}
        for path in (
            "/fhir/Observation/o1",
            "/fhir/Patient",
            "/fhir/Patient/MRN-000-4711/$everything",
            "/desk/patients",
        ):
            assert (await world.at_riverside.get(path, headers=token)).status_code == 403, path
        by_address = {"organization_id": "http://lakeview.test"}
        assertion = world.assertion(LAKEVIEW, RIVERSIDE, b2b=by_address)
        assert (await world.sign_in(RIVERSIDE, assertion)).status_code == 200
        # What the partner said is with the token, for the door that opens to partners.
        await world.suspend(LAKEVIEW)
        assert (await world.at_riverside.get("/fhir/Patient", headers=token)).status_code == 401

    tell(tmp_path, story)


def test_a_partner_says_who_it_is_and_what_it_stands_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async def refused(**business: Any) -> None:
            assertion = world.assertion(LAKEVIEW, RIVERSIDE, b2b=business)
            answer = await world.sign_in(RIVERSIDE, assertion)
            assert answer.status_code == 400, business
            assert answer.json()["error"] == "invalid_grant"

        await refused()
        await refused(organization_id="urn:careledger:member:riverside")
        await refused(organization_id="lakeview")
        await refused(organization_id="http://lakeview.test.evil")
        await refused(**ORGANISATION, organization_name="Riverside")
        await refused(**ORGANISATION, purpose_of_use=["PATRQT"])
        await refused(**ORGANISATION, purpose_of_use=[])
        await refused(**ORGANISATION, consent_reference=[CONSENT])
        await refused(**ORGANISATION, consent_policy=["no uri"], consent_reference=[CONSENT])
        await refused(
            **ORGANISATION, consent_policy=["urn:x:y"], consent_reference=["https://else/Consent/1"]
        )
        await refused(
            **ORGANISATION, consent_policy=["urn:x:y"], consent_reference=[CONSENT.upper()]
        )
        await refused(**ORGANISATION, subject_id="Dr Cho")
        await refused(**ORGANISATION, subject_id=DR_CHO, subject_role="pharmacist")
        # A practitioner of Riverside does not act for Lakeview.
        stolen = world.assertion(LAKEVIEW, RIVERSIDE, b2b=ORGANISATION | {"subject_id": DR_FINN})
        assert (await world.sign_in(RIVERSIDE, stolen)).json()["error"] == "unauthorized_client"

    tell(tmp_path, story)


def test_a_suspended_partner_is_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.suspend(LAKEVIEW)
        assertion = world.assertion(LAKEVIEW, RIVERSIDE, b2b=ORGANISATION)
        answer = await world.sign_in(RIVERSIDE, assertion)
        assert answer.json()["error"] == "unauthorized_client"

    tell(tmp_path, story)
