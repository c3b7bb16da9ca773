"""Dr Cho at Lakeview asks Riverside for Ana's records."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from careledger.apps.records.basis import GrantBasis
from careledger.apps.records.commands import DiscloseRecords
from careledger.apps.records.refusals import BasisFails, RequestAnswered, RequestNotGenuine
from careledger.exchange import answer, patience, release
from careledger.exchange.asker import Asker
from careledger.exchange.errors import (
    AccessRefused,
    CommandRefused,
    NotVerified,
    RequestRejected,
    Stale,
    UnknownReceiver,
)
from careledger.exchange.release import Sourced
from careledger.exchange.wire import open_own, seal
from careledger.ledger.commitment import Batch
from careledger.ledger.errors import Malformed, Unavailable
from careledger.ledger.record import MemberId, decode, encode
from careledger.ledger.transaction import OverBudget
from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.messages import (
    ANSWER,
    ASK,
    Ask,
    Query,
    Rejected,
    ReleasedRecord,
    decode_answer,
    split_parts,
)
from careledger.mechanisms.request import AccessRequest, sign_request
from careledger.mechanisms.terms import Provision, Terms
from careledger.vault.errors import Tampered
from careledger.vault.sealing import Binding, open_from, public_sealing_key
from tests.exchange.world import (
    ANA,
    ANA_LOCAL,
    DR_CHO,
    DR_DIAZ,
    EVERYTHING,
    HILLTOP,
    LAKEVIEW,
    MEDICATIONS,
    NOW,
    RIVERSIDE,
    TREAT,
    World,
    key,
    sealing,
    tell,
)

ONLY_MEDICATIONS = Terms(base=Provision(effect="permit", types=("MedicationRequest",)))


async def read(world: World, query: Query = MEDICATIONS, asker: Asker = TREAT) -> Any:
    return await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, query, asker)


async def refused(world: World, query: Query = MEDICATIONS, asker: Asker = TREAT) -> Any:
    """The dimensions in which it is refused, which must stand on the ledger as well."""
    with pytest.raises(AccessRefused) as error:
        await read(world, query, asker)
    line = world.riverside.log.entries(ANA)[-1]
    assert (line.outcome, line.dimensions) == ("refused", error.value.dimensions)
    return error.value.dimensions


def test_a_permitted_read_is_released_proved_logged_and_acknowledged(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant()
        got = await read(world)
        assert sorted(one.id for one in got.resources) == ["m1", "m2"]
        assert "do not infer" in got.notice
        assert got.as_of <= world.clock()
        assert await world.lakeview.acknowledgements.send() == 0
        (line,) = world.riverside.log.entries(ANA)
        assert (line.outcome, line.receiver, line.purpose) == ("released", LAKEVIEW, "TREAT")
        assert (line.basis, line.consent_id) == ("grant", package.consent_id)
        assert (line.practitioner, line.receiver_name) == (DR_CHO, "Lakeview")
        assert line.acknowledged == "met"
        assert world.lakeview.acknowledgements.outstanding() == []

    tell(tmp_path, story)


def test_what_is_released_is_byte_for_byte_what_was_received(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        (one,) = (await read(world, Query(type="Observation", id="o1"))).resources
        assert b'"value": 7.2' in one.data
        assert one.opening.name.account == ANA

    tell(tmp_path, story)


def test_without_a_handle_the_refusal_is_recorded_about_nobody(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with pytest.raises(AccessRefused) as error:
            await read(world)
        assert error.value.dimensions == ("consent",)
        assert world.riverside.log.entries(ANA) == ()
        size = world.chain.store.latest.size
        with pytest.raises(AccessRefused):
            await read(world)
        assert world.chain.store.latest.size > size  # it is on the ledger all the same

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("said", "asker", "dimensions"),
    [
        ({"purposes": ("HPAYMT",)}, TREAT, ("purpose",)),
        ({"practitioner": DR_DIAZ}, TREAT, ("person",)),
        ({}, Asker(purpose="HMARKT", practitioner=DR_CHO, role="clinician"), ("purpose",)),
        ({}, Asker(purpose="TREAT", practitioner=DR_CHO, role="pharmacist"), ("role",)),
        ({"role": "nurse"}, TREAT, ("role",)),
        ({"actions": ("read",)}, TREAT, ("action",)),
        ({"valid_from": day_of(NOW) + 2}, TREAT, ("validity",)),
    ],
)
def test_a_use_outside_one_dimension_is_refused_naming_it(
    tmp_path: Path, said: dict[str, Any], asker: Asker, dimensions: tuple[str, ...]
) -> None:
    async def story(world: World) -> None:
        await world.grant(**said)
        assert await refused(world, MEDICATIONS, asker) == dimensions

    tell(tmp_path, story)


def test_another_organisation_is_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant(deliver=(), grantee=HILLTOP)
        await world.deliver(LAKEVIEW, world.package(None))  # a handle, and no consent
        assert await refused(world) == ("grantee",)

    tell(tmp_path, story)


def test_a_revoked_grant_is_refused_in_the_next_block(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant()
        assert (await read(world)).resources
        await world.revoke(package)
        assert await refused(world) == ("status",)

    tell(tmp_path, story)


def test_terms_nobody_holds_mean_no(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant(ONLY_MEDICATIONS, deliver=())
        await world.deliver(LAKEVIEW, world.package(None))
        assert await refused(world) == ("terms",)

    tell(tmp_path, story)


def test_a_custodian_that_lacks_the_terms_takes_those_the_grantee_presents(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant(ONLY_MEDICATIONS, deliver=(LAKEVIEW,))
        got = await read(world, EVERYTHING)
        assert {one.type for one in got.resources} == {"MedicationRequest"}

    tell(tmp_path, story)


def test_a_type_outside_the_terms_is_refused_whatever_there_is(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant(ONLY_MEDICATIONS)
        assert await refused(world, Query(type="DocumentReference", id="n1")) == ("terms",)
        assert await refused(world, Query(type="DocumentReference", id="nothing")) == ("terms",)
        withheld = await read(world, Query(type="MedicationRequest", id="nothing"))
        assert (withheld.resources, withheld.notice[:4]) == ((), "This")

    tell(tmp_path, story)


def test_several_grants_are_asked_for_one_by_one_and_answered_together(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant(ONLY_MEDICATIONS)
        await world.grant(Terms(base=Provision(effect="permit", types=("Observation",))))
        got = await read(world, EVERYTHING)
        assert sorted(one.type for one in got.resources) == [
            "MedicationRequest",
            "MedicationRequest",
            "Observation",
        ]

    tell(tmp_path, story)


# --- sessions --------------------------------------------------------------------------------


def test_a_session_answers_follow_ups_and_anchors_them(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        await read(world)
        await read(world)
        await read(world, Query(type="Observation"))
        await world.riverside.journal.flush()
        first, *reads = world.riverside.log.entries(ANA)
        assert first.outcome == "released"
        assert [line.outcome for line in reads] == ["read"] * len(reads)
        assert sum(line.reads for line in reads) == 2
        (one, other) = world.riverside.journal.reads_of(ANA)
        assert {name.id for name in one.records} == {"m1", "m2"}
        assert {name.id for name in other.records} == {"o1"}

    tell(tmp_path, story)


def test_a_session_ends_with_the_consent_it_stands_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant()
        other = await world.grant(ONLY_MEDICATIONS)
        await read(world)
        await world.revoke(package)
        got = await read(world)  # on the other grant, in another session
        assert {one.type for one in got.resources} == {"MedicationRequest"}
        await world.revoke(other)
        assert await refused(world) == ("status",)

    tell(tmp_path, story)


def test_a_session_ends_by_itself(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        await read(world)
        await world.pass_time(901)
        await read(world)
        lines = world.riverside.log.entries(ANA)
        assert [line.outcome for line in lines] == ["released", "released"]
        assert [line.number for line in lines] == [1, 2]

    tell(tmp_path, story)


# --- what nobody gets away with ----------------------------------------------------------------


def test_a_replayed_request_is_rejected(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        await read(world)
        _, message, _ = world.letters[-1]
        ask = decode(open_own(world.riverside.organisation, ASK, message, 10**6), Ask)
        again = await world.riverside.custodian.receive(message)
        binding = Binding(chain=world.id, channel=ANSWER, receiver=LAKEVIEW, context=ask.salt)
        (head,) = split_parts(open_from(sealing(LAKEVIEW), binding, again))
        said = decode_answer(head)
        assert isinstance(said, Rejected)
        assert said.code == RequestAnswered.code
        assert len(world.riverside.log.entries(ANA)) == 1

    tell(tmp_path, story)


def test_an_answer_opens_only_for_whoever_asked(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        await read(world)
        _, message, sealed = world.letters[-1]
        for blob in (message, sealed):
            assert b"Zolpidemex" not in blob
            assert ANA.encode() not in blob
        binding = Binding(chain=world.id, channel=ANSWER, receiver=LAKEVIEW)
        with pytest.raises(Tampered):  # the key alone is not enough: the salt was in the ask
            open_from(sealing(LAKEVIEW), binding, sealed)

    tell(tmp_path, story)


def test_what_is_asked_cannot_be_widened_on_the_way(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        await read(world)
        ask = decode(open_own(world.riverside.organisation, ASK, world.letters[-1][1], 10**6), Ask)
        for changed in (replace(ask, query=EVERYTHING), replace(ask, reply_to=bytes(31) + b"\x09")):
            public = public_sealing_key(sealing(RIVERSIDE))
            sealed = seal(public, world.id, ASK, RIVERSIDE, encode(changed))
            with pytest.raises(Malformed):
                await world.riverside.custodian.receive(sealed)

    tell(tmp_path, story)


def _other_bytes(one: Sourced) -> tuple[bytes, bytes]:
    proof, data = _parts(one)
    return proof, data.replace(b"Zolpidemex", b"Zolpidemax")


def _other_path(one: Sourced) -> tuple[bytes, bytes]:
    proof, data = _parts(one)
    released = decode(proof, ReleasedRecord)
    path = (bytes(32), *released.opening.path[1:])
    return encode(replace(released, opening=replace(released.opening, path=path))), data


def _other_batch(one: Sourced) -> tuple[bytes, bytes]:
    """The proof is good in itself, but the ledger has no such batch."""
    proof, data = _parts(one)
    released = decode(proof, ReleasedRecord)
    batch = Batch.of([one.commitment])
    opening = replace(released.opening, root=batch.root, size=1, index=0, path=batch.path(0))
    return encode(replace(released, opening=opening)), data


def _other_version(one: Sourced) -> tuple[bytes, bytes]:
    proof, data = _parts(one)
    released = decode(proof, ReleasedRecord)
    name = replace(released.opening.name, version=7)
    return encode(replace(released, opening=replace(released.opening, name=name))), data


_parts = Sourced.parts


@pytest.mark.parametrize("forge", [_other_bytes, _other_path, _other_batch, _other_version])
def test_a_tampered_resource_or_proof_is_detected(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    forge: Callable[[Sourced], tuple[bytes, bytes]],
) -> None:
    async def story(world: World) -> None:
        await world.grant()
        monkeypatch.setattr(release.Sourced, "parts", forge)
        with pytest.raises(NotVerified):
            await read(world)
        assert await world.lakeview.acknowledgements.send() == 0
        assert world.lakeview.acknowledgements.outstanding()  # and so it stands unacknowledged

    tell(tmp_path, story)


def test_a_resource_left_out_of_the_answer_shows_in_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        await world.grant()
        whole = release.parts_of
        monkeypatch.setattr(answer, "parts_of", lambda *given: whole(*given)[:-2])
        with pytest.raises(NotVerified):
            await read(world)

    tell(tmp_path, story)


def test_a_byte_flipped_on_the_way_is_detected(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        world.tamper = lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1])
        with pytest.raises(NotVerified):
            await read(world)

    tell(tmp_path, story)


def test_a_custodian_cannot_disclose_without_a_request(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant()
        organisation = world.riverside.organisation
        asked = AccessRequest(
            custodian=RIVERSIDE, account=ANA, requester=LAKEVIEW, purpose="TREAT", actions=("read",)
        )
        invented = sign_request(key("riverside"), organisation.claims("request"), asked)
        command = DiscloseRecords(
            account=ANA,
            request=invented,
            basis=GrantBasis(consent_id=package.consent_id),
            manifest=bytes(32),
            session=bytes(16),
        )
        with pytest.raises(CommandRefused) as error:
            await organisation.submit("records", command)
        assert error.value.code == RequestNotGenuine.code

    tell(tmp_path, story)


def test_a_custodian_cannot_overstate_what_was_allowed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant(purposes=("HPAYMT",))
        lakeview, riverside = world.lakeview.organisation, world.riverside.organisation
        asked = AccessRequest(
            custodian=RIVERSIDE, account=ANA, requester=LAKEVIEW, purpose="TREAT", actions=("read",)
        )
        command = DiscloseRecords(
            account=ANA,
            request=sign_request(lakeview.key, lakeview.claims("request"), asked),
            basis=GrantBasis(consent_id=package.consent_id),
            manifest=bytes(32),
            session=bytes(16),
        )
        with pytest.raises(CommandRefused) as error:
            await riverside.submit("records", command)
        assert error.value.code == BasisFails.code

    tell(tmp_path, story)


def test_whoever_is_refused_too_often_has_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        monkeypatch.setattr(patience, "REFUSALS", 2)
        package = await world.grant(purposes=("HPAYMT",))
        for _ in range(2):
            await refused(world)
        with pytest.raises(RequestRejected) as error:
            await read(world)
        assert error.value.code == OverBudget.code
        assert len(world.riverside.log.entries(ANA)) == 2
        await world.revoke(package)
        await world.pass_time(61)
        assert await refused(world) == ("purpose", "status")

    tell(tmp_path, story)


def test_nothing_is_decided_on_an_old_block(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        world.offset += 31  # and no block carries the new time yet
        with pytest.raises(Stale):
            await read(world)

    tell(tmp_path, story)


def test_whom_the_ledger_does_not_know_nobody_asks(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with pytest.raises(UnknownReceiver):
            await world.lakeview.requester.read(ANA_LOCAL, MemberId("atlantis"), MEDICATIONS, TREAT)
        with pytest.raises(Unavailable):  # a member whose gateway is silent
            await world.lakeview.requester.read(ANA_LOCAL, HILLTOP, MEDICATIONS, TREAT)

    tell(tmp_path, story)
