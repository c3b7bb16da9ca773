"""Ed25519 and ML-DSA-65 (FIPS 204) as one key: whoever breaks one of them still cannot sign.

A public key and a signature are those of Ed25519 with those of ML-DSA-65 after them; both cover
the same message. OpenSSL's ML-DSA answers for the network, at the locked version.
"""

from functools import cache
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from careledger.ledger.errors import BadSignature, Unavailable
from careledger.ledger.record import digest

PUBLIC_BYTES: Final = 32 + 1_952
SIGNATURE_BYTES: Final = 64 + 3_309

_CONTEXT: Final = b"careledger hybrid v1"
"""The context string of ML-DSA (FIPS 204 5.2): this half counts nowhere else."""


class MissingAlgorithm(Unavailable):
    """This program's library has no ML-DSA-65, and this network's keys may need it."""


@cache
def is_available() -> bool:
    """Whether this program's library can."""
    try:
        MLDSA65PrivateKey.from_seed_bytes(bytes(32))
    except UnsupportedAlgorithm:
        return False
    return True


def verify(public: bytes, message: bytes, signature: bytes) -> None:
    """Check both halves of `signature` over `message`.

    Raises:
        BadSignature: either does not verify, or the key or signature is not one.
        MissingAlgorithm: this program cannot tell, and must not guess.
    """
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        raise BadSignature
    try:
        crypto_sign_open(signature[:64] + message, public[:32])
        MLDSA65PublicKey.from_public_bytes(public[32:]).verify(signature[64:], message, _CONTEXT)
    except UnsupportedAlgorithm as error:
        raise MissingAlgorithm from error
    except (BadSignatureError, InvalidSignature, ValueError, TypeError) as error:
        raise BadSignature from error


def public_of(seed: bytes) -> bytes:
    """The public key that follows from a 32-byte seed."""
    classical, lattice = _halves(seed)
    public: bytes = crypto_sign_seed_keypair(classical)[0]
    return public + lattice.public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """A signature of `message`; its second half is another one each time (FIPS 204 3.4)."""
    classical, lattice = _halves(seed)
    first: bytes = crypto_sign(message, crypto_sign_seed_keypair(classical)[1])[:64]
    return first + lattice.sign(message, _CONTEXT)


def _halves(seed: bytes) -> tuple[bytes, MLDSA65PrivateKey]:
    """Two seeds that say nothing of each other, nor of what else follows from `seed`."""
    lattice = digest(b"careledger hybrid ml-dsa-65 seed v1" + seed)
    try:
        key = MLDSA65PrivateKey.from_seed_bytes(lattice)
    except UnsupportedAlgorithm as error:
        raise MissingAlgorithm from error
    return digest(b"careledger hybrid ed25519 seed v1" + seed), key
