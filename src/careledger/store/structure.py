"""Whether a data file is sound as LMDB's own file, without LMDB: damage cannot crash this.

The content may still be wrong; that is for `careledger fsck` to say.
"""

import struct
from pathlib import Path

from lmdb.verify import VerifyError, verify

from careledger.store.layout import data_file

# LMDB 0.9 on 64 bits: page header 16 bytes; then the meta record, whose second database record is
# that of the named databases. A database record is 48 bytes and ends in entries and root page.
_PAGE_HEADER_BYTES = 16
_META = struct.Struct("=II8x8x48x32xQQQQ")
"""Magic, version, number of named databases, their root page, last page, transaction id."""
_LOWER = struct.Struct("=12xH")
_NODE = struct.Struct("=HHHH")
_DATABASE_BYTES = 48
_ENTRIES = struct.Struct("=32xQ8x")


def find_damage(folder: Path, *, filling: bool = False) -> list[str]:
    """What is wrong with the data file in `folder`, in the words of the verifier; [] if nothing.

    While a store is `filling`, its newest step may have brought back any number of blocks.

    Besides every page and list that is in use, it looks at the state before the last block, which
    LMDB keeps: were the newest root page damaged, LMDB would go back to that one without a word.
    """
    path = data_file(folder)
    try:
        found = [str(one) for one in verify(str(path))]  # type: ignore[no-untyped-call] # LMDB's own
        before, now = sorted(_read_root(path, page) for page in (0, 1))
    except (VerifyError, struct.error, OSError, ValueError) as error:
        return [f"not readable as an LMDB file: {error}"]
    if now[0] - before[0] != 1 or (now[1] - before[1] != 1 and not filling):
        found.append(f"root pages (transaction, blocks) do not follow: {before}, {now}")
    return found


def _read_root(path: Path, page: int) -> tuple[int, int]:
    """Transaction id of a root page, and the number of blocks that it leads to."""
    with path.open("rb") as data:
        data.seek(0)
        page_bytes = struct.unpack_from("=I", data.read(64), _PAGE_HEADER_BYTES + 24)[0]
        data.seek(page * page_bytes + _PAGE_HEADER_BYTES)
        *_, root, _, transaction = _META.unpack(data.read(_META.size))
        data.seek(root * page_bytes)
        return transaction, _count_headers(data.read(page_bytes))


def _count_headers(leaf: bytes) -> int:
    """Entries of the database "headers", from the one page that names the databases."""
    (lower,) = _LOWER.unpack_from(leaf)
    for place in range(_PAGE_HEADER_BYTES, lower, 2):
        (node,) = struct.unpack_from("=H", leaf, place)
        _, _, _, key_bytes = _NODE.unpack_from(leaf, node)
        begin = node + _NODE.size + key_bytes
        if leaf[node + _NODE.size : begin] == b"headers":
            (entries,) = _ENTRIES.unpack_from(leaf, begin)
            return int(entries)
    raise ValueError("no headers")
