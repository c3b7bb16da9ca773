"""A scanner for QR codes as `careledger receipt --qr` writes them: PNG in, text out.

It reads what a phone would: modules, mask, codewords, characters (ISO/IEC 18004:2015). It corrects
no errors. The tables of the standard are those of `segno`, which wrote the code.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from segno import consts, encoder

ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
BORDER, SCALE = 4, 4
MASKS: tuple[Callable[[int, int], bool], ...] = (
    lambda i, j: (i + j) % 2 == 0,
    lambda i, j: i % 2 == 0,
    lambda i, j: j % 3 == 0,
    lambda i, j: (i + j) % 3 == 0,
    lambda i, j: (i // 2 + j // 3) % 2 == 0,
    lambda i, j: i * j % 2 + i * j % 3 == 0,
    lambda i, j: (i * j % 2 + i * j % 3) % 2 == 0,
    lambda i, j: ((i + j) % 2 + i * j % 3) % 2 == 0,
)
"""7.8.2, table 10."""


def scan(png: bytes) -> str:
    """The text of a code of one alphanumeric segment."""
    modules = _modules(png)
    version = (len(modules) - 17) // 4
    # 7.9.1: error level and mask, under the mask of the format information itself.
    head = [modules[8][j] for j in range(5)]
    format_ = int("".join(map(str, head)), 2) ^ 0b10101
    level, mask = format_ >> 3, MASKS[format_ & 7]
    bits = [modules[i][j] ^ mask(i, j) for i, j in _places(len(modules))]
    codewords = [int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, len(bits) - 7, 8)]
    return _text("".join(f"{one:08b}" for one in _data(codewords, version, level)), version)


def _modules(png: bytes) -> list[list[int]]:
    """Dark is 1; the quiet zone is gone."""
    at, width, packed = 8, 0, b""
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, _, depth = struct.unpack(">IIB", body[:9])
            assert depth == 1
        packed += body if kind == b"IDAT" else b""
        at += length + 12
    rows, stride = zlib.decompress(packed), (width + 7) // 8 + 1
    size = width // SCALE - 2 * BORDER
    found = []
    for i in range(size):
        row = rows[(i + BORDER) * SCALE * stride :][:stride]
        assert row[0] == 0, "no filter"
        places = ((j + BORDER) * SCALE for j in range(size))
        found.append([1 - (row[1 + at // 8] >> (7 - at % 8) & 1) for at in places])
    return found


def _places(size: int) -> Iterator[tuple[int, int]]:
    """Where data stands, in the order of its bits (7.7.3)."""
    encode: Any = encoder  # Any: it carries no types
    matrix = encode.make_matrix(size, size)
    encode.add_finder_patterns(matrix, size, size)
    encode.add_alignment_patterns(matrix, size, size)
    up, right = True, size - 1
    while right > 0:
        right -= right == 6
        for i in range(size - 1, -1, -1) if up else range(size):
            yield from ((i, j) for j in (right, right - 1) if matrix[i][j] == 2)
        up, right = not up, right - 2


def _data(codewords: list[int], version: int, level: int) -> list[int]:
    """The data codewords, block after block (7.6)."""
    blocks_of: Any = consts.ECC  # Any: it carries no types
    sizes = [group.num_data for group in blocks_of[version][level] for _ in range(group.num_blocks)]
    blocks: list[list[int]] = [[] for _ in sizes]
    rest = iter(codewords)
    for position in range(max(sizes)):
        for block, length in zip(blocks, sizes, strict=True):
            if position < length:
                block.append(next(rest))
    return [one for block in blocks for one in block]


def _text(bits: str, version: int) -> str:
    """The characters of one alphanumeric segment (7.4.4)."""
    assert bits[:4] == "0010"
    wide = 9 if version < 10 else 11 if version < 27 else 13
    count, at, text = int(bits[4 : 4 + wide], 2), 4 + wide, ""
    for _ in range(count // 2):
        first, second = divmod(int(bits[at : at + 11], 2), 45)
        text, at = text + ALPHANUMERIC[first] + ALPHANUMERIC[second], at + 11
    return text + (ALPHANUMERIC[int(bits[at : at + 6], 2)] if count % 2 else "")
