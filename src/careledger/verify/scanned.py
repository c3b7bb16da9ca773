"""Evidence as text for a QR code: `CARELEDGER1:` and Base45 (RFC 9285) of the deflated file.

QR codes hold more of that alphabet than of bytes, and every scanner shows it as text.
"""

import zlib
from typing import Final

from careledger.ledger.errors import Malformed
from careledger.ledger.record import MAX_BYTES

PREFIX: Final = "CARELEDGER1:"

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}


def format_scanned(data: bytes) -> str:
    """The text for a file."""
    return PREFIX + encode_base45(zlib.compress(data, 9))


def parse_scanned(text: str) -> bytes:
    """Inverse of `format_scanned`; blanks at the end are a scanner's.

    Raises:
        Malformed: it would not have produced this, or a file beyond all bounds.
    """
    if not text.startswith(PREFIX):
        raise Malformed
    packed = decode_base45(text[len(PREFIX) :].rstrip("\r\n"))
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(packed, MAX_BYTES)
    except zlib.error as error:
        raise Malformed from error
    if not stream.eof or stream.unused_data:
        raise Malformed
    return data


def encode_base45(data: bytes) -> str:
    """RFC 9285 4: two bytes become three characters, a last one two."""
    parts: list[str] = []
    for at in range(0, len(data), 2):
        pair = data[at : at + 2]
        number, count = int.from_bytes(pair), len(pair) + 1
        for _ in range(count):
            number, value = divmod(number, 45)
            parts.append(_ALPHABET[value])
    return "".join(parts)


def decode_base45(text: str) -> bytes:
    """Inverse of `encode_base45`.

    Raises:
        Malformed: it would not have produced this.
    """
    data = bytearray()
    for at in range(0, len(text), 3):
        group = text[at : at + 3]
        if len(group) == 1 or not set(group) <= _VALUES.keys():
            raise Malformed
        number = sum(_VALUES[character] * 45**place for place, character in enumerate(group))
        size = len(group) - 1
        if number >= 256**size:
            raise Malformed
        data += number.to_bytes(size)
    return bytes(data)
