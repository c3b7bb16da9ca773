"""COSE Receipts: round trips, refusals, and the published examples."""

from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.cose import Label, encode_headers, encode_sign1
from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.merkle import (
    consistency_proof,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from careledger.ledger.receipt import (
    ConsistencyProof,
    InclusionProof,
    decode_receipt,
    issue_consistency,
    issue_inclusion,
    verify_consistency_receipt,
    verify_inclusion_receipt,
)
from careledger.ledger.record import Digest, MemberId, decode, encode
from careledger.ledger.signature import SigningKey
from tests.example_log import COMMITTED, MERCY, ORIGIN, PLAINS, RECEIPT_KEYS, example_log

LOG = example_log()
ISSUER = f"{ORIGIN}/mercy"
MEMBERS = [MERCY, PLAINS]  # Mercy's receipts are ES256, Plains' EdDSA


def inclusion(key: SigningKey, index: int = COMMITTED) -> bytes:
    return issue_inclusion(key, ISSUER, LOG.root(), index, LOG.size, LOG.path(index))


def consistency(key: SigningKey, first: int = 3) -> bytes:
    path = consistency_proof(first, LOG.size, LOG.subtree)
    return issue_consistency(key, ISSUER, LOG.root(), first, LOG.size, path)


@pytest.mark.parametrize("member", MEMBERS)
def test_an_inclusion_receipt_leads_to_the_signed_root(member: MemberId) -> None:
    key = RECEIPT_KEYS[member]
    receipt = decode_receipt(inclusion(key))
    verified = verify_inclusion_receipt(receipt, LOG.entries[COMMITTED], key.public)
    assert (verified.root, verified.size, verified.issuer) == (LOG.root(), LOG.size, ISSUER)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_consistency_receipt_joins_two_roots(member: MemberId) -> None:
    key = RECEIPT_KEYS[member]
    receipt = decode_receipt(consistency(key))
    verified = verify_consistency_receipt(receipt, LOG.root(3), LOG.root(), key.public)
    assert verified.size == LOG.size
    with pytest.raises(ProofError):
        verify_consistency_receipt(receipt, LOG.root(2), LOG.root(), key.public)


def test_a_receipt_is_for_its_own_entry_key_and_kind_only() -> None:
    key, other = RECEIPT_KEYS[MERCY], RECEIPT_KEYS[PLAINS]
    receipt = decode_receipt(inclusion(key))
    with pytest.raises(ProofError, match="not over this root"):
        verify_inclusion_receipt(receipt, LOG.entries[COMMITTED + 1], key.public)
    with pytest.raises(ProofError, match="another algorithm"):
        verify_inclusion_receipt(receipt, LOG.entries[COMMITTED], other.public)
    with pytest.raises(ProofError, match="another key"):
        verify_inclusion_receipt(
            receipt, LOG.entries[COMMITTED], SigningKey("ES256", bytes(32)).public
        )
    with pytest.raises(ProofError, match="not a consistency receipt"):
        verify_consistency_receipt(receipt, LOG.root(3), LOG.root(), key.public)
    with pytest.raises(ProofError, match="not an inclusion receipt"):
        verify_inclusion_receipt(decode_receipt(consistency(key)), LOG.entries[0], key.public)


def test_there_is_no_receipt_without_a_path() -> None:
    key = RECEIPT_KEYS[MERCY]
    with pytest.raises(ProofError, match="not empty"):
        issue_inclusion(key, ISSUER, LOG.root(1), 0, 1, ())
    with pytest.raises(ProofError, match="not empty"):
        issue_consistency(key, ISSUER, LOG.root(), LOG.size, LOG.size, ())


@given(st.data())
def test_every_flipped_bit_is_noticed(data: st.DataObject) -> None:
    key = RECEIPT_KEYS[data.draw(st.sampled_from(MEMBERS))]
    receipt = bytearray(inclusion(key))
    bit = data.draw(st.integers(0, len(receipt) * 8 - 1))
    receipt[bit // 8] ^= 1 << bit % 8
    with pytest.raises((Malformed, ProofError)):
        verify_inclusion_receipt(decode_receipt(bytes(receipt)), LOG.entries[COMMITTED], key.public)


@given(st.binary(max_size=200))
def test_noise_is_malformed(noise: bytes) -> None:
    with pytest.raises(Malformed):
        decode_receipt(noise)
    with pytest.raises(Malformed):
        decode_receipt(b"\xd2\x84" + noise)


def _spoilt(protected: dict[Label, object], unprotected: dict[Label, object]) -> bytes:
    return encode_sign1(encode_headers(protected), None, bytes(64), unprotected)


PROTECTED: dict[Label, object] = {1: -7, 4: bytes(32), 15: {1: ISSUER}, 395: 1}
PROOF = encode(InclusionProof(size=2, index=0, path=(bytes(32),)))
PROOFS: dict[Label, object] = {396: {-1: [PROOF]}}


def test_the_unspoilt_shape_decodes() -> None:
    assert decode_receipt(_spoilt(PROTECTED, PROOFS)).proof == decode(PROOF, InclusionProof)


@pytest.mark.parametrize(
    ("protected", "unprotected"),
    [
        (PROTECTED | {395: True}, PROOFS),
        (PROTECTED | {395: 2}, PROOFS),
        (PROTECTED | {15: {}}, PROOFS),
        (PROTECTED | {15: {1: 5}}, PROOFS),
        (PROTECTED | {15: {1: ISSUER, 6: 0}}, PROOFS),
        (PROTECTED | {4: "name"}, PROOFS),
        (PROTECTED | {3: 0}, PROOFS),
        ({1: -7, 395: 1}, PROOFS),
        (PROTECTED, {}),
        (PROTECTED, PROOFS | {394: []}),
        (PROTECTED, {396: {}}),
        (PROTECTED, {396: {-1: []}}),
        (PROTECTED, {396: {-1: [PROOF, PROOF]}}),
        (PROTECTED, {396: {-1: [PROOF], -2: [PROOF]}}),
        (PROTECTED, {396: {-2: [PROOF[:-1]]}}),
        (PROTECTED, {396: {-3: [PROOF]}}),
        (PROTECTED, {396: {-1: PROOF}}),
        (PROTECTED, {396: {-1: [b"\x83\x02\x00\x80"]}}),
        (PROTECTED, {396: {-1: [b"\x83\x02\x00\x81\x41\x00"]}}),
        (PROTECTED, {396: {-1: [b"\x83\xf5\x00" + PROOF[3:]]}}),
        (PROTECTED, {396: {-1: [b"\x83\x18\x02\x00" + PROOF[3:]]}}),
    ],
)
def test_receipts_of_another_shape_are_malformed(
    protected: dict[Label, object], unprotected: dict[Label, object]
) -> None:
    with pytest.raises(Malformed):
        decode_receipt(_spoilt(protected, unprotected))


def test_an_attached_payload_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode_receipt(encode_sign1(encode_headers(PROTECTED), bytes(32), bytes(64), PROOFS))


def test_the_standard_s_examples_hold_the_proofs_we_would_write(shared_data: Path) -> None:
    """RFC 9942's two example receipts are about one tree of five leaves; their key is not given."""
    folder = shared_data / "crypto/cose-receipts/examples"
    inside, continued = (
        cbor2.loads((folder / f"{kind}-receipt.cbor").read_bytes()).value[1]
        for kind in ("inclusion", "consistency")
    )
    inclusion = decode(inside[396][-1][0], InclusionProof)
    consistency = decode(continued[396][-2][0], ConsistencyProof)
    assert encode_headers(inside) == encode_headers({396: {-1: [encode(inclusion)]}})
    assert encode_headers(continued) == encode_headers({396: {-2: [encode(consistency)]}})

    second, fourth, pair, fifth = map(Digest, consistency.path)
    first_root = node_hash(pair, second)
    second_root = node_hash(node_hash(pair, node_hash(second, fourth)), fifth)
    verify_inclusion(fourth, inclusion.index, inclusion.size, inclusion.path, second_root)
    verify_consistency(
        consistency.first, consistency.second, consistency.path, first_root, second_root
    )
