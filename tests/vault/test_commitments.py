"""Every version is committed to, batches are recorded, and each record proves its place in one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.commitment import Batch, Opening, commit, verify_opening
from careledger.ledger.errors import ProofError
from careledger.ledger.merkle import leaf_hash, verify_inclusion
from careledger.ledger.record import Digest, TransactionId, decode, encode
from careledger.vault.commitments import CommittedBatch, Leaf, Pending
from careledger.vault.errors import NotOurBatch, Spoilt
from careledger.vault.rows import Step
from careledger.vault.vault import Vault

from . import world
from .world import ANA, ANA_MRN, NOW, arrival, observation, own

STORES = world.BOTH


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with world.vault(tmp_path) as vault:
        yield vault


def put(vault: Vault, count: int, start: int = 0) -> None:
    ana = vault.register(ANA_MRN, ANA)
    arrivals = [arrival(ana, observation(f"o{start + number}")) for number in range(count)]
    vault.put(arrivals, NOW)


def batch(number: int, pending: list[Pending]) -> tuple[CommittedBatch, list[Digest]]:
    commitments = [one.commitment for one in pending]
    tree = Batch.of(commitments)
    committed = CommittedBatch(number, tree.root, tree.size, TransactionId(bytes([number] * 32)))
    return committed, commitments


def opening(vault: Vault, id_: str) -> tuple[CommittedBatch, Opening, bytes] | None:
    opened = vault.open(own(ANA), "Observation", id_, at=NOW)
    assert opened is not None
    found = vault.opening(opened)
    return None if found is None else (*found, opened.data)


def test_what_opens_no_more_leaves_its_commitment(vault: Vault) -> None:
    put(vault, 3)
    pending = vault.unbatched()
    ((seq, sealed),) = vault._data.read("SELECT seq, sealed FROM objects ORDER BY seq LIMIT 1")
    flipped = bytes([*sealed[:-1], sealed[-1] ^ 1])
    vault._data.write([Step("UPDATE objects SET sealed = ? WHERE seq = ?", [(flipped, seq)])])

    def spoilt() -> Leaf | None:
        with pytest.raises(Spoilt) as caught:
            vault.open(own(ANA), "Observation", "o0", at=NOW)
        return caught.value.leaf

    assert spoilt() is None, "nothing on the ledger speaks of it yet"
    committed, commitments = batch(1, pending)
    vault.batch_committed(committed, commitments)
    leaf = spoilt()
    assert leaf is not None
    assert (leaf.commitment, leaf.batch, leaf.index) == (pending[0].commitment, committed, 0)
    verify_inclusion(leaf_hash(leaf.commitment), 0, 3, leaf.path, committed.root)
    assert vault.open(own(ANA), "Observation", "o1", at=NOW) is not None


def test_a_record_proves_its_place_in_its_batch(vault: Vault) -> None:
    put(vault, 9)
    vault.put([arrival(None, world.practitioner("cho"))], NOW)
    assert opening(vault, "o3") is None
    first, commitments = batch(1, vault.unbatched(limit=4))
    vault.batch_committed(first, commitments)
    vault.batch_committed(*batch(2, vault.unbatched()))
    for number in range(9):
        found = opening(vault, f"o{number}")
        assert found is not None
        committed, proof, data = found
        assert committed.number == (1 if number < 4 else 2)
        verify_opening(decode(encode(proof), Opening), data)
        with pytest.raises(ProofError):
            verify_opening(proof, data + b" ")
    entry = vault.open_directory("Practitioner", "cho")
    assert entry is not None
    found_entry = vault.opening(entry)
    assert found_entry is not None
    verify_opening(decode(encode(found_entry[1]), Opening), entry.data)
    assert vault.unbatched() == []


def test_the_commitment_is_the_ledgers_own(vault: Vault) -> None:
    put(vault, 1)
    opened = vault.open(own(ANA), "Observation", "o0", at=NOW)
    assert opened is not None
    (pending,) = vault.unbatched()
    vault.batch_committed(*batch(7, [pending]))
    found = vault.opening(opened)
    assert found is not None
    assert pending.commitment == commit(found[1].name, opened.salt, opened.data)


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=8))
def test_batches_in_any_order_leave_exactly_the_rest_pending(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, bool]]
) -> None:
    directory = tmp_path_factory.mktemp("vault")
    with world.vault(directory) as vault:
        put(vault, 30)
        every = vault.unbatched()
        done, after = set[int](), -1
        for number, (size, committed) in enumerate(cuts):
            run = vault.unbatched(limit=size, after=after)
            after = run[-1].seq if run else after
            if run and committed:
                vault.batch_committed(*batch(number, run))
                done |= {one.seq for one in run}
    with world.vault(directory) as vault:
        left, found = list[Pending](), vault.unbatched(limit=100)
        while found:
            left += found
            found = vault.unbatched(limit=100, after=left[-1].seq)
        assert left == [one for one in every if one.seq not in done]


def test_recording_a_batch_twice_changes_nothing(vault: Vault) -> None:
    put(vault, 3)
    committed = batch(1, vault.unbatched())
    vault.batch_committed(*committed)
    vault.batch_committed(*committed)
    put(vault, 2, start=3)
    assert len(vault.unbatched()) == 2


def test_a_batch_that_is_not_ours_is_refused(vault: Vault) -> None:
    put(vault, 4)
    first, commitments = batch(1, vault.unbatched(limit=2))
    rest = [one.commitment for one in vault.unbatched(after=1)]
    wrong: tuple[tuple[CommittedBatch, list[Digest]], ...] = (
        (first, rest),
        (first, []),
        batch(1, [Pending(0, Digest(b"?" * 32))]),
        batch(1, [vault.unbatched()[0], vault.unbatched()[2]]),
    )
    for committed, listed in wrong:
        with pytest.raises(NotOurBatch):
            vault.batch_committed(committed, listed)
    vault.batch_committed(first, commitments)
    with pytest.raises(NotOurBatch):
        vault.batch_committed(CommittedBatch(2, first.root, 2, first.transaction), commitments)
    assert [one.commitment for one in vault.unbatched()] == rest


def test_commitments_outlive_the_patient(vault: Vault) -> None:
    put(vault, 3)
    pending = vault.unbatched()
    vault.shred(world.evidence(ANA))
    assert vault.unbatched() == pending
    vault.batch_committed(*batch(1, pending))
    vault.register("MRN-2", world.BEN)
    vault.put([arrival(vault.patient("MRN-2"), observation("next"))], NOW)
    assert [one.seq for one in vault.unbatched()] == [3]
