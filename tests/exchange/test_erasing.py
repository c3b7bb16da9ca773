"""Ana is erased at Riverside: on the ledger first, then everywhere, and beyond any backup."""

from pathlib import Path

import pytest

from careledger.apps.records.commands import PlaceLegalHold, RecordsShredded
from careledger.exchange.erasing import recorded_shreds
from careledger.exchange.errors import CommandRefused, ExchangeError
from careledger.ledger.record import decode_trusted, encode
from careledger.mechanisms.terms import Provision, Terms
from careledger.vault.files import VaultFiles, restore
from tests.exchange.world import (
    ANA,
    ANA_LOCAL,
    LAKEVIEW,
    MEDICATIONS,
    RIVERSIDE,
    TREAT,
    World,
    tell,
)

TERMS = Terms(base=Provision(effect="permit", types=("MedicationRequest",)))


async def reads(world: World) -> int:
    """How many medications Dr Cho gets to see."""
    records = await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, MEDICATIONS, TREAT)
    return len(records.resources)


def test_an_erased_patient_is_gone_and_the_ledger_says_so(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant(TERMS)
        assert await reads(world) == 2
        erased = await world.riverside.erasure.shred(ANA)
        assert await reads(world) == 0  # her grant still holds, and there is nothing to open
        receipt = await world.riverside.organisation.until_here(erased.transaction)
        [event] = [decode_trusted(one.event, RecordsShredded) for one in receipt.events]
        assert event.account == ANA
        assert event.certificate == erased.certificate.digest()
        assert world.riverside.organisation.vault.is_shredded(ANA)

    tell(tmp_path, story)


def test_a_legal_hold_forbids_it_and_nothing_is_lost(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant(TERMS)
        await world.submit(RIVERSIDE, "records", PlaceLegalHold(account=ANA, hold=bytes(16)))
        with pytest.raises(CommandRefused):
            await world.riverside.erasure.shred(ANA)
        assert not world.riverside.organisation.vault.is_shredded(ANA)
        assert await reads(world) == 2

    tell(tmp_path, story)


def test_what_a_crash_left_undone_is_done_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        erasure = world.riverside.erasure
        with monkeypatch.context() as patched:
            patched.setattr(erasure, "_do", lambda _: (_ for _ in ()).throw(ExchangeError("crash")))
            with pytest.raises(ExchangeError):
                await erasure.shred(ANA)
        assert not world.riverside.organisation.vault.is_shredded(ANA)
        assert erasure.catch_up() == [ANA]
        assert world.riverside.organisation.vault.is_shredded(ANA)
        assert erasure.catch_up() == []

    tell(tmp_path, story)


def test_a_backup_from_before_does_not_bring_the_patient_back(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        vault = world.riverside.organisation.vault
        backup = VaultFiles(tmp_path / "data.backup", tmp_path / "keys.backup")
        vault.backup_data(backup.data)
        vault.backup_keys(backup.keys)
        await world.riverside.erasure.shred(ANA)
        with world.view() as committed:
            shredded = list(recorded_shreds(committed, RIVERSIDE))
            assert list(recorded_shreds(committed, LAKEVIEW)) == []
        assert [one.account for one in shredded] == [ANA]
        keystore = world.riverside.organisation.keystore
        place = tmp_path / "restored"
        place.mkdir()
        restore(VaultFiles.under(place), backup, keystore, RIVERSIDE, shredded)
        for path in place.iterdir():
            assert b"Zolpidemex" not in path.read_bytes()

    tell(tmp_path, story)


def test_certificates_do_not_repeat(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        one = await world.riverside.erasure.shred(ANA)
        again = await world.riverside.erasure.shred(ANA)
        assert encode(one.certificate) != encode(again.certificate)

    tell(tmp_path, story)
