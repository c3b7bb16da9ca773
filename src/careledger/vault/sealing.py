"""Sealing for what leaves the vault: to another's public key, or under a passphrase.

To a public key: HPKE (RFC 9180), mode base, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
ChaCha20Poly1305. The library's single-shot call takes no associated data, so everything that a
message is bound to goes into `info`: a message opens only for the chain, channel, receiver and
context that it was sealed for. Base mode does not say who sealed: signatures do that.
Under a passphrase: Argon2id (RFC 9106), then AES-256-GCM. `spec/vault-object.md` has both formats.
"""

import secrets
import unicodedata
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from careledger.ledger.errors import Malformed
from careledger.ledger.record import Hash, Name, Record, decode, encode
from careledger.vault.errors import Tampered

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)

FORMAT = b"\x01"
"""First byte of a message; another suite (a post-quantum one) will have another."""

SALT_BYTES = 16
NONCE_BYTES = 12


class Binding(Record):
    """What a sealed message is for; both sides must say the same, or it does not open."""

    domain: Literal["careledger hpke v1"] = "careledger hpke v1"
    chain: Hash
    channel: Name
    """What kind of message: "terms", "handle", "document" and so on."""
    receiver: Name
    """Member or account id of whoever holds the private key."""
    context: Annotated[bytes, msgspec.Meta(max_length=1024)] = b""
    """Whatever else it belongs to: a consent id, an epoch; empty if nothing."""


def new_sealing_key(seed: bytes | None = None) -> tuple[bytes, bytes]:
    """An X25519 key pair as (private, public), 32 bytes each; from `seed` if it is given."""
    private = seed if seed is not None else secrets.token_bytes(32)
    return private, public_sealing_key(private)


def public_sealing_key(private: bytes) -> bytes:
    """The X25519 public key, 32 bytes, of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def seal_to(public: bytes, binding: Binding, plaintext: bytes) -> bytes:
    """Seal to the holder of the X25519 key `public`: 49 bytes longer than `plaintext`.

    Raises:
        Malformed: not a usable public key.
    """
    try:
        key = X25519PublicKey.from_public_bytes(public)
        return FORMAT + SUITE.encrypt(plaintext, key, info=encode(binding))
    except ValueError as error:
        raise Malformed from error


def open_from(private: bytes, binding: Binding, sealed: bytes) -> bytes:
    """Inverse of `seal_to`.

    Raises:
        Tampered: altered, for another key, or bound to something else.
    """
    if sealed[:1] != FORMAT:
        raise Tampered("a sealed message", expected=1, actual=len(sealed) and sealed[0])
    key = X25519PrivateKey.from_private_bytes(private)
    try:
        return SUITE.decrypt(sealed[1:], key, info=encode(binding))
    except (InvalidTag, ValueError) as error:
        raise Tampered("a sealed message") from error


class Cost(Record):
    """What one guess of the passphrase costs. The default is RFC 9106's second recommendation."""

    memory_kib: Annotated[int, msgspec.Meta(ge=8_192, le=1_048_576)] = 65_536
    iterations: Annotated[int, msgspec.Meta(ge=1, le=16)] = 3
    lanes: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4


class PassphraseSealed(Record):
    """A secret sealed under a passphrase, with what is needed to open it again."""

    format: Literal["careledger passphrase v1"] = "careledger passphrase v1"
    cost: Cost
    salt: Annotated[bytes, msgspec.Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
    nonce: Annotated[bytes, msgspec.Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    sealed: Annotated[bytes, msgspec.Meta(min_length=16, max_length=65_536)]


def seal_with_passphrase(passphrase: str, secret: bytes, cost: Cost | None = None) -> bytes:
    """Seal a short secret, such as a wallet's seed. Slow on purpose: about 0.1 s, 64 MiB."""
    chosen, salt = cost or Cost(), secrets.token_bytes(SALT_BYTES)
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = _passphrase_key(passphrase, chosen, salt).encrypt(nonce, secret, encode(chosen))
    return encode(PassphraseSealed(cost=chosen, salt=salt, nonce=nonce, sealed=sealed))


def open_with_passphrase(passphrase: str, data: bytes) -> bytes:
    """Inverse of `seal_with_passphrase`.

    Raises:
        Malformed: not such a sealed secret, or one that asks for absurd cost.
        Tampered: another passphrase, or altered.
    """
    box = decode(data, PassphraseSealed)
    try:
        key = _passphrase_key(passphrase, box.cost, box.salt)
        return key.decrypt(box.nonce, box.sealed, encode(box.cost))
    except InvalidTag as error:
        raise Tampered("a secret under a passphrase") from error


def _passphrase_key(passphrase: str, cost: Cost, salt: bytes) -> AESGCM:
    derived = Argon2id(
        salt=salt,
        length=32,
        iterations=cost.iterations,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    ).derive(unicodedata.normalize("NFC", passphrase).encode())  # RFC 8265 4.2.2
    return AESGCM(derived)
