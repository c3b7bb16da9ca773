"""Dr Cho at Lakeview reads what Riverside holds of Ana, through both gateways' doors."""

import base64
import secrets
from pathlib import Path
from typing import Any

from careledger.exchange.organisation import claims
from careledger.fhir.resource import parse_resource
from careledger.gateway.fhir_remote import DISCLOSURE
from careledger.mechanisms.emergency import Emergency, sign_emergency
from careledger.mechanisms.messages import NOTICE
from careledger.mechanisms.terms import Provision, Terms
from tests.exchange.world import (
    ANA,
    ANA_AT_LAKEVIEW,
    ANA_LOCAL,
    DR_CHO,
    LAKEVIEW,
    RIVERSIDE,
    key,
)
from tests.gateway.world import World, tell

HERS = f"/fhir/remote/{RIVERSIDE}/Patient/{ANA_LOCAL}"


def test_dr_cho_reads_under_a_grant_and_learns_where_it_is_from(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        cho = await world.dr_cho()
        answer = await world.at_lakeview.get(f"{HERS}/MedicationRequest?colour=red", headers=cho)
        assert answer.status_code == 400  # no such parameter here; nothing was asked
        answer = await world.at_lakeview.get(f"{HERS}/MedicationRequest", headers=cho)
        assert answer.status_code == 200, answer.text
        parse_resource(answer.content)
        *matches, notice = answer.json()["entry"]
        assert answer.json()["total"] == 2
        assert [one["fullUrl"] for one in matches] == [
            f"http://riverside.test/fhir/MedicationRequest/{id_}" for id_ in ("m1", "m2")
        ]
        assert b'"Zolpidemex 10 mg"' in answer.content
        assert notice["search"]["mode"] == "outcome"
        assert notice["resource"]["issue"][0]["diagnostics"] == NOTICE
        said = _disclosure(notice["resource"])
        assert said["custodian"] == RIVERSIDE
        assert (said["verified"], said["basis"], said["number"]) == (True, "grant", 1)
        assert len(said["committed-by"]) == 64
        one = await world.at_lakeview.get(f"{HERS}/MedicationRequest?_id=m1", headers=cho)
        assert (
            one.json()["link"][0]["url"] == f"http://lakeview.test{HERS}/MedicationRequest?_id=m1"
        )
        assert one.json()["total"] == 1
        everything = await world.at_lakeview.get(f"{HERS}/$everything", headers=cho)
        assert everything.json()["total"] == 5
        entries = world.riverside.log.entries(ANA)
        assert {(one.receiver, one.practitioner) for one in entries} == {(LAKEVIEW, DR_CHO)}

    tell(tmp_path, story)


def _disclosure(resource: dict[str, Any]) -> dict[str, Any]:
    (extension,) = resource["extension"]
    assert extension["url"] == DISCLOSURE
    return {
        part["url"]: next(value for name, value in part.items() if name != "url")
        for part in extension["extension"]
    }


def test_a_refusal_names_dimensions_and_no_more(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async def refused(path: str, token: dict[str, str]) -> list[str]:
            answer = await world.at_lakeview.get(path, headers=token)
            assert answer.status_code == 403, answer.text
            parse_resource(answer.content)
            (issue,) = answer.json()["issue"]
            assert issue["code"] == "forbidden"
            assert "Rivera" not in answer.text
            assert ANA not in answer.text
            return [one["code"] for one in issue["details"]["coding"]]

        cho = await world.dr_cho()
        meds = f"{HERS}/MedicationRequest"
        assert await refused(meds, cho) == ["consent"]
        nobody = f"/fhir/remote/{RIVERSIDE}/Patient/nobody/MedicationRequest"
        assert await refused(nobody, cho) == ["consent"]
        package = await world.grant(
            Terms(base=Provision(effect="permit", types=("MedicationRequest",)))
        )
        assert (await world.at_lakeview.get(meds, headers=cho)).status_code == 200
        assert await refused(f"{HERS}/DocumentReference", cho) == ["terms"]
        research = await world.token(DR_CHO, LAKEVIEW, b2b={"purpose_of_use": ["HRESCH"]})
        assert await refused(meds, research) == ["purpose"]
        await world.revoke(package)
        assert "status" in await refused(meds, cho)

    tell(tmp_path, story)


def test_down_stranger_and_tampered_are_told_apart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        cho, client = await world.dr_cho(), world.at_lakeview
        meds = f"{HERS}/MedicationRequest"
        world.down.add(RIVERSIDE)
        down = await client.get(meds, headers=cho)
        assert (down.status_code, down.json()["issue"][0]["code"]) == (503, "transient")
        assert down.headers["retry-after"] == "1"
        world.down.clear()
        world.tamper = lambda answer: answer[:-1] + bytes([answer[-1] ^ 1])
        tampered = await client.get(meds, headers=cho)
        assert tampered.status_code == 502
        assert "entry" not in tampered.json()
        world.tamper = lambda answer: answer
        for custodian in ("nowhere", "lakeview", "Not-A-Member", "hilltop2"):
            path = f"/fhir/remote/{custodian}/Patient/{ANA_LOCAL}/MedicationRequest"
            assert (await client.get(path, headers=cho)).status_code == 404, custodian
        hilltop = f"/fhir/remote/hilltop/Patient/{ANA_LOCAL}/MedicationRequest"
        assert (await client.get(hilltop, headers=cho)).status_code == 503

    tell(tmp_path, story)


def test_what_is_not_answered_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, cho = world.at_lakeview, await world.dr_cho()
        before = len(world.letters)
        for path, status in (
            (f"{HERS}/Unicorn", 404),
            (f"{HERS}/Observation?patient=x", 400),
            (f"{HERS}/Observation?_count=3", 400),
            (f"{HERS}/Observation?date=soon", 400),
            (f"{HERS}/$everything?start=2020", 400),
            (f"{HERS}/$export", 404),
        ):
            assert (await client.get(path, headers=cho)).status_code == status, path
        narrow = await world.dr_cho("system/Observation.rs")
        assert (await client.get(f"{HERS}/MedicationRequest", headers=narrow)).status_code == 403
        assert (await client.get(f"{HERS}/$everything", headers=narrow)).status_code == 403
        assert (await client.get(f"{HERS}/Observation")).status_code == 401
        ana = await world.register_client(ANA_AT_LAKEVIEW)
        own = await world.token(
            ANA_AT_LAKEVIEW, LAKEVIEW, signing=ana, b2b={"purpose_of_use": ["PATRQT"]}
        )
        assert (await client.get(f"{HERS}/Observation", headers=own)).status_code == 403
        assert len(world.letters) == before

    tell(tmp_path, story)


def test_an_emergency_needs_a_practitioners_signature(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.at_lakeview
        token = await world.token(
            DR_CHO, LAKEVIEW, b2b={"purpose_of_use": ["ETREAT"], "subject_role": "clinician"}
        )
        assert (await client.get(f"{HERS}/Observation", headers=token)).status_code == 403
        said = Emergency(
            custodian=RIVERSIDE, account=ANA, reason="unconscious", until=world.clock() + 3_600
        )
        statement = sign_emergency(key(DR_CHO), claims(DR_CHO, ANA, world.id, world.clock()), said)
        header = {"emergency-statement": base64.urlsafe_b64encode(statement).rstrip(b"=").decode()}
        answer = await client.get(f"{HERS}/Observation", headers=token | header)
        assert answer.status_code == 200, answer.text
        assert _disclosure(answer.json()["entry"][-1]["resource"])["basis"] == "break-glass"
        for bad in ("!", secrets.token_hex(3_000), "AAAA"):
            refused = await client.get(
                f"{HERS}/Observation", headers=token | {"emergency-statement": bad}
            )
            assert refused.status_code == 400, bad

    tell(tmp_path, story)


def test_without_a_quorum_every_door_says_so_and_an_emergency_goes_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        client, cho = world.at_lakeview, await world.dr_cho()
        await world.stop_the_network()
        for path in (f"{HERS}/Observation", "/fhir/Observation/o1", "/fhir/Patient"):
            refused = await client.get(path, headers=cho)
            assert refused.status_code == 503, path
            assert refused.headers["retry-after"]
            said = refused.json()["issue"][0]
            assert said["code"] == "transient"
            assert "the network does not decide now" in said["diagnostics"]
        token = await world.token(  # signing in permits nothing by itself
            DR_CHO, LAKEVIEW, b2b={"purpose_of_use": ["ETREAT"], "subject_role": "clinician"}
        )
        assert (await client.get("/fhir/Patient", headers=token)).status_code == 503
        said = Emergency(
            custodian=RIVERSIDE, account=ANA, reason="unconscious", until=world.clock() + 3_600
        )
        statement = sign_emergency(key(DR_CHO), claims(DR_CHO, ANA, world.id, world.clock()), said)
        header = {"emergency-statement": base64.urlsafe_b64encode(statement).rstrip(b"=").decode()}
        answer = await client.get(f"{HERS}/Observation", headers=token | header)
        assert answer.status_code == 200, answer.text
        told = answer.json()["entry"][-1]["resource"]
        assert _disclosure(told)["recorded"] is False
        assert "before it could be recorded" in told["issue"][0]["diagnostics"]
        health = (await world.at_riverside.get("/health")).json()
        assert (health["status"], health["offline_waiting"]) == ("fail", 1)
        local = await client.get("/fhir/Observation/o1", headers=token | header)
        assert local.status_code == 503  # the header opens no other door

    tell(tmp_path, story)
