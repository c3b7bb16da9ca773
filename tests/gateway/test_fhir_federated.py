"""Dr Cho asks everyone at once what they hold of Ana; some are away, and some lie."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace as changed

from careledger.apps.consent.commands import RevokeConsent
from careledger.exchange.asker import Asker
from careledger.exchange.exchange import Exchange
from careledger.exchange.release import sourced
from careledger.fhir.resource import parse_resource
from careledger.gateway.fhir_federated import SOURCE
from careledger.ledger.record import encode
from careledger.mechanisms.messages import NOTICE, Released, decode_answer
from careledger.vault.objects import resource_name
from careledger.vault.rows import Step
from tests.exchange import world as base
from tests.exchange.world import ANA_LOCAL, HILLTOP, LAKEVIEW, RIVERSIDE
from tests.gateway.three import ANA_AT_HILLTOP, CARL_AT_HILLTOP, allow, hilltop, hurry
from tests.gateway.world import World, tell

ALL = f"/fhir/federated/Patient/{ANA_LOCAL}"
EVERYTHING, OBSERVATIONS = f"{ALL}/$everything", f"{ALL}/Observation"


def parts(extension: dict[str, Any]) -> dict[str, Any]:
    assert extension["url"] == SOURCE
    return {
        part["url"]: next(value for name, value in part.items() if name != "url")
        for part in extension["extension"]
    }


class Answer:
    """What came: marks by source and resource, and how every source answered."""

    def __init__(self, answer: httpx2.Response) -> None:
        assert answer.status_code == 200, answer.text
        self.text, body = answer.text, answer.json()
        *self.entries, last = body["entry"]
        self.total = body["total"]
        assert last["resource"]["issue"][0]["diagnostics"] == NOTICE
        self.sources = {said["member"]: said for said in map(parts, last["resource"]["extension"])}
        self.said = {
            (said["member"], entry["fullUrl"].rsplit("/fhir/")[1]): said
            for entry in self.entries
            for said in [parts(entry["extension"][0])]
        }

    @property
    def marks(self) -> dict[tuple[str, str], str]:
        return {name: said["mark"] for name, said in self.said.items()}

    def standing(self, member: str) -> str:
        said = self.sources[member]
        return str(said.get("trouble") or said["standing"])


async def ask(world: World, path: str = EVERYTHING) -> Answer:
    cho = await world.dr_cho()
    return Answer(await world.at_lakeview.get(path, headers=cho))


async def own_records(world: World) -> None:
    """Lakeview has something of Ana, too."""
    mine = base.bundle(base.patient(ANA_LOCAL), base.observation("o1", ANA_LOCAL, 7.0))
    await world.lakeview.ingestion.bundle(mine)
    await world.lakeview.ingestion.settled()


HERS_AT_HILLTOP = {(HILLTOP, "MedicationRequest/m1"), (HILLTOP, "Observation/o1")} | {
    (HILLTOP, "Patient/HT-1")
}


def test_one_answer_from_everyone_whom_ana_allows(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await own_records(world)
        await world.grant()
        async with hilltop(world):
            before = await ask(world)
            assert set(before.sources) == {LAKEVIEW, RIVERSIDE}, "she has not allowed Hilltop"
            await allow(world)
            answer = await ask(world)
            assert set(answer.marks.values()) == {"verified"}
            assert answer.total == len(answer.entries) == 2 + 5 + 3
            assert {name for name in answer.marks if name[0] == HILLTOP} == HERS_AT_HILLTOP
            for said in answer.said.values():
                assert len(said["committed-by"]) == 64
                assert said["as-of"].endswith("Z")
            assert {said["basis"] for said in answer.said.values()} == {"workforce", "grant"}
            assert {said["standing"] for said in answer.sources.values()} == {"answered"}
            assert answer.sources[HILLTOP]["entries"] == 3
            # Three results of the same kind, by three organisations: nothing is taken for another.
            results = await ask(world, OBSERVATIONS + "?code=http://loinc.org|4548-4")
            assert [name[0] for name in results.marks] == [LAKEVIEW, HILLTOP, RIVERSIDE]
            values = [one["resource"]["valueQuantity"]["value"] for one in results.entries]
            assert values == [7.0, 6.9, 7.2]
            for entry in results.entries:
                assert entry["search"]["mode"] == "match"
                parse_resource(json.dumps(entry["resource"]).encode())

    tell(tmp_path, story)


def test_what_was_not_granted_is_refused_there_and_nothing_else_is_told(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant(actions=("search",))
        async with hilltop(world):
            package = await allow(world)
            answer = await ask(world)
            assert answer.sources[RIVERSIDE]["standing"] == "refused"
            assert answer.sources[RIVERSIDE]["refused"]["code"] == "action"
            assert {name for name in answer.marks if name[0] == HILLTOP} == HERS_AT_HILLTOP
            revoke = RevokeConsent(consent_id=package.consent_id)
            await world.submit(ANA_AT_HILLTOP, "consent", revoke)
            assert HILLTOP not in (await ask(world)).sources
            nobody = await ask(world, "/fhir/federated/Patient/nobody/$everything")
            assert (nobody.total, list(nobody.sources)) == (0, [LAKEVIEW])

    tell(tmp_path, story)


def test_one_that_is_down_or_slow_costs_its_own_part_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await own_records(world)
        await world.grant()
        async with hilltop(world) as (_, road, _liar):
            await allow(world)
            world.down.add(HILLTOP)
            down = await ask(world)
            assert down.standing(HILLTOP) == "unreachable"
            assert down.total == 7
            world.down.clear()
            hurry(world, source_s=0.5)
            road.delay_s = 30.0
            before = time.monotonic()
            slow = await ask(world)
            assert time.monotonic() - before < 10
            assert slow.standing(HILLTOP) == "timeout"
            assert {slow.standing(RIVERSIDE), slow.standing(LAKEVIEW)} == {"answered"}
            assert slow.total == 7
            hurry(world, source_s=60, total_s=0.5)
            total = await ask(world)
            assert total.standing(HILLTOP) == "timeout"
            road.delay_s = 0.0
            hurry(world, source_s=10, total_s=20)
            assert (await ask(world)).total == 10

    tell(tmp_path, story)


def altered(data: bytes) -> bytes:
    """One digit of the result."""
    assert data.count(b"6.9") == 1
    return data.replace(b"6.9", b"9.9")


def test_a_custodian_that_alters_one_resource_is_caught_in_that_one(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with hilltop(world) as (_, _road, liar):
            await allow(world)
            liar.lie = lambda said: [altered(one) if b"6.9" in one else one for one in said]
            answer = await ask(world)
            marks = {name[1]: mark for name, mark in answer.marks.items()}
            assert marks == {
                "MedicationRequest/m1": "verified",
                "Observation/o1": "tampered",
                "Patient/HT-1": "verified",
            }
            assert "9.9" not in answer.text, "a client that merges what it is sent has none of it"
            [wrong] = [one for one in answer.entries if one["search"]["mode"] == "outcome"]
            assert wrong["resource"]["resourceType"] == "OperationOutcome"
            assert answer.said[HILLTOP, "Observation/o1"]["why"] == "altered"
            assert answer.total == 2
            shown = await ask(world, EVERYTHING + "?_tampered=include")
            body = base64.b64decode(shown.said[HILLTOP, "Observation/o1"]["altered"])
            assert b"9.9" in body
            await world.lakeview.acknowledgements.send()
            assert world.lakeview.acknowledgements.outstanding(), "it is not confirmed"
            cho = await world.dr_cho()
            strict = f"/fhir/remote/{HILLTOP}/Patient/{ANA_LOCAL}/Observation"
            assert (await world.at_lakeview.get(strict, headers=cho)).status_code == 502

    tell(tmp_path, story)


def test_a_byte_that_changes_where_it_is_stored_shows_as_tampered(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await own_records(world)
        await world.grant()
        spoil(world.riverside, "MedicationRequest", "m2")
        spoil(world.lakeview, "Observation", "o1")
        answer = await ask(world)
        tampered = {name for name, mark in answer.marks.items() if mark == "tampered"}
        assert tampered == {(RIVERSIDE, "MedicationRequest/m2"), (LAKEVIEW, "Observation/o1")}
        assert answer.said[RIVERSIDE, "MedicationRequest/m2"]["why"] == "spoilt"
        assert set(answer.marks.values()) == {"tampered", "verified"}
        assert answer.total == 5
        await world.lakeview.acknowledgements.send()
        assert not world.lakeview.acknowledgements.outstanding(), "it said so itself"

    tell(tmp_path, story)


def spoil(exchange: Exchange, type_: str, id_: str) -> None:
    """Turn over one bit of a sealed body in the vault's file."""
    vault = exchange.organisation.vault
    name = resource_name(vault._patients.index_key, type_, id_)
    ((seq, sealed),) = vault._data.read("SELECT seq, sealed FROM objects WHERE name = ?", [name])
    other = sealed[:-1] + bytes([sealed[-1] ^ 1])
    vault._data.write([Step("UPDATE objects SET sealed = ? WHERE seq = ?", [(other, seq)])])


