"""Key registration: which algorithms serve which use, and proof that the private half is held."""

from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from careledger.ledger import hybrid
from careledger.ledger.cose import encode_headers
from careledger.ledger.errors import BadSignature
from careledger.ledger.membership import (
    HYBRID,
    KeyAlgorithm,
    KeyProof,
    KeyUse,
    NewKey,
    PublicBytes,
    check_key_size,
)
from careledger.ledger.record import Digest, Record, SignerId, digest, encode
from careledger.ledger.signature import PublicKey, SigningKey, key_id, verify

FIT: Final[Mapping[KeyUse, tuple[KeyAlgorithm, ...]]] = {
    "transaction": ("EdDSA", "ES256", HYBRID),
    "claim": ("EdDSA",),
    "client": ("EdDSA", "ES256", "ES384"),
    "sealing": ("X25519",),
    "checkpoint": ("EdDSA",),
    "receipt": ("EdDSA", "ES256"),
    "consensus": ("EdDSA",),
}
"""Which algorithms a key may have for each use."""

_BYTES: Final[Mapping[KeyAlgorithm, int]] = {
    "EdDSA": 32,
    "X25519": 32,
    "ES256": 33,
    "ES384": 49,
    HYBRID: hybrid.PUBLIC_BYTES,
}
"""Raw keys (RFC 7748, RFC 8032) and compressed points (SEC 1 2.3.3): one encoding each."""

_X25519_CURVE: Final = 4
_P384_CURVE: Final = 2
_P384_SIGNATURE_BYTES: Final = 96

_LOW_ORDER: Final = frozenset(
    bytes.fromhex(point)
    for point in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)
"""X25519 inputs that make every shared secret zero (RFC 7748 6.1): nothing sealed to them is."""

_TOP_BIT: Final = 0x80
"""Of the last byte: X25519 ignores it (RFC 7748 5), so a key that has it has another encoding."""


class PublishedKey(Record):
    """A registered key as events and genesis files carry it: without its proof."""

    use: KeyUse
    algorithm: KeyAlgorithm
    public: PublicBytes

    def __post_init__(self) -> None:
        check_key_size(self.algorithm, self.public)


def thumbprint(algorithm: KeyAlgorithm, public: bytes) -> Digest:
    """The COSE key thumbprint (RFC 9679 3) of a key of any algorithm; 32 bytes.

    Raises:
        BadSignature: not a key of that algorithm in its one encoding.
    """
    if len(public) != _BYTES[algorithm]:
        raise BadSignature
    match algorithm:
        case "EdDSA" | "ES256" | "EdDSA+ML-DSA-65":
            return key_id(PublicKey(algorithm=algorithm, public=public))
        case "X25519":
            if public in _LOW_ORDER or public[-1] & _TOP_BIT:
                raise BadSignature
            return digest(encode_headers({1: 1, -1: _X25519_CURVE, -2: public}))
        case "ES384":
            numbers = _p384(public).public_numbers()
            x, y = numbers.x.to_bytes(48), numbers.y.to_bytes(48)
            return digest(encode_headers({1: 2, -1: _P384_CURVE, -2: x, -3: y}))


def possession_message(chain: Digest, signer: SignerId, use: KeyUse, public: bytes) -> bytes:
    """What the new key signs."""
    return encode(KeyProof(chain=chain, signer=signer, use=use, public=public))


def new_key(key: SigningKey, use: KeyUse, signer: SignerId, chain: Digest) -> NewKey:
    """`key`, ready to be registered by `signer` for `use`."""
    public = key.public
    proof = key.sign(possession_message(chain, signer, use, public.public))
    return NewKey(use=use, algorithm=public.algorithm, public=public.public, proof=proof)


def sealing_key(public: bytes) -> NewKey:
    """An X25519 key, ready to be registered; it cannot sign, so it proves nothing."""
    return NewKey(use="sealing", algorithm="X25519", public=public)


def check_possession(key: NewKey, signer: SignerId, chain: Digest) -> Digest:
    """The id of `key`, once it has proved that `signer` holds its private half.

    Raises:
        BadSignature: unfit for its use, not a key of its algorithm, or not proved.
    """
    if key.algorithm not in FIT[key.use]:
        raise BadSignature
    id_ = thumbprint(key.algorithm, key.public)
    message = possession_message(chain, signer, key.use, key.public)
    match key.algorithm:
        case "EdDSA" | "ES256" | "EdDSA+ML-DSA-65":
            verify(PublicKey(algorithm=key.algorithm, public=key.public), message, key.proof)
        case "ES384":
            _verify_es384(key, message)
        case "X25519":
            if key.proof:
                raise BadSignature
    return id_


def _p384(public: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), public)
    except ValueError as error:
        raise BadSignature from error


def _verify_es384(key: NewKey, message: bytes) -> None:
    if len(key.proof) != _P384_SIGNATURE_BYTES:
        raise BadSignature
    r, s = int.from_bytes(key.proof[:48]), int.from_bytes(key.proof[48:])
    try:
        _p384(key.public).verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA384()))
    except (InvalidSignature, ValueError) as error:
        raise BadSignature from error
