"""Record commitments and their batches."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from careledger.ledger.commitment import (
    Batch,
    RecordName,
    TransactionProof,
    commit,
    verify_events,
    verify_logged,
    verify_opening,
)
from careledger.ledger.entry import TransactionEntry
from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.merkle import leaf_hash, root
from careledger.ledger.record import Digest, decode, encode
from tests.example_log import (
    ANA,
    COMMITTED,
    GRANTED,
    NAMES,
    REFUSED,
    RESOURCES,
    SALTS,
    batch,
    example_log,
    opening,
)


def replaced(record: object, **fields: object) -> object:
    import msgspec

    return msgspec.structs.replace(record, **fields)  # type: ignore[type-var]  # any record


def test_a_commitment_is_the_hmac_that_the_page_says() -> None:
    name = NAMES[0]
    message = ["mercy", ANA, "Observation", "glucose-0", 1, hashlib.sha256(RESOURCES[0]).digest()]
    expected = hmac.new(SALTS[0], encode(message), hashlib.sha256).digest()
    assert commit(name, SALTS[0], RESOURCES[0]) == expected


def test_a_salt_of_another_length_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="31"):
        commit(NAMES[0], bytes(31), b"")


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=40))
def test_a_batch_is_the_tree_of_its_commitments(commitments: list[bytes]) -> None:
    values = [Digest(value) for value in commitments]
    made = Batch.of(values)
    assert made.root == root(map(leaf_hash, values))
    assert made.size == len(values)
    assert Batch.from_leaves(made.leaves) == made


@pytest.mark.parametrize("index", range(5))
def test_every_record_of_a_batch_opens(index: int) -> None:
    verify_opening(opening(index), RESOURCES[index])


def test_an_opening_altered_anywhere_fails() -> None:
    good = opening(2)
    name = good.name
    others = [
        (good, RESOURCES[3]),
        (good, RESOURCES[2] + b" "),
        (replaced(good, salt=SALTS[3]), RESOURCES[2]),
        (replaced(good, index=3), RESOURCES[2]),
        (replaced(good, index=5), RESOURCES[2]),
        (replaced(good, root=bytes(32)), RESOURCES[2]),
        (replaced(good, size=4), RESOURCES[2]),
        (replaced(good, path=good.path[:-1]), RESOURCES[2]),
        (replaced(good, name=replaced(name, custodian="plains")), RESOURCES[2]),
        (replaced(good, name=replaced(name, account="@" + "b" * 26)), RESOURCES[2]),
        (replaced(good, name=replaced(name, type="Condition")), RESOURCES[2]),
        (replaced(good, name=replaced(name, id="glucose-3")), RESOURCES[2]),
        (replaced(good, name=replaced(name, version=2)), RESOURCES[2]),
    ]
    for other, content in others:
        with pytest.raises(ProofError):
            verify_opening(other, content)  # type: ignore[arg-type]  # replaced() returns object


def test_a_transaction_s_events_and_place_verify() -> None:
    log = example_log()
    for index in (COMMITTED, GRANTED):
        verify_events(log.proof(index))
        verify_logged(log.proof(index), log.size, log.root())


def test_a_refused_transaction_proves_no_event() -> None:
    log = example_log()
    verify_logged(log.proof(REFUSED), log.size, log.root())
    with pytest.raises(ProofError, match="refused"):
        verify_events(log.proof(REFUSED))


def test_other_events_and_other_entries_fail() -> None:
    log = example_log()
    committed, granted = log.proof(COMMITTED), log.proof(GRANTED)
    swapped = TransactionProof(
        entry=committed.entry, events=granted.events, index=COMMITTED, path=committed.path
    )
    with pytest.raises(ProofError, match="other events"):
        verify_events(swapped)
    forged = TransactionProof(
        entry=TransactionEntry(
            id=committed.entry.id,
            exp=committed.entry.exp,
            code=0,
            events=granted.entry.events,
        ),
        events=granted.events,
        index=COMMITTED,
        path=committed.path,
    )
    verify_events(forged)
    with pytest.raises(ProofError):
        verify_logged(forged, log.size, log.root())


def test_a_name_says_whose_record_it_is() -> None:
    names = {commit(name, SALTS[0], RESOURCES[0]) for name in NAMES}
    assert len(names) == len(NAMES)
    other = RecordName(
        custodian="plains", account=ANA, type="Observation", id="glucose-0", version=1
    )
    assert commit(other, SALTS[0], RESOURCES[0]) not in names
    assert batch().root == Digest(opening(0).root)


def test_an_owner_is_an_account_to_its_last_byte() -> None:
    name = RecordName(custodian="plains", account=ANA, type="Patient", id="1", version=1)
    for account in (ANA + "\n", "\n"):
        with pytest.raises(Malformed):
            decode(encode(replace(name, account=account)), RecordName)
