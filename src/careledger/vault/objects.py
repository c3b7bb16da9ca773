"""One sealed object: a version of a resource, its salt and its facts, under one patient's key.

`spec/vault-object.md` has the format and a vector. Destroying the patient's key destroys the bytes
and the salt together, so the commitment on the ledger says nothing from then on.
"""

import hmac
import secrets
from functools import lru_cache
from typing import NewType

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.ledger.record import Instant, MemberId, encode
from careledger.vault.errors import Tampered

PatientRef = NewType("PatientRef", bytes)
"""One local patient of one custodian: 16 random bytes; says nothing outside the vault."""

DIRECTORY = PatientRef(bytes(16))
"""Stands in for a patient where a resource belongs to none (Practitioner, a Device in stock)."""

BlindName = NewType("BlindName", bytes)
"""A name that only the vault can compute: HMAC-SHA256 under its index key, first 16 bytes."""

FORMAT = b"\x01"
NONCE_BYTES = 12
SALT_BYTES = 32
_HEAD = SALT_BYTES + 8 + 4
_ELSEWHERE = 1 << 31
"""The highest bit of the length of the facts."""

OBJECT = "careledger vault object v1"
SEGMENT = "careledger vault segment v2"
CARD = "careledger vault patient v1"
DATA_KEY = "careledger vault data key v1"
INDEX_KEY = "careledger vault index key v1"


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a sealed object belongs; it opens nowhere else."""

    custodian: MemberId
    patient: PatientRef
    name: BlindName
    """Of type and id: blind, so that the object can be opened when its index is lost."""
    version: int

    def binding(self) -> bytes:
        """The associated data."""
        return encode((OBJECT, self.custodian, self.patient, self.name, self.version))


class Content(msgspec.Struct, frozen=True, gc=False):
    """What is sealed. Empty data that is not elsewhere is a deletion: no resource is empty."""

    salt: bytes
    stored: Instant
    facts: bytes
    """The facts of the resource, as `index` encodes them; a deletion keeps those before it."""
    data: bytes
    """The resource, byte for byte as received; empty if it is elsewhere."""
    elsewhere: bool = False
    """Whether its bytes are committed to here and kept outside the vault."""

    def __repr__(self) -> str:
        """Nothing of what it says: this is what logs and errors show."""
        return f"Content(stored={self.stored}, of {len(self.data)} bytes)"

    @property
    def deleted(self) -> bool:
        """Whether this version is a deletion."""
        return not self.data and not self.elsewhere


def seal_object(key: AESGCM, place: Place, content: Content) -> bytes:
    """The sealed object; 73 bytes longer than facts and data."""
    plain = b"".join(
        (
            content.salt,
            content.stored.to_bytes(8),
            (len(content.facts) | _ELSEWHERE * content.elsewhere).to_bytes(4),
            content.facts,
            content.data,
        )
    )
    return seal(key, plain, place.binding())


def open_object(key: AESGCM, place: Place, sealed: bytes) -> Content:
    """Inverse of `seal_object`.

    Raises:
        Tampered: altered, or it belongs elsewhere.
    """
    plain = unseal(key, sealed, place.binding(), "a sealed object")
    marked = int.from_bytes(plain[_HEAD - 4 : _HEAD])
    facts_end = _HEAD + (marked & ~_ELSEWHERE)
    return Content(
        salt=plain[:SALT_BYTES],
        stored=int.from_bytes(plain[SALT_BYTES : SALT_BYTES + 8]),
        facts=plain[_HEAD:facts_end],
        data=plain[facts_end:],
        elsewhere=bool(marked & _ELSEWHERE),
    )


def seal(key: AESGCM, plain: bytes, binding: bytes) -> bytes:
    """Format byte, random 96-bit nonce, AES-256-GCM ciphertext and tag."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return FORMAT + nonce + key.encrypt(nonce, plain, binding)


def unseal(key: AESGCM, sealed: bytes, binding: bytes, what: str) -> bytes:
    """Inverse of `seal`.

    Raises:
        Tampered: altered, or it belongs elsewhere; the error says `what`.
    """
    if sealed[:1] != FORMAT:
        raise Tampered(what, expected=1, actual=sealed[0] if sealed else None)
    try:
        return key.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], binding)
    except (InvalidTag, ValueError) as error:
        raise Tampered(what) from error


def blind(index_key: bytes, *parts: str) -> BlindName:
    """The blind name of a local id, an account or a resource; `parts[0]` says which.

    No part may hold a zero byte, which separates them.
    """
    text = "\0".join(parts)
    if text.count("\0") >= len(parts):
        raise ValueError(parts[0])
    keyed = _keyed(index_key).copy()
    keyed.update(text.encode())
    return BlindName(keyed.digest()[:16])


@lru_cache(maxsize=16)  # a vault has one, each cabinet another; keying costs as much as hashing
def _keyed(index_key: bytes) -> hmac.HMAC:
    return hmac.new(index_key, digestmod="sha256")


def resource_name(index_key: bytes, type_: str, id_: str) -> BlindName:
    """The blind name of a resource."""
    return blind(index_key, "resource", type_, id_)
