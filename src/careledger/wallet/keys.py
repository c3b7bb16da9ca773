"""The keys of a patient, all of them derived from one seed.

Toward each organisation the patient has another key, so that two of them cannot join their
patients by it. `spec/wallet.md` has the derivation and its vectors.
"""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from careledger.ledger.record import Digest, MemberId, encode
from careledger.ledger.signature import Algorithm, SigningKey

SEED_BYTES = 32


def pairwise_key(
    seed: bytes, chain: Digest, member: MemberId, generation: int, algorithm: Algorithm = "EdDSA"
) -> SigningKey:
    """The patient's key toward `member`; each rotation counts `generation` up from 0."""
    secret = _derive(seed, "careledger pairwise key v1", chain, member, generation)
    return SigningKey(algorithm, secret)


def client_key(seed: bytes, chain: Digest, member: MemberId, generation: int) -> SigningKey:
    """The patient's key for signing in at `member`; as old as the key toward it."""
    secret = _derive(seed, "careledger client key v1", chain, member, generation)
    return SigningKey("EdDSA", secret)


def file_key(seed: bytes, name: str) -> bytes:
    """The AES-256 key of one of the wallet's own files."""
    return _derive(seed, "careledger wallet file v1", name)


def _derive(seed: bytes, *purpose: object) -> bytes:
    """32 bytes: HKDF-SHA256 (RFC 5869) without salt, the encoded purpose as info."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=encode(purpose)).derive(seed)
