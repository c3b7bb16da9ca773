"""Reads that rest on no grant: the patient's own, an emergency, and the custodian's own people."""

from pathlib import Path
from typing import Any

import pytest

from careledger.exchange.asker import Asker
from careledger.exchange.errors import AccessRefused
from careledger.exchange.organisation import claims
from careledger.exchange.wire import seal, sealing_key_of
from careledger.ledger.commitment import verify_opening
from careledger.ledger.errors import Malformed
from careledger.ledger.record import AccountId, decode, encode
from careledger.ledger.state import View
from careledger.mechanisms.emergency import Emergency, sign_emergency
from careledger.mechanisms.messages import (
    ANSWER,
    ASK,
    Ask,
    Query,
    Refused,
    Released,
    ReleasedRecord,
    asked,
    decode_answer,
    split_parts,
)
from careledger.mechanisms.request import AccessRequest, sign_request
from careledger.mechanisms.terms import Provision, Terms
from careledger.vault.sealing import Binding, new_sealing_key, open_from
from tests.exchange.reading import read, search
from tests.exchange.world import (
    ANA,
    ANA_LOCAL,
    ANA_MRN,
    BEN,
    BEN_MRN,
    DR_CHO,
    DR_DIAZ,
    DR_FINN,
    EVERYTHING,
    MEDICATIONS,
    NOW,
    RIVERSIDE,
    TREAT,
    World,
    key,
    tell,
)

OWN = Asker(purpose="TREAT", practitioner=DR_FINN, role="clinician")


async def own_ask(world: World, signer: AccountId, account: AccountId = ANA) -> list[bytes]:
    """What a wallet does: the parts of the answer."""
    private, public = new_sealing_key()
    salt = bytes(range(32))
    request = AccessRequest(
        custodian=RIVERSIDE,
        account=account,
        requester=RIVERSIDE,
        purpose="PATRQT",
        actions=("export",),
        query=asked(salt, EVERYTHING, public),
    )
    said = claims(signer, "request", world.id, world.clock())
    ask = Ask(
        request=sign_request(key(signer), said, request),
        query=EVERYTHING,
        salt=salt,
        reply_to=public,
    )
    with world.view() as committed:
        to = sealing_key_of(View(committed), RIVERSIDE)
    sealed = await world.riverside.custodian.receive(
        seal(to, world.id, ASK, RIVERSIDE, encode(ask))
    )
    binding = Binding(chain=world.id, channel=ANSWER, receiver=signer, context=salt)
    return split_parts(open_from(private, binding, sealed))


