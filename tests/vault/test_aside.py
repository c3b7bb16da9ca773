"""What lies beside the vault opens for its patient and place, until the patient is erased."""

from pathlib import Path

import pytest

from careledger.vault.errors import NotRegistered, Tampered
from careledger.vault.objects import DIRECTORY, PatientRef

from . import world
from .world import ANA, ANA_MRN, BEN, BEN_MRN, evidence

STORES = world.BOTH
PLACE = b"export 7, file 1"


def test_it_opens_for_its_patient_and_place_alone(tmp_path: Path) -> None:
    with world.vault(tmp_path) as vault:
        ana, ben = vault.register(ANA_MRN, ANA), vault.register(BEN_MRN, BEN)
        sealed = vault.aside.seal(ana, b"Ana has a cat", PLACE)
        assert b"cat" not in sealed
        assert vault.aside.seal(ana, b"Ana has a cat", PLACE) != sealed
        for patient, place, what in (
            (ben, PLACE, sealed),
            (DIRECTORY, PLACE, sealed),
            (ana, PLACE + b"2", sealed),
            (ana, PLACE, sealed[:-1] + bytes([sealed[-1] ^ 1])),
            (ana, PLACE, b""),
        ):
            with pytest.raises(Tampered):
                vault.aside.open(patient, what, place)
    with world.vault(tmp_path) as vault:
        assert vault.aside.open(ana, sealed, PLACE) == b"Ana has a cat"
        nobodys = vault.aside.seal(DIRECTORY, b"the lab", PLACE)
        assert vault.aside.open(DIRECTORY, nobodys, PLACE) == b"the lab"
        with pytest.raises(NotRegistered):
            vault.aside.seal(PatientRef(b"x" * 16), b"", PLACE)


def test_it_dies_with_the_patients_key(tmp_path: Path) -> None:
    with world.vault(tmp_path) as vault:
        ana = vault.register(ANA_MRN, ANA)
        sealed = vault.aside.seal(ana, b"Ana has a cat", PLACE)
        vault.shred(evidence(ANA))
        with pytest.raises(NotRegistered):
            vault.aside.open(ana, sealed, PLACE)
    with world.vault(tmp_path) as vault, pytest.raises(NotRegistered):
        vault.aside.open(ana, sealed, PLACE)
