"""Key ids of every algorithm, and the proof that whoever registers a key holds it."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from careledger.ledger.errors import BadSignature
from careledger.ledger.possession import (
    FIT,
    check_possession,
    new_key,
    sealing_key,
    thumbprint,
)
from careledger.ledger.record import MemberId, digest
from careledger.ledger.signature import SigningKey, key_id

CHAIN = digest(b"chain")
MERCY = MemberId("mercy")
ED25519 = SigningKey("EdDSA", digest(b"a key"))
P256 = SigningKey("ES256", digest(b"a key"))


def test_signature_keys_have_the_same_id_here_as_in_a_header() -> None:
    for key in (ED25519, P256):
        assert thumbprint(key.algorithm, key.public.public) == key_id(key.public)


def test_the_published_thumbprint_of_rfc_9679() -> None:
    """RFC 9679 5.6.1: the COSE key thumbprint of the P-256 key of its example."""
    x = bytes.fromhex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d")
    y = bytes.fromhex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c")
    compressed = bytes([2 + (y[-1] & 1)]) + x
    assert thumbprint("ES256", compressed).hex() == (
        "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    )


@pytest.mark.parametrize("use", ["transaction", "claim", "client", "checkpoint", "receipt"])
def test_a_key_proves_itself_for_one_signer_use_and_chain(use: str) -> None:
    [fit] = [name for name in FIT if name == use]
    key = new_key(ED25519, fit, MERCY, CHAIN)
    assert check_possession(key, MERCY, CHAIN) == key_id(ED25519.public)
    with pytest.raises(BadSignature):
        check_possession(key, MemberId("plains"), CHAIN)
    with pytest.raises(BadSignature):
        check_possession(key, MERCY, digest(b"another chain"))
    with pytest.raises(BadSignature):
        check_possession(replace(key, public=P256.public.public), MERCY, CHAIN)


def test_an_es256_key_proves_itself_where_it_fits() -> None:
    key = new_key(P256, "receipt", MERCY, CHAIN)
    assert check_possession(key, MERCY, CHAIN) == key_id(P256.public)
    with pytest.raises(BadSignature):
        check_possession(new_key(P256, "checkpoint", MERCY, CHAIN), MERCY, CHAIN)


def test_points_are_compressed_and_on_their_curve() -> None:
    point = ec.derive_private_key(7, ec.SECP384R1()).public_key()
    whole = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    short = point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    assert len(thumbprint("ES384", short)) == 32
    for wrong in (whole, short[:-1], b"\x05" + short[1:], b"\x02" + b"\xff" * 48):
        with pytest.raises(BadSignature):
            thumbprint("ES384", wrong)


def test_nothing_is_sealed_to_a_point_that_makes_every_secret_zero() -> None:
    good = sealing_key(b"\x09" + bytes(31))
    assert check_possession(good, MERCY, CHAIN) == thumbprint("X25519", good.public)
    for low in (bytes(32), b"\x01" + bytes(31), bytes(31) + b"\x80", b"\x09" + bytes(30) + b"\x80"):
        with pytest.raises(BadSignature):
            check_possession(sealing_key(low), MERCY, CHAIN)
    with pytest.raises(BadSignature):
        check_possession(replace(good, proof=b"?"), MERCY, CHAIN)


def test_the_vectors_hold() -> None:
    vectors = Path(__file__).resolve().parent.parent / "vectors" / "identity.json"
    assert json.loads(vectors.read_text())["key id"] == key_id(ED25519.public).hex()
