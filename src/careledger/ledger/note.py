"""Signed notes (C2SP signed-note v1): a text, and lines that sign it.

A note is text that ends in a newline, an empty line, then lines "— name base64(key id, signature)".
Ed25519 is the only algorithm; plain signatures are type 01, timestamped cosignatures type 04 (C2SP
tlog-cosignature v1).
"""

import base64
import binascii
import re
from dataclasses import dataclass
from enum import IntEnum

from careledger.ledger.errors import BadSignature, Malformed
from careledger.ledger.record import Instant, digest
from careledger.ledger.signature import PublicKey, SigningKey, verify

MAX_NOTE_BYTES = 1 << 18
MAX_SIGNATURES = 1024

_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")
_LINE = re.compile(r"— (\S+) ([A-Za-z0-9+/]+={0,2})")
_KEY_ID_BYTES = 4
_TIME_BYTES = 8


class Kind(IntEnum):
    """What a signature line says; the byte goes into the key id."""

    SIGNATURE = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True, kw_only=True)
class NoteKey:
    """A verification key with the name and kind it signs under; `public` is raw Ed25519."""

    name: str
    kind: Kind
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Malformed

    @property
    def id(self) -> bytes:
        """First four bytes of SHA-256(name, newline, kind, key)."""
        return digest(self.name.encode() + b"\n" + self.material)[:_KEY_ID_BYTES]

    @property
    def material(self) -> bytes:
        """Kind and key, as key ids and verifier keys hold them."""
        return bytes([self.kind]) + self.public

    def format(self) -> str:
        """The key as one line, `name+id+base64`, which other log clients can be configured with."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(self.material).decode()}"


@dataclass(frozen=True, kw_only=True)
class NoteSignature:
    """One signature line. `signature` of a cosignature begins with its time in eight bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def format(self) -> str:
        """The line, without its newline."""
        return f"— {self.name} {base64.b64encode(self.key_id + self.signature).decode()}"


@dataclass(frozen=True, kw_only=True)
class Note:
    """A text and the lines that sign it; nothing of it is checked yet."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def format(self) -> str:
        """The whole note."""
        lines = "".join(f"{signature.format()}\n" for signature in self.signatures)
        return f"{self.text}\n{lines}"


def parse_note(data: str) -> Note:
    """Inverse of `Note.format`.

    Raises:
        Malformed: not a signed note, or it would be written differently.
    """
    text, separator, lines = data.rpartition("\n\n")
    if not separator or len(data) > MAX_NOTE_BYTES or not lines.endswith("\n"):
        raise Malformed
    if any(ord(character) < ord(" ") and character != "\n" for character in data):
        raise Malformed
    signatures = tuple(map(_parse_line, lines[:-1].split("\n")))
    if len(signatures) > MAX_SIGNATURES:
        raise Malformed
    return Note(text=text + "\n", signatures=signatures)


def sign_note(text: str, name: str, key: SigningKey) -> NoteSignature:
    """Sign `text`, which ends in a newline, as `name`."""
    return _signed(name, Kind.SIGNATURE, key, text.encode(), b"")


def cosign_note(text: str, name: str, key: SigningKey, time: Instant) -> NoteSignature:
    """Sign `text` as the newest that `name` has seen at `time`."""
    return _signed(name, Kind.COSIGNATURE, key, _cosigned(text, time), time.to_bytes(_TIME_BYTES))


def verify_signature(text: str, signature: NoteSignature, key: NoteKey) -> Instant | None:
    """Check one line under the key that it names; the time it states, if it states one.

    Raises:
        BadSignature: it does not verify, or it names another key.
    """
    if (signature.name, signature.key_id) != (key.name, key.id):
        raise BadSignature
    public = PublicKey(algorithm="EdDSA", public=key.public)
    if key.kind is Kind.SIGNATURE:
        verify(public, text.encode(), signature.signature)
        return None
    time = int.from_bytes(signature.signature[:_TIME_BYTES])
    if time >> 53:  # an Instant; C2SP allows up to 63 bits
        raise BadSignature
    verify(public, _cosigned(text, time), signature.signature[_TIME_BYTES:])
    return time


def decode_base64(text: str) -> bytes:
    """Standard base64 in its one canonical spelling (RFC 4648 4).

    Raises:
        Malformed: anything else.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed from error
    if base64.b64encode(data).decode() != text:
        raise Malformed
    return data


def _parse_line(line: str) -> NoteSignature:
    match = _LINE.fullmatch(line)
    if match is None:
        raise Malformed
    name, signature = match[1], decode_base64(match[2])
    if not _NAME.fullmatch(name) or len(signature) <= _KEY_ID_BYTES:
        raise Malformed
    return NoteSignature(
        name=name, key_id=signature[:_KEY_ID_BYTES], signature=signature[_KEY_ID_BYTES:]
    )


def _signed(name: str, kind: Kind, key: SigningKey, message: bytes, before: bytes) -> NoteSignature:
    if key.algorithm != "EdDSA":
        raise Malformed
    note_key = NoteKey(name=name, kind=kind, public=key.public.public)
    return NoteSignature(name=name, key_id=note_key.id, signature=before + key.sign(message))


def _cosigned(text: str, time: Instant) -> bytes:
    """What a cosignature signs (C2SP tlog-cosignature)."""
    return f"cosignature/v1\ntime {time}\n{text}".encode()
