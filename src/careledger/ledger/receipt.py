"""COSE Receipts (RFC 9942): a signature over the log's root, and the proof that leads to it.

A receipt is a COSE_Sign1 whose payload, the root, is left out: the verifier computes it from the
proof in the unprotected header. There is no receipt for a tree of one leaf, because RFC 9942 wants
a path that is not empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from careledger.ledger.cose import (
    ALGORITHM,
    CWT_CLAIMS,
    KEY_ID,
    Sign1,
    decode_sign1,
    encode_headers,
    encode_sign1,
    sig_structure,
)
from careledger.ledger.errors import BadSignature, Malformed, ProofError
from careledger.ledger.merkle import leaf_hash, root_from_path, verify_consistency
from careledger.ledger.record import Count, Digest, Hash, Record, decode, encode
from careledger.ledger.signature import (
    COSE_ALGORITHMS,
    COSE_NUMBERS,
    PublicKey,
    SigningKey,
    key_id,
    verify,
)

RECEIPTS, DATA_STRUCTURE, PROOFS = 394, 395, 396
"""Header labels (RFC 9942 8.1)."""

RFC9162_SHA256 = 1
"""The only verifiable data structure of this log (RFC 9942 8.2.1)."""

INCLUSION, CONSISTENCY = -1, -2
"""Kinds of proofs of that structure (RFC 9942 8.2.2)."""

ISSUER = 1
"""CWT claim `iss` (RFC 8392 3.1.1)."""

Path = Annotated[tuple[Hash, ...], msgspec.Meta(min_length=1, max_length=64)]


class InclusionProof(Record, array_like=True):
    """Leaf `index` is in the tree of `size` leaves (RFC 9942 5.2)."""

    size: Count
    index: Count
    path: Path


class ConsistencyProof(Record, array_like=True):
    """The tree of `first` leaves is the beginning of that of `second` (RFC 9942 5.3)."""

    first: Count
    second: Count
    path: Path


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A decoded receipt; nothing of it is checked yet."""

    message: Sign1
    issuer: str
    key_id: bytes
    proof: InclusionProof | ConsistencyProof


@dataclass(frozen=True, kw_only=True)
class VerifiedRoot:
    """A root that `issuer` signed as that of the log's first `size` leaves."""

    issuer: str
    size: int
    root: Digest


def issue_inclusion(
    key: SigningKey, issuer: str, root: Digest, index: int, size: int, path: Sequence[Digest]
) -> bytes:
    """The receipt that leaf `index` is in the tree of `root`; `issuer` is `signer_name`'s.

    Raises:
        ProofError: the path is empty: a tree of one leaf has no receipt.
    """
    _check_path(path)
    proof = InclusionProof(size=size, index=index, path=tuple(path))
    return _issue(key, issuer, root, INCLUSION, proof)


def issue_consistency(
    key: SigningKey, issuer: str, root: Digest, first: int, second: int, path: Sequence[Digest]
) -> bytes:
    """The receipt that the tree of `root`, of `second` leaves, begins with `first` known ones.

    Raises:
        ProofError: the path is empty: equal trees need no receipt.
    """
    _check_path(path)
    proof = ConsistencyProof(first=first, second=second, path=tuple(path))
    return _issue(key, issuer, root, CONSISTENCY, proof)


def decode_receipt(data: bytes) -> Receipt:
    """Inverse of `issue_inclusion` and `issue_consistency`.

    Raises:
        Malformed: neither would have produced these bytes.
    """
    message = decode_sign1(data, unprotected=True)
    if message.payload is not None or set(message.unprotected) != {PROOFS}:
        raise Malformed
    if set(message.headers) != {ALGORITHM, KEY_ID, CWT_CLAIMS, DATA_STRUCTURE}:
        raise Malformed
    structure, signer = message.headers[DATA_STRUCTURE], message.headers[KEY_ID]
    if type(structure) is not int or structure != RFC9162_SHA256 or not isinstance(signer, bytes):
        raise Malformed
    claims = message.headers[CWT_CLAIMS]
    if not isinstance(claims, dict) or set(claims) != {ISSUER}:
        raise Malformed
    issuer = claims[ISSUER]
    if not isinstance(issuer, str):
        raise Malformed
    proof = _decode_proof(message.unprotected[PROOFS])
    return Receipt(message=message, issuer=issuer, key_id=signer, proof=proof)


def verify_inclusion_receipt(receipt: Receipt, entry: bytes, key: PublicKey) -> VerifiedRoot:
    """Check that the holder of `key` vouches for the log that holds `entry` (RFC 9942 5.2.1).

    Raises:
        ProofError: it does not, or the receipt is of another kind.
    """
    proof = receipt.proof
    if not isinstance(proof, InclusionProof):
        raise ProofError("not an inclusion receipt")
    root = root_from_path(leaf_hash(entry), proof.index, proof.size, proof.path)
    return _verified(receipt, key, root, proof.size)


def verify_consistency_receipt(
    receipt: Receipt, first_root: Digest, second_root: Digest, key: PublicKey
) -> VerifiedRoot:
    """Check that the log of `second_root` is a continuation of that of `first_root`.

    Raises:
        ProofError: it is not, or the holder of `key` did not sign it (RFC 9942 5.3.1).
    """
    proof = receipt.proof
    if not isinstance(proof, ConsistencyProof):
        raise ProofError("not a consistency receipt")
    verify_consistency(proof.first, proof.second, proof.path, first_root, second_root)
    return _verified(receipt, key, second_root, proof.second)


def _issue(key: SigningKey, issuer: str, root: Digest, kind: int, proof: Record) -> bytes:
    public = key.public
    protected = encode_headers(
        {
            ALGORITHM: COSE_NUMBERS[public.algorithm],
            KEY_ID: key_id(public),
            CWT_CLAIMS: {ISSUER: issuer},
            DATA_STRUCTURE: RFC9162_SHA256,
        }
    )
    signature = key.sign(sig_structure(protected, root))
    return encode_sign1(protected, None, signature, {PROOFS: {kind: [encode(proof)]}})


def _verified(receipt: Receipt, key: PublicKey, root: Digest, size: int) -> VerifiedRoot:
    algorithm = receipt.message.headers[ALGORITHM]
    if type(algorithm) is not int or COSE_ALGORITHMS.get(algorithm) != key.algorithm:
        raise ProofError("signed by another algorithm", expected=key.algorithm, actual=algorithm)
    if receipt.key_id != key_id(key):
        raise ProofError(
            "signed by another key", expected=key_id(key).hex(), actual=receipt.key_id.hex()
        )
    try:
        verify(key, sig_structure(receipt.message.protected, root), receipt.message.signature)
    except BadSignature as error:
        raise ProofError("the signature is not over this root", actual=root.hex()) from error
    return VerifiedRoot(issuer=receipt.issuer, size=size, root=root)


def _decode_proof(proofs: object) -> InclusionProof | ConsistencyProof:
    """The one proof in the map; the labels were checked to be integers by the COSE decoder."""
    if not isinstance(proofs, dict) or len(proofs) != 1:
        raise Malformed
    ((kind, values),) = proofs.items()
    if not isinstance(values, list) or len(values) != 1 or not isinstance(values[0], bytes):
        raise Malformed
    if kind == INCLUSION:
        return decode(values[0], InclusionProof)
    if kind == CONSISTENCY:
        return decode(values[0], ConsistencyProof)
    raise Malformed


def _check_path(path: Sequence[Digest]) -> None:
    if not path:
        raise ProofError("a receipt needs a path that is not empty", expected=1, actual=0)
