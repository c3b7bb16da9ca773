"""A result whose bytes stay in the hospital's own server: committed to, indexed, and watched."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from careledger.fhir.canonical import canonical
from careledger.fhir.index import Facts
from careledger.ledger.commitment import Batch
from careledger.ledger.record import TransactionId
from careledger.vault.bodies import Body
from careledger.vault.commitments import CommittedBatch
from careledger.vault.errors import Tampered, WrongBody, WrongFacts
from careledger.vault.index import encode_facts
from careledger.vault.objects import PatientRef
from careledger.vault.vault import Vault

from . import world
from .world import ANA, ANA_MRN, NOW, anything, arrival, deletion, observation, own

STORES = world.BOTH

DATA = canonical(observation("x"))
NEWER = canonical(observation("x", value="9.9"))


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with world.vault(tmp_path) as vault:
        yield vault


@pytest.fixture
def ana(vault: Vault) -> PatientRef:
    ana = vault.register(ANA_MRN, ANA)
    vault.put([replace(arrival(ana, DATA), elsewhere=True)], NOW)
    return ana


@pytest.mark.usefixtures("ana")
def test_bytes_that_are_elsewhere_are_committed_to_and_not_kept(vault: Vault) -> None:
    opened = vault.open(own(ANA), "Observation", "x", at=NOW)
    assert opened is not None
    assert (opened.data, opened.elsewhere, opened.deleted) == (b"", True, False)
    assert opened.facts == world.facts_of(DATA)
    (entry,) = vault.search(own(ANA), anything, NOW)
    assert entry.elsewhere
    assert vault.commitment_matches(opened, DATA)
    assert not vault.commitment_matches(opened, DATA + b" ")
    assert not vault.commitment_matches(opened, b"")
    assert vault.check() == []
    ((kept,),) = vault._data.read("SELECT length(sealed) FROM objects")
    assert kept == 73 + len(encode_facts(opened.facts))


@pytest.mark.usefixtures("ana")
def test_its_proof_needs_the_bytes(vault: Vault) -> None:
    pending = [one.commitment for one in vault.unbatched()]
    tree = Batch.of(pending)
    batch = CommittedBatch(0, tree.root, tree.size, TransactionId(b"t" * 32))
    vault.batch_committed(batch, pending)
    opened = vault.open(own(ANA), "Observation", "x", at=NOW)
    assert opened is not None
    proof = vault.opening(msgspec.structs.replace(opened, data=DATA))
    assert proof is not None
    assert proof[0] == batch
    with pytest.raises(Tampered):
        vault.opening(opened)
    with pytest.raises(Tampered):
        vault.opening(msgspec.structs.replace(opened, data=NEWER))


def test_bytes_move_in_and_out_without_a_new_version(vault: Vault, ana: PatientRef) -> None:
    vault.put([replace(arrival(ana, NEWER), elsewhere=True)], NOW + 1)
    newer = Body("Observation", "x", 2, NEWER)
    older = Body("Observation", "x", 1, DATA)
    before = vault.unbatched()
    assert vault.bring_here([older, newer]) == 2
    assert vault.bring_here([older, newer]) == 0
    for body in (older, newer):
        opened = vault.open(own(ANA), "Observation", "x", body.version, at=NOW)
        assert opened is not None
        assert (opened.data, opened.elsewhere) == (body.data, False)
    (entry,) = vault.search(own(ANA), anything, NOW)
    assert (entry.version, entry.elsewhere, entry.stored) == (2, False, NOW + 1)
    assert vault.check() == []
    assert vault.send_away([newer]) == 1
    (entry,) = vault.search(own(ANA), anything, NOW)
    assert (entry.version, entry.elsewhere) == (2, True)
    assert vault.unbatched() == before
    vault._indexes.forget()
    assert vault.search(own(ANA), anything, NOW) == [entry]
    assert vault.check() == []


def test_other_bytes_than_those_committed_to_never_come_in(vault: Vault, ana: PatientRef) -> None:
    vault.put([arrival(ana, observation("y"))], NOW)
    good = Body("Observation", "y", 1, observation("y"))
    for bad in (
        Body("Observation", "x", 1, DATA + b" "),
        Body("Observation", "x", 2, DATA),
        Body("Observation", "absent", 1, DATA),
        Body("Observation", "x", 1, b""),
    ):
        with pytest.raises(WrongBody):
            vault.send_away([good, bad])
        with pytest.raises(WrongBody):
            vault.bring_here([bad])
    opened = vault.open(own(ANA), "Observation", "y", at=NOW)
    assert opened is not None
    assert opened.data == good.data


def test_a_deletion_is_here(vault: Vault, ana: PatientRef) -> None:
    with pytest.raises(WrongFacts):
        vault.put([replace(deletion(ana, "Observation", "x"), elsewhere=True)], NOW)
    vault.put([deletion(ana, "Observation", "x")], NOW)
    opened = vault.open(own(ANA), "Observation", "x", at=NOW)
    assert opened is not None
    assert (opened.deleted, opened.elsewhere) == (True, False)


def test_reindexing_leaves_facts_of_bytes_elsewhere_alone(vault: Vault, ana: PatientRef) -> None:
    vault.put([arrival(ana, observation("y"))], NOW)
    before = vault.search(own(ANA), anything, NOW)
    seen = list[bytes]()

    def extract(data: bytes) -> Facts:
        seen.append(data)
        return world.facts_of(data)

    assert vault.reindex(ana, extract) == 2
    assert seen == [observation("y")]
    assert vault.search(own(ANA), anything, NOW) == before
    assert vault.check() == []
