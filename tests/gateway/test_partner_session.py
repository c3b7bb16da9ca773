"""Lakeview's own FHIR client reads at Riverside's door: in a session that the ledger has first."""

from pathlib import Path
from typing import Any

import httpx2

from careledger.apps.records.commands import SESSION_S
from careledger.exchange.organisation import claims
from careledger.mechanisms.request import AccessRequest, sign_request
from careledger.mechanisms.terms import Provision, Terms
from tests.exchange.test_merged import deny_as_ben, merge_ben_into_ana
from tests.exchange.world import (
    ANA,
    ANA_MRN,
    BEN,
    BEN_MRN,
    DR_CHO,
    DR_DIAZ,
    LAKEVIEW,
    RIVERSIDE,
    key,
)
from tests.gateway.world import World, tell, url64

MEDICATIONS = f"/fhir/MedicationRequest?patient={ANA_MRN}"
SAID = {
    "organization_id": "urn:careledger:member:lakeview",
    "subject_id": DR_CHO,
    "subject_role": "clinician",
}


def request(world: World, signer: str = LAKEVIEW, **changed: Any) -> bytes:
    """What Lakeview signs before it may read."""
    fields: dict[str, Any] = {
        "custodian": RIVERSIDE,
        "account": ANA,
        "requester": LAKEVIEW,
        "purpose": "TREAT",
        "actions": ("read", "search"),
        "practitioner": DR_CHO,
        "role": "clinician",
    }
    said = claims(signer, "request", world.id, world.clock())
    return sign_request(key(signer), said, AccessRequest(**(fields | changed)))


async def sign_in(
    world: World, signed: bytes | None, scope: str = "system/*.rs", **business: Any
) -> httpx2.Response:
    extensions = {"hl7-b2b": {"version": "1", "purpose_of_use": ["TREAT"]} | SAID | business}
    if signed is not None:
        extensions["careledger-request"] = url64(signed)  # type: ignore[assignment] # JSON
    assertion = world.assertion(LAKEVIEW, RIVERSIDE, extensions=extensions)
    return await world.sign_in(RIVERSIDE, assertion, scope)


async def session(world: World, **changed: Any) -> dict[str, str]:
    answer = await sign_in(world, request(world, **changed))
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


async def status(world: World, path: str, token: dict[str, str]) -> int:
    return (await world.at_riverside.get(path, headers=token)).status_code