def test_other_lies_leave_nothing_that_counts_as_verified(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with hilltop(world) as (exchange, road, liar):
            await allow(world)
            carl = await carls(exchange)

            async def tries() -> Answer:
                world.lakeview.requester.forget_sessions()
                return await ask(world)

            liar.lie = lambda said: [*said, *carl]
            slipped = await tries()
            assert set(slipped.marks.values()) == {"unproven"}
            assert slipped.said[HILLTOP, "Observation/oc"]["why"] == "disclosure"
            liar.lie = lambda said: said[:-2]
            assert set((await tries()).marks.values()) == {"unproven"}, "one is left out"
            liar.lie = lambda said: said[:-1]
            assert (await tries()).standing(HILLTOP) == "not-verified"
            liar.lie = lambda said: [said[0], b"\xff", *said[2:]]
            assert (await tries()).standing(HILLTOP) == "not-verified"
            liar.lie = lambda said: [from_the_future(said[0]), *said[1:]]
            assert (await tries()).standing(HILLTOP) == "not-verified"
            liar.lie = lambda said: said
            kept: list[bytes] = []

            def keep(answer: bytes) -> bytes:
                kept.append(answer)
                return answer

            road.meddle = keep
            assert set((await tries()).marks.values()) == {"verified"}
            for meddle in (
                lambda _: kept[0],  # an answer to an earlier question
                lambda answer: answer[:-1] + bytes([answer[-1] ^ 1]),
                lambda answer: answer[: len(answer) // 2],
                lambda _: b"",
            ):
                road.meddle = meddle
                lied = await tries()
                assert (lied.standing(HILLTOP), lied.marks) == ("not-verified", {})

    tell(tmp_path, story)


def from_the_future(head: bytes) -> bytes:
    said = decode_answer(head)
    assert isinstance(said, Released)
    return encode(changed(said, as_of=2**52))


async def carls(exchange: Exchange) -> list[bytes]:
    """What Hilltop committed to of somebody else, with its proof."""
    asker = Asker(purpose="PATRQT", account=CARL_AT_HILLTOP)
    with exchange.reach(asker) as reach:
        one = reach.open_version("Observation", "oc")
    assert one is not None
    [found] = sourced(exchange.organisation.vault, [one])
    return list(found.parts())


def test_a_suspended_member_gives_nothing_and_gets_nothing(tmp_path: Path) -> None:
    async def custodian(world: World) -> None:
        await world.grant()
        await ask(world)
        await world.suspend(RIVERSIDE)
        answer = await ask(world)
        standings = answer.standing(RIVERSIDE), answer.standing(LAKEVIEW)
        assert standings == ("unreachable", "answered")

    async def requester(world: World) -> None:
        await world.grant()
        cho = await world.dr_cho()
        await world.suspend(LAKEVIEW)
        assert (await world.at_lakeview.get(EVERYTHING, headers=cho)).status_code == 401

    tell(tmp_path / "custodian", custodian)
    tell(tmp_path / "requester", requester)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{ALL}/Unicorn", 404),
        (f"{ALL}/$export", 404),
        (f"{OBSERVATIONS}?patient=x", 400),
        (f"{OBSERVATIONS}?_count=3", 400),
        (f"{OBSERVATIONS}?date=soon", 400),
        (f"{EVERYTHING}?start=2020", 400),
        (f"{EVERYTHING}?_tampered=yes", 400),
    ],
)
def test_what_is_not_answered_is_refused_before_anybody_is_asked(
    tmp_path: Path, path: str, status: int
) -> None:
    async def story(world: World) -> None:
        await world.grant()
        before, cho = len(world.letters), await world.dr_cho()
        assert (await world.at_lakeview.get(path, headers=cho)).status_code == status
        assert len(world.letters) == before

    tell(tmp_path, story)


def test_scopes_hold_for_other_organisations_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        client = world.at_lakeview
        narrow = await world.dr_cho("system/Observation.rs")
        assert (await client.get(EVERYTHING, headers=narrow)).status_code == 403
        assert (await client.get(f"{ALL}/Condition", headers=narrow)).status_code == 403
        assert (await client.get(OBSERVATIONS, headers=narrow)).status_code == 200
        some = await world.dr_cho("system/Observation.rs?category=laboratory")
        assert (await client.get(OBSERVATIONS, headers=some)).status_code == 403
        assert (await client.get(OBSERVATIONS)).status_code == 401

    tell(tmp_path, story)
