"""What the durable step of one block writes, database by database."""

from collections.abc import Iterable, Mapping, Sequence

import lmdb

from careledger.ledger.errors import InvalidBlock
from careledger.ledger.record import encode
from careledger.ledger.state import Changes
from careledger.ledger.transition import Closed, Receipt
from careledger.store import tiles
from careledger.store.layout import (
    GROUPS_KEY,
    Databases,
    bucket_key,
    number_key,
    seal_header,
    tile_key,
)

Pairs = Iterable[tuple[bytes, bytes]]


def write_block(
    transaction: "lmdb.Transaction[bytes]",
    databases: Databases,
    closed: Closed,
    transactions: Sequence[bytes],
    receipts: Sequence[Receipt],
    changes: Changes,
    buckets: Mapping[int, bytes],
    groups: bytes,
) -> None:
    """Put everything that a block adds or changes; nothing is there until the commit."""
    header = closed.header
    numbers = [number_key(index) for index in range(header.first, header.size)]

    def put(name: str, pairs: Pairs, *, append: bool = False, overwrite: bool = True) -> None:
        rows = list(pairs)
        with transaction.cursor(databases[name]) as cursor:
            _, added = cursor.putmulti(rows, append=append, overwrite=overwrite)
        if added != len(rows) and not overwrite:
            raise InvalidBlock(f"already in {name}", 0, len(rows) - added)

    def read_tile(level: int, number: int) -> bytes:
        return transaction.get(tile_key(level, number), db=databases["tiles"]) or b""

    put("headers", [(number_key(header.height), seal_header(header))], append=True, overwrite=False)
    put("entries", zip(numbers, closed.entries, strict=True), append=True, overwrite=False)
    # The block entry comes last; it has a receipt only if evidence came with the block.
    put("transactions", zip(numbers, transactions, strict=False), append=True, overwrite=False)
    told = zip(numbers, map(encode, receipts), strict=False)
    put("receipts", told, append=True, overwrite=False)
    if closed.witnessed is not None:
        put("receipts", [(numbers[-1], encode(closed.witnessed))], append=True, overwrite=False)
    put(
        "ids",
        sorted((one.id, at) for one, at in zip(receipts, numbers, strict=False)),
        overwrite=False,
    )
    grown = tiles.grow(read_tile, header.first, closed.leaves)
    put("tiles", [(tile_key(level, number), tile) for level, number, tile in grown])
    put_or_delete(transaction, databases["rows"], changes)
    keyed = {bucket_key(number): bucket or None for number, bucket in buckets.items()}
    put_or_delete(transaction, databases["buckets"], keyed)
    if buckets:
        put("meta", [(GROUPS_KEY, groups)])


def put_or_delete(
    transaction: "lmdb.Transaction[bytes]",
    database: "lmdb._Database",
    changes: Changes,
) -> None:
    """Make `changes`, in key order: neighbours share pages."""
    for key in sorted(key for key, value in changes.items() if value is None):
        transaction.delete(key, db=database)
    with transaction.cursor(database) as cursor:
        cursor.putmulti(sorted((key, row) for key, row in changes.items() if row is not None))
