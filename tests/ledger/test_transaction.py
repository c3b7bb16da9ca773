from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.cose import decode_sign1, encode_headers, encode_sign1
from careledger.ledger.errors import Inadmissible
from careledger.ledger.record import Digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.state import View
from careledger.ledger.transaction import (
    MAX_TRANSACTION_BYTES,
    Expired,
    MalformedTransaction,
    NotYetValid,
    Replayed,
    SignatureInvalid,
    TooLarge,
    UnknownKey,
    WrongChain,
    check_admissible,
    parse_transaction,
    verify_transaction,
)
from tests.ledger.world import (
    ANA,
    CHAIN,
    NOW,
    RIVERSIDE,
    SetNote,
    first_state,
    key,
    registered,
    signed,
)

HELLO = SetNote(at="door", text="hello")


def admit(raw: bytes, *, seen: bool = False, time: int = NOW, state: Any = None) -> None:
    transaction = parse_transaction(raw)
    view = View(state or first_state())
    public = check_admissible(view, lambda _: seen, transaction, time, CHAIN)
    verify_transaction(transaction, public)


def test_a_good_transaction_is_admitted() -> None:
    admit(signed(ANA, HELLO))
    admit(signed(RIVERSIDE, HELLO))


def test_es256_is_accepted() -> None:
    state = first_state()
    state.apply(registered(ANA, key("phone", "ES256")))
    admit(signed(ANA, HELLO, signing=key("phone", "ES256")), state=state)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (signed(ANA, HELLO, audience="0" * 64), WrongChain),
        (signed(ANA, HELLO, not_before=NOW + 61, expires=NOW + 100), NotYetValid),
        (signed(ANA, HELLO, not_before=NOW - 100, expires=NOW - 1), Expired),
        (signed(ANA, HELLO, signing=key("stranger")), UnknownKey),
        (signed("@" + "b" * 26, HELLO), UnknownKey),
        (signed(ANA, SetNote(at="x", text="x" * MAX_TRANSACTION_BYTES)), TooLarge),
        (signed(ANA, HELLO, not_before=NOW, expires=NOW + 3_601), MalformedTransaction),
        (signed(ANA, HELLO, not_before=NOW, expires=NOW), MalformedTransaction),
        (signed(ANA), MalformedTransaction),
        (b"", MalformedTransaction),
        (b"\xd2\x84", MalformedTransaction),
    ],
)
def test_the_inadmissible_are_told_why(raw: bytes, error: type[Inadmissible]) -> None:
    with pytest.raises(error):
        admit(raw)


def test_a_replay_is_inadmissible() -> None:
    with pytest.raises(Replayed):
        admit(signed(ANA, HELLO), seen=True)


def test_a_transaction_counts_from_a_minute_before_to_its_very_expiry() -> None:
    admit(signed(ANA, HELLO, not_before=NOW + 60, expires=NOW + 100))
    admit(signed(ANA, HELLO, not_before=NOW - 100, expires=NOW))


def rebuilt(raw: bytes, *, unprotected: Any = None, **headers: Any) -> bytes:
    message = decode_sign1(raw)
    changed = dict(message.headers) | {int(k[1:]): v for k, v in headers.items()}
    kept = {label: value for label, value in changed.items() if value is not None}
    return encode_sign1(encode_headers(kept), message.payload, message.signature, unprotected)


@pytest.mark.parametrize(
    "raw",
    [
        rebuilt(signed(ANA, HELLO), _1=-7_777),  # no such algorithm
        rebuilt(signed(ANA, HELLO), _1="EdDSA"),
        rebuilt(signed(ANA, HELLO), _3="application/cbor"),
        rebuilt(signed(ANA, HELLO), _4=b"short"),
        rebuilt(signed(ANA, HELLO), _4=None),
        rebuilt(signed(ANA, HELLO), _15=None),
        rebuilt(signed(ANA, HELLO), _15={1: ANA}),
        rebuilt(signed(ANA, HELLO), _99=1),
        rebuilt(signed(ANA, HELLO), unprotected={4: b"x"}),
        signed(ANA, HELLO)[1:],  # no tag
        b"\xd1" + signed(ANA, HELLO)[1:],  # another tag
        b"\xd2" + signed(ANA, HELLO),  # two tags
        signed(ANA, HELLO) + b"\0",
    ],
)
def test_anything_but_the_one_shape_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedTransaction):
        parse_transaction(raw)


def test_the_label_true_does_not_pose_as_one() -> None:
    message = decode_sign1(signed(ANA, HELLO))
    protected = message.protected.replace(b"\x01\x27", b"\xf5\x27", 1)
    assert cbor2.loads(protected)[1] == -8  # Python alone would be fooled
    with pytest.raises(MalformedTransaction):
        parse_transaction(encode_sign1(protected, message.payload, message.signature))


def test_a_wrong_algorithm_for_the_key_is_unknown() -> None:
    with pytest.raises(UnknownKey):
        admit(rebuilt(signed(ANA, HELLO), _1=-7))


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_flipped_byte_is_admitted(at: int, flip: int) -> None:
    raw = bytearray(signed(ANA, HELLO))
    raw[at % len(raw)] ^= flip
    with pytest.raises(Inadmissible):
        admit(bytes(raw))


@given(st.binary(max_size=400))
def test_garbage_is_malformed_never_fatal(garbage: bytes) -> None:
    with pytest.raises(Inadmissible):
        admit(garbage)
    with pytest.raises(Inadmissible):
        admit(b"\xd2\x84" + garbage)


def test_the_id_does_not_depend_on_the_signature() -> None:
    raw = signed(ANA, HELLO)
    message = decode_sign1(raw)
    other = encode_sign1(message.protected, message.payload, bytes(64))
    assert parse_transaction(raw).id == parse_transaction(other).id
    with pytest.raises(SignatureInvalid):
        admit(other)


def test_high_s_is_refused() -> None:
    signing = SigningKey("ES256", Digest(bytes(31) + b"\x07"))
    state = first_state()
    state.apply(registered(ANA, signing))
    raw = signed(ANA, HELLO, signing=signing)
    message = decode_sign1(raw)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    high = order - int.from_bytes(message.signature[32:])
    malleated = message.signature[:32] + high.to_bytes(32)
    admit(raw, state=state)
    with pytest.raises(SignatureInvalid):
        admit(encode_sign1(message.protected, message.payload, malleated), state=state)
