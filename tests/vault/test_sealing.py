"""What leaves the vault opens for whom and for what it was sealed, and for nothing else."""

import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import Malformed
from careledger.ledger.record import decode, encode
from careledger.vault.errors import Tampered
from careledger.vault.sealing import (
    SUITE,
    Binding,
    Cost,
    PassphraseSealed,
    new_sealing_key,
    open_from,
    open_with_passphrase,
    public_sealing_key,
    seal_to,
    seal_with_passphrase,
)

CHEAP = Cost(memory_kib=8_192, iterations=1, lanes=1)
BINDING = Binding(chain=b"c" * 32, channel="terms", receiver="bayview-clinic", context=b"consent")


@given(st.binary(max_size=2_000), st.binary(max_size=40))
def test_what_is_sealed_to_a_key_opens_with_it(plaintext: bytes, context: bytes) -> None:
    private, public = new_sealing_key()
    binding = BINDING.__replace__(context=context)
    sealed = seal_to(public, binding, plaintext)
    assert len(sealed) == len(plaintext) + 49
    assert open_from(private, binding, sealed) == plaintext


def test_it_opens_for_no_other_key_chain_channel_receiver_or_context() -> None:
    private, public = new_sealing_key()
    sealed = seal_to(public, BINDING, b"medications only")
    for other in (
        {"chain": b"d" * 32},
        {"channel": "handle"},
        {"receiver": "caredon-payer"},
        {"context": b""},
    ):
        with pytest.raises(Tampered):
            open_from(private, BINDING.__replace__(**other), sealed)
    with pytest.raises(Tampered):
        open_from(new_sealing_key()[0], BINDING, sealed)


def test_any_altered_byte_is_noticed() -> None:
    private, public = new_sealing_key()
    sealed = seal_to(public, BINDING, b"medications only")
    for place in range(len(sealed)):
        for bit in (1, 128):
            altered = bytearray(sealed)
            altered[place] ^= bit
            with pytest.raises(Tampered):
                open_from(private, BINDING, bytes(altered))
    for short in (b"", sealed[:1], sealed[:33], sealed[:-1]):
        with pytest.raises(Tampered):
            open_from(private, BINDING, short)


def test_a_key_follows_from_its_seed() -> None:
    private, public = new_sealing_key(b"s" * 32)
    assert public_sealing_key(private) == public == new_sealing_key(b"s" * 32)[1]


def test_what_is_no_key_is_refused() -> None:
    for public in (b"", bytes(31), bytes(32)):  # all zeros: the shared secret would be known
        with pytest.raises(Malformed):
            seal_to(public, BINDING, b"")


def test_the_suite_opens_the_message_of_rfc_9180() -> None:
    """RFC 9180 A.2.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305, base mode."""
    private = X25519PrivateKey.from_private_bytes(
        bytes.fromhex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb")
    )
    message = bytes.fromhex(
        "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
        "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db"
        "21993c62ce81883d2dd1b51a28"
    )
    plain = openssl.hpke._decrypt_with_aad(
        SUITE, message, private, b"Ode on a Grecian Urn", b"Count-0"
    )
    assert plain == b"Beauty is truth, truth beauty"


def test_a_seed_opens_with_its_passphrase_only() -> None:
    seed = bytes(range(32))
    sealed = seal_with_passphrase("vélo bleu", seed, CHEAP)
    assert seed not in sealed
    assert open_with_passphrase("vélo bleu", sealed) == seed
    decomposed = "ve\u0301lo bleu"
    assert open_with_passphrase(decomposed, sealed) == seed
    for wrong in ("velo bleu", "", "vélo bleu "):
        with pytest.raises(Tampered):
            open_with_passphrase(wrong, sealed)
    assert seal_with_passphrase("vélo bleu", seed, CHEAP) != sealed


def test_a_sealed_seed_may_not_ask_for_absurd_cost_nor_be_altered() -> None:
    sealed = seal_with_passphrase("vélo bleu", b"seed", CHEAP)
    box = decode(sealed, PassphraseSealed)
    cheaper = box.__replace__(cost=CHEAP.__replace__(iterations=2))
    with pytest.raises(Tampered):
        open_with_passphrase("vélo bleu", encode(cheaper))
    absurd = box.__replace__(cost=CHEAP.__replace__(memory_kib=2**30))
    for data in (encode(absurd), sealed[:-1], b""):
        with pytest.raises(Malformed):
            open_with_passphrase("vélo bleu", data)


def test_the_default_cost_is_that_of_rfc_9106() -> None:
    sealed = seal_with_passphrase("vélo bleu", b"seed")
    box = decode(sealed, PassphraseSealed)
    assert (box.cost.memory_kib, box.cost.iterations, box.cost.lanes) == (65_536, 3, 4)
    assert open_with_passphrase("vélo bleu", sealed) == b"seed"
