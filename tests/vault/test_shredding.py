"""Once Ana's records are shredded nothing opens, and no byte of them or of their key is left."""

import base64
from pathlib import Path

import pytest

from careledger.fhir.search.values import Values, decode_values, encode_values
from careledger.ledger.record import AccountId
from careledger.vault.errors import AccountShredded, NotOurShred, NotRegistered
from careledger.vault.rows import Step

from . import world
from .world import (
    ALPINE,
    ANA,
    ANA_MRN,
    BAYVIEW,
    BEN,
    BEN_MRN,
    NOW,
    anything,
    arrival,
    evidence,
    observation,
    own,
)

STORES = world.BOTH


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    with world.vault(tmp_path) as vault:
        ana, ben = vault.register(ANA_MRN, ANA), vault.register(BEN_MRN, BEN)
        vault.put([arrival(ana, observation("a1c")), arrival(ben, observation("b1c"))], NOW)
        vault.put([arrival(ana, observation("a1c", value="6.9"))], NOW)
    return tmp_path


def remains(directory: Path) -> list[bytes]:
    """Everything of Ana's that is in the files, sealed or not."""
    with world.rows(directory) as (data, keys):
        ((ana,),) = data.read("SELECT patient FROM objects WHERE seq = 0")
        ((local, card),) = keys.read("SELECT local, card FROM patients WHERE patient = ?", [ana])
        ((wrapped,),) = keys.read("SELECT wrapped FROM keys WHERE owner = ?", [ana])
        sealed = [
            one for (one,) in data.read("SELECT sealed FROM objects WHERE patient = ?", [ana])
        ]
        sealed += [
            one for (one,) in data.read("SELECT sealed FROM segments WHERE patient = ?", [ana])
        ]
    return [local, card, wrapped, *sealed]


def test_nothing_opens_and_nothing_is_left(directory: Path) -> None:
    kept = remains(directory)
    before = world.everything_on_disk(directory)
    assert all(one in before for one in kept[1:3])
    with world.vault(directory) as vault:
        assert vault.open(own(ANA), "Observation", "a1c", at=NOW) is not None
        vault.shred(evidence(ANA))
        after = world.everything_on_disk(directory)
        assert [one for one in kept if one in after or one[13:45] in after] == []
        for version in (None, 1, 2):
            assert vault.open(own(ANA), "Observation", "a1c", version, at=NOW) is None
        assert vault.search(own(ANA), anything, NOW) == []
        assert vault.owner("Observation", "a1c") is None
        assert (vault.patient(ANA_MRN), vault.patient_of(ANA)) == (None, None)
        assert vault.is_shredded(ANA)
        assert vault.check() == []
    with world.vault(directory) as vault:
        assert vault.open(own(ANA), "Observation", "a1c", at=NOW) is None
        assert vault.open(own(BEN), "Observation", "b1c", at=NOW) is not None
        assert not vault.is_shredded(BEN)
        assert vault.check() == []


def test_a_shredded_account_does_not_come_back(directory: Path) -> None:
    with world.vault(directory) as vault:
        ana = vault.patient(ANA_MRN)
        vault.shred(evidence(ANA))
        vault.shred(evidence(ANA))
        with pytest.raises(AccountShredded):
            vault.register(ANA_MRN, ANA)
        with pytest.raises(NotRegistered):
            vault.put([arrival(ana, observation("late"))], NOW)
        again = vault.register(ANA_MRN, AccountId("@" + "c" * 26))
        vault.put([arrival(again, observation("a1c"))], NOW)


def test_an_account_unknown_here_gets_its_tombstone_too(directory: Path) -> None:
    stranger = world.account(99)
    with world.vault(directory) as vault:
        vault.shred(evidence(stranger))
        with pytest.raises(AccountShredded):
            vault.register("MRN-99", stranger)


def test_others_evidence_and_legal_hold_shred_nothing(directory: Path) -> None:
    with world.vault(directory) as vault:
        for wrong in (evidence(ANA, custodian=BAYVIEW), evidence(ANA, legal_hold=True)):
            with pytest.raises(NotOurShred):
                vault.shred(wrong)
        assert vault.custodian == ALPINE
        assert vault.open(own(ANA), "Observation", "a1c", at=NOW) is not None


def test_a_damaged_patient_can_still_be_shredded(directory: Path) -> None:
    with world.vault(directory) as vault:
        ana = vault.patient(ANA_MRN)
        vault._keys.write([Step("UPDATE patients SET card = ? WHERE patient = ?", [(b"?", ana)])])
        vault._patients.forget()
        vault.shred(evidence(ANA))
        assert vault.owner("Observation", "a1c") is None


def test_shredding_one_of_two_merged_patients_leaves_the_other(directory: Path) -> None:
    with world.vault(directory) as vault:
        ana, ben = vault.patient(ANA_MRN), vault.patient(BEN_MRN)
        assert ana is not None
        assert ben is not None
        vault.merge(ben, ana, NOW)
        vault.shred(evidence(ANA))
        assert vault.open(own(ANA), "Observation", "b1c", at=NOW) is None
        assert vault.open(own(BEN), "Observation", "b1c", at=NOW) is not None
        owner = vault.owner("Observation", "b1c")
        assert owner is not None
        assert owner.accounts == (BEN,)
        vault.unmerge(ben, NOW)


def test_no_token_of_a_patient_is_in_any_file(tmp_path: Path) -> None:
    """Names, ids and codes: raw, hex and base64 at each of the three alignments."""
    family, code, mrn, id_ = "Quisenberry-Oduya", "94500-6", "MRN-PLANTED-77", "obs-planted-77"
    with world.vault(tmp_path) as vault:
        ana = vault.register(mrn, ANA)
        patient = observation(id_, code, note=[{"text": f"{family} is well"}])
        vault.put([arrival(ana, patient), arrival(None, world.practitioner("planted-cho"))], NOW)
        for number in range(30):  # so that segments are joined as well
            vault.put([arrival(ana, observation(f"{id_}-{number}", code))], NOW)
        assert vault.search(own(ANA), anything, NOW)
        vault.merge(vault.register("MRN-PLANTED-78", BEN), ana, NOW)
        vault.backup_data(tmp_path / "data.backup")
        vault.backup_keys(tmp_path / "keys.backup")
        disk = world.everything_on_disk(tmp_path).lower()
        for token in (family, code, mrn, id_, ANA, "planted", "Observation", "loinc"):
            raw = token.encode()
            forms = [raw, raw.hex().encode()]
            forms += [base64.b64encode(b"\0" * shift + raw)[4:-4] for shift in range(3)]
            found = [form for form in forms if len(form) > 3 and form.lower() in disk]
            assert found == [], token


def test_memory_keeps_no_decoded_value_of_whoever_is_erased(directory: Path) -> None:
    with world.vault(directory) as vault:
        found = vault.open(own(ANA), "Observation", "a1c", at=NOW)
        assert found is not None
        decode_values(encode_values(Values(strings={"of": ("Ana",)})))
        assert decode_values.cache_info().currsize
        vault.shred(evidence(ANA))
        assert not decode_values.cache_info().currsize
