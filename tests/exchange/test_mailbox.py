"""Ana sends the terms of her consents to whom they concern."""

from pathlib import Path
from typing import Any

import pytest

from careledger.exchange.errors import AccessRefused, DeliveryRefused
from careledger.ledger.errors import Malformed
from careledger.ledger.record import MemberId, digest, encode
from careledger.ledger.state import View
from careledger.mechanisms.delivery import verify_acknowledgement
from careledger.mechanisms.terms import Provision, Terms
from careledger.vault.errors import Tampered
from tests.exchange.world import (
    ANA,
    ANA_AT_LAKEVIEW,
    ANA_LOCAL,
    BEN,
    LAKEVIEW,
    MEDICATIONS,
    RIVERSIDE,
    TREAT,
    World,
    tell,
)

TERMS = Terms(base=Provision(effect="permit", types=("MedicationRequest",)))


def mailboxes(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("mailbox.sqlite*")]


def standing(world: World, package: Any, acknowledgement: bytes) -> str:
    with world.view() as committed:
        said = verify_acknowledgement(
            acknowledgement, package, View(committed), world.id, world.clock()
        )
    return said.standing


def test_a_delivery_is_acknowledged_by_signature(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant(TERMS, deliver=())
        for member in (RIVERSIDE, LAKEVIEW):
            said = await world.deliver(member, package)
            assert standing(world, package, said) == "delivered"
            with pytest.raises(Malformed):
                standing(world, world.package(TERMS), said)
        assert world.lakeview.mailbox.grants_for(ANA_AT_LAKEVIEW, RIVERSIDE) == [package]

    tell(tmp_path, story)


def test_terms_may_come_before_their_consent(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        early = world.package(TERMS)
        acknowledgement = await world.deliver(RIVERSIDE, early)
        assert standing(world, early, acknowledgement) == "waiting"
        await world.deliver(LAKEVIEW, early)
        assert world.riverside.mailbox.settle() == 1
        await world.grant(package=early, deliver=())
        assert world.riverside.mailbox.settle() == 0
        got = await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, MEDICATIONS, TREAT)
        assert len(got.resources) == 2

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("changed", "signers", "member"),
    [
        ({}, (ANA,), RIVERSIDE),  # the grantee's account has not signed
        ({}, (ANA_AT_LAKEVIEW,), LAKEVIEW),  # nor has the custodian's
        ({}, (ANA, ANA), LAKEVIEW),
        ({}, (), LAKEVIEW),
        ({"grantee_account": BEN}, (ANA, BEN), LAKEVIEW),  # whom Lakeview did not enrol
        ({"grantee": MemberId("hilltop"), "grantee_account": None}, (ANA,), LAKEVIEW),
        ({"custodian_account": ANA_AT_LAKEVIEW}, (ANA_AT_LAKEVIEW,), LAKEVIEW),
    ],
)
def test_terms_that_not_every_account_signed_are_refused(
    tmp_path: Path, changed: dict[str, Any], signers: Any, member: str
) -> None:
    async def story(world: World) -> None:
        package = world.package(TERMS, **changed)
        with pytest.raises(DeliveryRefused):
            await world.deliver(member, package, signers)

    tell(tmp_path, story)


def test_terms_that_are_not_those_of_the_consent_are_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant(TERMS, deliver=())
        wider = Terms(base=Provision(effect="permit"))
        for forged in (
            world.package(wider, consent_id=package.consent_id),
            world.package(TERMS, consent_id=package.consent_id, salt=digest(b"another")),
            world.package(None, consent_id=package.consent_id),
        ):
            with pytest.raises(DeliveryRefused):
                await world.deliver(RIVERSIDE, forged)

    tell(tmp_path, story)


def test_a_delivery_opens_for_its_receiver_alone(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant(TERMS, deliver=())
        await world.deliver(RIVERSIDE, package)
        _, sealed, _ = world.letters[-1]
        for hidden in (ANA.encode(), ANA_AT_LAKEVIEW.encode(), encode(TERMS)):
            assert hidden not in sealed
        with pytest.raises(Tampered):
            await world.lakeview.mailbox.receive(sealed)
        with pytest.raises(Malformed):
            await world.riverside.mailbox.receive(bytes(2_000_000))

    tell(tmp_path, story)


def test_nothing_in_the_mailbox_file_says_whose_it_is(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant(TERMS)
        files = mailboxes(tmp_path)
        assert len(files) >= 2
        for hidden in (ANA.encode(), ANA_AT_LAKEVIEW.encode(), package.salt, package.consent_id):
            assert hidden is not None
            assert not any(hidden in file for file in files)

    tell(tmp_path, story)


def test_shredding_takes_the_terms_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        package = await world.grant(TERMS)
        assert world.riverside.mailbox.package(ANA, package.consent_id) is not None
        world.riverside.mailbox.shred(ANA)
        assert world.riverside.mailbox.package(ANA, package.consent_id) is None
        assert world.riverside.mailbox.terms_of(ANA)(package.consent_id) is None

    tell(tmp_path, story)


def test_a_grantee_uses_no_terms_that_its_own_patient_did_not_sign(tmp_path: Path) -> None:
    """Riverside might enrol a key of its own as "Ana" and consent for her."""

    async def story(world: World) -> None:
        package = await world.grant(TERMS, deliver=())
        alone = world.package(
            TERMS, consent_id=package.consent_id, salt=package.salt, grantee_account=None
        )
        await world.deliver(LAKEVIEW, alone)
        assert world.lakeview.mailbox.grants_for(ANA_AT_LAKEVIEW, RIVERSIDE) == []
        with pytest.raises(AccessRefused):
            await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, MEDICATIONS, TREAT)

    tell(tmp_path, story)
