"""The one signature predicate of the network, and the keys it takes.

Libraries disagree on many Ed25519 edge cases, and a network that mixed them would split: Ed25519
is libsodium's answer and ES256 is OpenSSL's, at the locked versions; `tests/vectors` pins both.
`hybrid` has the third, which is Ed25519 and ML-DSA-65 together.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from careledger.ledger import hybrid
from careledger.ledger.cose import encode_headers
from careledger.ledger.errors import BadSignature
from careledger.ledger.record import Digest, Record, digest

Algorithm = Literal["EdDSA", "ES256", "EdDSA+ML-DSA-65"]
"""Signature algorithms of transactions."""

COSE_ALGORITHMS: dict[int, Algorithm] = {-8: "EdDSA", -7: "ES256", -65_585: "EdDSA+ML-DSA-65"}
"""RFC 9053 2; the last is of the range for private use, since -49 is ML-DSA-65 alone."""

COSE_NUMBERS: dict[Algorithm, int] = {name: number for number, name in COSE_ALGORITHMS.items()}

SIGNATURE_BYTES = 64
"""Of Ed25519 and ES256: R || S and r || s."""

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class PublicKey(Record):
    """A verification key: Ed25519 as 32 raw bytes, P-256 as 33 compressed bytes (SEC 1 2.3.3).

    A hybrid one is Ed25519's and after it the 1,952 bytes of ML-DSA-65.
    """

    algorithm: Algorithm
    public: Annotated[bytes, msgspec.Meta(min_length=32, max_length=hybrid.PUBLIC_BYTES)]


def key_id(key: PublicKey) -> Digest:
    """The COSE key thumbprint (RFC 9679 3) of `key`; 32 bytes."""
    if key.algorithm == "EdDSA":
        return digest(encode_headers({1: 1, -1: 6, -2: key.public}))
    if key.algorithm == "EdDSA+ML-DSA-65":  # an Algorithm Key Pair, type 7
        return digest(encode_headers({1: 7, 3: COSE_NUMBERS[key.algorithm], -1: key.public}))
    x, y = _point(key)
    return digest(encode_headers({1: 2, -1: 1, -2: x, -3: y}))


def verify(key: PublicKey, message: bytes, signature: bytes) -> None:
    """Check `signature` over `message`; ES256 only with low s, so that each has one encoding.

    Raises:
        BadSignature: it does not verify, or the key or signature is not one.
        MissingAlgorithm: a hybrid one, and this program's library cannot tell.
    """
    if len(signature) != SIGNATURE_BYTES:
        if key.algorithm != "EdDSA+ML-DSA-65":
            raise BadSignature
        hybrid.verify(key.public, message, signature)
        return
    try:
        if key.algorithm == "EdDSA":
            crypto_sign_open(signature + message, key.public)
        elif key.algorithm == "ES256":
            _verify_es256(key, message, signature)
        else:
            raise BadSignature
    except (BadSignatureError, InvalidSignature, ValueError, TypeError) as error:
        raise BadSignature from error


def _verify_es256(key: PublicKey, message: bytes, signature: bytes) -> None:
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    if s > _P256_ORDER // 2:
        raise BadSignature
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public)
    public.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


def _point(key: PublicKey) -> tuple[bytes, bytes]:
    """The affine coordinates of a P-256 key, 32 bytes each.

    Raises:
        BadSignature: not a point of the curve.
    """
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public)
    except ValueError as error:
        raise BadSignature from error
    numbers = public.public_numbers()
    return numbers.x.to_bytes(32), numbers.y.to_bytes(32)


@dataclass(frozen=True)
class SigningKey:
    """A private key. Made from a 32-byte seed, so that the core needs no source of chance."""

    algorithm: Algorithm
    seed: bytes

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm})"

    @property
    def public(self) -> PublicKey:
        """The verification key."""
        if self.algorithm == "EdDSA":
            return PublicKey(algorithm="EdDSA", public=crypto_sign_seed_keypair(self.seed)[0])
        if self.algorithm == "EdDSA+ML-DSA-65":
            return PublicKey(algorithm=self.algorithm, public=hybrid.public_of(self.seed))
        point = self._scalar().public_key()
        compressed = point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        return PublicKey(algorithm="ES256", public=compressed)

    def sign(self, message: bytes) -> bytes:
        """The signature of `message`; but for hybrid keys 64 bytes, and always the same.

        Deterministic by RFC 8032 and RFC 6979; ES256 with low s.
        """
        if self.algorithm == "EdDSA":
            return crypto_sign(message, crypto_sign_seed_keypair(self.seed)[1])[:SIGNATURE_BYTES]
        if self.algorithm == "EdDSA+ML-DSA-65":
            return hybrid.sign(self.seed, message)
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(self._scalar().sign(message, algorithm))
        return r.to_bytes(32) + min(s, _P256_ORDER - s).to_bytes(32)

    def _scalar(self) -> ec.EllipticCurvePrivateKey:
        secret = int.from_bytes(self.seed) % (_P256_ORDER - 1) + 1
        return ec.derive_private_key(secret, ec.SECP256R1())
