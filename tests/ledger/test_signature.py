import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import BadSignature
from careledger.ledger.signature import PublicKey, SigningKey, key_id, verify

PINNED = Path(__file__).parent.parent / "vectors" / "ed25519-edge-cases.txt"
"""Our library's answer to each published edge case, in order: 1 accepts, 0 refuses."""

algorithms = st.sampled_from(["EdDSA", "ES256"])
seeds = st.binary(min_size=32, max_size=32)


@given(algorithms, seeds, st.binary(max_size=100))
def test_what_is_signed_verifies(algorithm: str, seed: bytes, message: bytes) -> None:
    key = SigningKey(algorithm, seed)  # type: ignore[arg-type] # drawn from its values
    signature = key.sign(message)
    assert len(signature) == 64
    verify(key.public, message, signature)


@given(algorithms, seeds, st.integers(0, 63), st.integers(1, 255))
def test_no_flipped_byte_verifies(algorithm: str, seed: bytes, at: int, flip: int) -> None:
    key = SigningKey(algorithm, seed)  # type: ignore[arg-type] # drawn from its values
    signature = bytearray(key.sign(b"message"))
    signature[at] ^= flip
    with pytest.raises(BadSignature):
        verify(key.public, b"message", bytes(signature))


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65)])
@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
def test_what_is_no_signature_is_refused(algorithm: str, signature: bytes) -> None:
    key = SigningKey(algorithm, bytes(32))  # type: ignore[arg-type] # one of its values
    with pytest.raises(BadSignature):
        verify(key.public, b"message", signature)


@pytest.mark.parametrize(
    ("algorithm", "public"),
    [("EdDSA", bytes(32)), ("ES256", b"\x02" + b"\xff" * 32), ("ES256", bytes(32))],
)
def test_what_is_no_key_verifies_nothing(algorithm: str, public: bytes) -> None:
    key = PublicKey(algorithm=algorithm, public=public)  # type: ignore[arg-type] # one of its values
    with pytest.raises(BadSignature):
        verify(key, b"message", bytes(64))


def test_key_ids_are_cose_thumbprints() -> None:
    # RFC 9679 3: SHA-256 of the required parameters in deterministic CBOR
    ids = {a: key_id(SigningKey(a, bytes(32)).public).hex() for a in ("EdDSA", "ES256")}
    assert ids == {
        "EdDSA": "6f7deef65d54a69905d309a53cb13fc7e9b9a40a32ca0fd4a09c71199c3f07cd",
        "ES256": "b5d5e1275063b1bec731a51c1133b69e5ae5812fe66d167516e88f3fadae55a4",
    }


def test_the_secret_is_not_printed() -> None:
    assert "ab" * 4 not in repr(SigningKey("EdDSA", b"\xab" * 32))


def test_edge_cases_have_pinned_answers(shared_data: Path) -> None:
    """A library that answers one of these differently would split the network."""
    cases = json.loads((shared_data / "crypto/cctv/ed25519/ed25519vectors.json").read_text())

    def answer(case: dict[str, str]) -> str:
        key = PublicKey(algorithm="EdDSA", public=bytes.fromhex(case["key"]))
        try:
            verify(key, case["msg"].encode(), bytes.fromhex(case["sig"]))
        except BadSignature:
            return "0"
        return "1"

    answers = "".join(map(answer, cases))
    assert answers == "".join(PINNED.read_text().split())
    assert 0 < answers.count("1") < len(answers)