def test_the_patient_reads_her_whole_record_with_proofs(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        head, *parts = await own_ask(world, ANA)
        said = decode_answer(head)
        assert isinstance(said, Released)
        assert said.basis == "own-access"
        for proof, data in zip(parts[::2], parts[1::2], strict=True):
            verify_opening(decode(proof, ReleasedRecord).opening, data)
        assert len(parts) == 10
        (line,) = world.riverside.log.entries(ANA)
        assert (line.receiver, line.receiver_name) == (ANA, "you")

    tell(tmp_path, story)


def test_nobody_else_reads_it_as_hers(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.enrol(RIVERSIDE, BEN, BEN_MRN)
        with pytest.raises(Malformed, match="not signed"):
            await own_ask(world, BEN)
        (head,) = await own_ask(world, BEN, BEN)
        assert isinstance(decode_answer(head), Released)  # Ben's own, which is empty

    tell(tmp_path, story)


def emergency(world: World, **changed: Any) -> bytes:
    said: dict[str, Any] = {
        "custodian": RIVERSIDE,
        "account": ANA,
        "reason": "unconscious",
        "until": world.clock() + 3_600,
    }
    signer = changed.pop("signer", DR_CHO)
    by = claims(signer, "emergency", world.id, world.clock())
    return sign_emergency(key(signer), by, Emergency(**(said | changed)))


BREAK_GLASS = Asker(purpose="ETREAT", practitioner=DR_CHO, role="clinician")


def test_break_glass_opens_without_consent_and_stands_in_the_log(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.deny()
        statement = emergency(world)
        for _ in range(2):
            got = await world.lakeview.requester.read(
                ANA_LOCAL, RIVERSIDE, EVERYTHING, BREAK_GLASS, emergency=statement
            )
            assert (got.basis, len(got.resources)) == ("break-glass", 5)
        (line,) = world.riverside.log.entries(ANA)
        assert (line.basis, line.practitioner) == ("break-glass", DR_CHO)
        await world.pass_time(3_601)
        with pytest.raises(AccessRefused) as error:
            await world.lakeview.requester.read(
                ANA_LOCAL, RIVERSIDE, EVERYTHING, BREAK_GLASS, emergency=statement
            )
        assert error.value.dimensions == ("validity",)

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("changed", "asker", "dimensions"),
    [
        ({}, TREAT, ("purpose",)),
        ({"signer": DR_DIAZ}, BREAK_GLASS, ("person",)),
        ({"until": NOW + 90_000}, BREAK_GLASS, ("consent",)),
    ],
)
def test_break_glass_for_something_else_is_refused(
    tmp_path: Path, changed: dict[str, Any], asker: Asker, dimensions: tuple[str, ...]
) -> None:
    async def story(world: World) -> None:
        with pytest.raises(AccessRefused) as error:
            await world.lakeview.requester.read(
                ANA_LOCAL, RIVERSIDE, EVERYTHING, asker, emergency=emergency(world, **changed)
            )
        assert error.value.dimensions == dimensions

    tell(tmp_path, story)


def test_own_people_read_for_treatment_and_it_is_anchored(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        riverside = world.riverside
        assert len(search(riverside, OWN, ANA_MRN, MEDICATIONS)) == 2
        opened = read(riverside, OWN, "Observation", "o1")
        assert opened is not None
        assert opened.version == 1
        assert read(riverside, OWN, "Observation", "nothing") is None
        selling = Asker(purpose="HMARKT", practitioner=DR_FINN)
        assert search(riverside, selling, ANA_MRN, MEDICATIONS) == []
        nobody_of_ours = Asker(purpose="TREAT", practitioner=DR_CHO)
        assert search(riverside, nobody_of_ours, ANA_MRN, MEDICATIONS) == []
        assert await world.riverside.journal.flush() == 2
        assert await world.riverside.journal.flush() == 0
        assert [one.practitioner for one in world.riverside.journal.reads_of(ANA)] == [DR_FINN] * 2

    tell(tmp_path, story)


def test_a_denial_that_names_the_custodian_stops_its_own_people(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        riverside = world.riverside
        await world.deny()  # to anyone: that is anyone else
        assert search(riverside, OWN, ANA_MRN, MEDICATIONS)
        await world.deny(grantee=RIVERSIDE, purposes=("HOPERAT",))
        assert search(riverside, OWN, ANA_MRN, MEDICATIONS)
        await world.deny(grantee=RIVERSIDE)
        assert read(riverside, OWN, "MedicationRequest", "m1") is None

    tell(tmp_path, story)


def test_a_denial_with_terms_withholds_what_they_say_and_all_while_they_lack(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        riverside = world.riverside
        terms = Terms(base=Provision(effect="deny", types=("DocumentReference",)))
        package = world.package(terms, grantee=RIVERSIDE, grantee_account=None)
        await world.deny(
            grantee=RIVERSIDE, consent_id=package.consent_id, terms=package.commitment()
        )
        assert search(riverside, OWN, ANA_MRN, EVERYTHING) == []
        await world.deliver(RIVERSIDE, package)
        found = search(riverside, OWN, ANA_MRN, EVERYTHING)
        assert {one.type for one in found} == {"Patient", "MedicationRequest", "Observation"}
        assert read(riverside, OWN, "DocumentReference", "n1") is None

    tell(tmp_path, story)


def test_a_refused_ask_says_no_more_than_the_ledger(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.deny()
        query = Query(type="Observation", id="o1")
        await world.deliver("lakeview", world.package(None))
        with pytest.raises(AccessRefused) as error:
            await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, query, TREAT)
        assert error.value.dimensions == ("denial",)
        assert Refused.__struct_fields__ == ("dimensions", "number", "notice")

    tell(tmp_path, story)
