"""Which named databases an LMDB environment of ours holds, and how their keys are written.

`spec/store.md` has the table. Numbers are eight bytes big-endian, so that they sort.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import lmdb

from careledger.ledger.errors import CorruptStore
from careledger.ledger.record import decode_trusted, digest, encode
from careledger.ledger.transition import Header

FORMAT = b"careledger store 1"

DATABASES = (
    "headers",
    "transactions",
    "receipts",
    "entries",
    "ids",
    "tiles",
    "rows",
    "buckets",
    "meta",
)

FORMAT_KEY, GENESIS_KEY, GROUPS_KEY = b"format", b"genesis", b"groups"
"""Keys of `meta`: what this is, the genesis file, the roots of the state tree's groups."""

GAP_KEY = b"gap"
"""Key of `meta`, while a store that began from a snapshot lacks some of the past: which."""

CHECK_BYTES = 8

BUCKET_KEY_BYTES = 2

MAP_BYTES = 1 << 40
"""Address space, not disk space: the file grows as it needs to."""

MAX_READERS = 512
MAX_DATABASES = 16

# Handles of one open environment: only LMDB itself can make them.
Databases = Mapping[str, "lmdb._Database"]  # noqa: SLF001 - its type has no public name


Commit = Callable[["lmdb.Transaction[bytes]"], None]
"""The durable step itself, so that tests can fail it."""


def data_file(folder: Path) -> Path:
    """The one file that holds everything."""
    return folder / "data.mdb"


def create_databases(environment: lmdb.Environment, commit: Commit) -> None:
    """Make the named databases, in one durable step, unless there is something already."""
    if environment.stat()["entries"]:
        return
    transaction = environment.begin(write=True)
    try:
        for name in DATABASES:
            database = environment.open_db(name.encode(), txn=transaction)
            if name == "meta":
                transaction.put(FORMAT_KEY, FORMAT, db=database)
        commit(transaction)
    except BaseException:
        transaction.abort()
        raise


def open_databases(environment: lmdb.Environment) -> Databases:
    """The named databases.

    Raises:
        CorruptStore: one is missing, or the folder is of another format.
    """
    try:
        databases = {name: environment.open_db(name.encode(), create=False) for name in DATABASES}
    except lmdb.NotFoundError as error:
        raise CorruptStore("a named database is missing") from error
    with environment.begin() as transaction:
        found = transaction.get(FORMAT_KEY, db=databases["meta"])
    if found != FORMAT:
        raise CorruptStore("another store format", FORMAT, found)
    return databases


def seal_header(header: Header) -> bytes:
    """A header as stored: its encoding, then the first 8 bytes of that encoding's SHA-256.

    Nothing else in the store repeats the time of an empty block, so it carries its own check.
    """
    data = encode(header)
    return data + digest(data)[:CHECK_BYTES]


@lru_cache(maxsize=16)  # the newest one is asked for by every decision until the next block
def open_header(data: bytes) -> Header:
    """Inverse of `seal_header`.

    Raises:
        CorruptStore: it is not what was stored.
    """
    header, check = data[:-CHECK_BYTES], data[-CHECK_BYTES:]
    if digest(header)[:CHECK_BYTES] != check:
        raise CorruptStore("a header fails its check", digest(header)[:8].hex(), check.hex())
    return decode_trusted(header, Header)


def number_key(number: int) -> bytes:
    """Key of a height or a log position."""
    return number.to_bytes(8)


def tile_key(level: int, number: int) -> bytes:
    """Key of a tile: one byte of level, eight of number."""
    return level.to_bytes(1) + number.to_bytes(8)


def bucket_key(number: int) -> bytes:
    """Key of a bucket of the state tree."""
    return number.to_bytes(BUCKET_KEY_BYTES)