def test_the_disclosure_is_on_the_ledger_before_anything_is_read(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        only = Terms(base=Provision(effect="permit", types=("MedicationRequest",)))
        await world.grant(only)
        answer = await sign_in(world, request(world))
        assert answer.status_code == 200, answer.text
        opened = answer.json()["disclosure"]
        assert answer.json()["expires_in"] <= SESSION_S
        [line] = world.riverside.log.entries(ANA)
        assert (line.outcome, line.receiver, line.practitioner) == ("released", LAKEVIEW, DR_CHO)
        assert line.number == opened["number"]
        token = {"authorization": f"Bearer {answer.json()['access_token']}"}
        found = await world.at_riverside.get(MEDICATIONS, headers=token)
        assert found.status_code == 200, found.text
        assert [one["resource"]["id"] for one in found.json()["entry"]] == ["m1", "m2"]
        assert await status(world, "/fhir/MedicationRequest/m1", token) == 200
        everyones = await world.at_riverside.get("/fhir/MedicationRequest", headers=token)
        assert everyones.json()["total"] == 2, "the one patient, whoever else there is"
        # What the terms withhold, and what is not hers, is not there.
        for path in ("Observation/o1", f"Patient/{ANA_MRN}", "Observation/none"):
            assert await status(world, f"/fhir/{path}", token) == 404, path
        hidden = await world.at_riverside.get(f"/fhir/Observation?patient={ANA_MRN}", headers=token)
        assert hidden.json()["total"] == 0
        # What was not asked for, and what no partner may do.
        assert await status(world, f"/fhir/Patient/{ANA_MRN}/$everything", token) == 403
        put = await world.at_riverside.put(
            "/fhir/MedicationRequest/m1",
            content=b"{}",
            headers=token | {"content-type": "application/fhir+json"},
        )
        assert put.status_code == 403
        assert await status(world, f"/fhir/remote/lakeview/Patient/{ANA_MRN}/Patient", token) == 403
        # Each read is in the journal, as Lakeview's, and is anchored in the session.
        reads = [one for one in world.riverside.journal.reads_of(ANA) if one.member == LAKEVIEW]
        assert {one.practitioner for one in reads} == {DR_CHO}
        assert sum(len(one.records) for one in reads) == 5
        await world.riverside.journal.flush()
        lines = world.riverside.log.entries(ANA)
        assert [one.outcome for one in lines][:2] == ["released", "read"]
        assert {one.receiver for one in lines} == {LAKEVIEW}

    tell(tmp_path, story)


def test_revoking_ends_the_session_with_the_block(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant()
        token = await session(world)
        assert await status(world, MEDICATIONS, token) == 200
        await world.revoke(package)
        refused = await world.at_riverside.get(MEDICATIONS, headers=token)
        assert refused.status_code == 403
        assert refused.json()["issue"][0]["details"]["coding"][0]["code"] == "status"
        assert await status(world, MEDICATIONS, token) == 401
        again = await world.grant()
        assert await status(world, MEDICATIONS, token) == 401, "it is over, whatever comes later"
        token = await session(world)
        await world.suspend(LAKEVIEW)
        assert await status(world, MEDICATIONS, token) == 401
        del again

    tell(tmp_path, story)


def test_a_token_lives_no_longer_than_its_session(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        token = await session(world)
        world.riverside.partners._sessions.close(
            next(iter(world.riverside.partners._sessions._open))
        )
        assert await status(world, MEDICATIONS, token) == 401
        token = await session(world)
        await world.pass_time(SESSION_S)
        assert await status(world, MEDICATIONS, token) == 401

    tell(tmp_path, story)


def test_a_session_goes_on_after_a_restart_and_ends_as_it_would_have(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant()
        token, other = await session(world), await session(world)
        await world.restart(RIVERSIDE)
        assert await status(world, MEDICATIONS, token) == 200
        await world.crash(RIVERSIDE)
        assert await status(world, MEDICATIONS, other) == 200
        reads = [one for one in world.riverside.journal.reads_of(ANA) if one.member == LAKEVIEW]
        assert {one.practitioner for one in reads} == {DR_CHO}
        kept = (world.folder / RIVERSIDE).glob("unfinished*")
        assert ANA.encode() not in b"".join(path.read_bytes() for path in kept)
        await world.revoke(package)
        assert await status(world, MEDICATIONS, token) == 403
        await world.restart(RIVERSIDE)
        assert await status(world, MEDICATIONS, token) == 401, "it was over before"
        assert await status(world, MEDICATIONS, other) == 403
        await world.grant()
        token = await session(world)
        await world.pass_time(SESSION_S)
        await world.restart(RIVERSIDE)
        assert await status(world, MEDICATIONS, token) == 401

    tell(tmp_path, story)


def test_a_refusal_is_on_the_ledger_and_says_where(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        answer = await sign_in(world, request(world))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
        assert answer.json()["error_description"] == "refused: consent"
        unknown = await sign_in(world, request(world, account="@" + "z" * 26))
        assert unknown.json() == answer.json()
        await world.grant(actions=("read",))
        answer = await sign_in(world, request(world))
        assert answer.json()["error_description"] == "refused: action"
        outcomes = [one.outcome for one in world.riverside.log.entries(ANA)]
        assert outcomes == ["refused", "refused"]

    tell(tmp_path, story)


def test_only_its_own_fresh_request_opens_a_session(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()

        async def refused(signed: bytes, **business: Any) -> None:
            answer = await sign_in(world, signed, **business)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")

        used = request(world)
        assert (await sign_in(world, used)).status_code == 200
        await refused(used)
        await refused(request(world), purpose_of_use=["HPAYMT"])
        await refused(request(world), subject_role=None)
        await refused(request(world, practitioner=DR_DIAZ))
        await refused(request(world, custodian=LAKEVIEW))
        await refused(b"\x00" * 100)
        await refused(request(world)[:-1] + b"\x00")
        own = request(
            world,
            signer=ANA,
            requester=RIVERSIDE,
            purpose="PATRQT",
            practitioner=None,
            role=None,
        )
        await refused(own)
        cited = {
            "consent_policy": ["urn:oid:1.2.3"],
            "consent_reference": ["urn:careledger:consent:" + "ab" * 16],
        }
        await refused(request(world), **cited)
        # Without scopes there is no token, and nothing was disclosed for it.
        before = len(world.riverside.log.entries(ANA))
        answer = await sign_in(world, request(world), scope="system/Unicorn.rs")
        assert answer.json()["error"] == "invalid_scope"
        assert len(world.riverside.log.entries(ANA)) == before
        assert not world.riverside.log.entries(BEN)

    tell(tmp_path, story)


def test_what_is_merged_and_denied_there_is_not_in_the_session(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await merge_ben_into_ana(world)
        await world.grant()
        token = await session(world)
        for path in ("/fhir/Observation/bens", f"/fhir/Patient/{BEN_MRN}"):
            assert await status(world, path, token) == 200
        await deny_as_ben(world)
        for path in ("/fhir/Observation/bens", f"/fhir/Patient/{BEN_MRN}"):
            assert await status(world, path, token) == 404
        hers = await world.at_riverside.get("/fhir/Observation", headers=token)
        assert {one["resource"]["id"] for one in hers.json()["entry"]} == {"o1"}

    tell(tmp_path, story)
