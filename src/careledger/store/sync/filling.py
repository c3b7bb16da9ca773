"""What the durable step writes that brings blocks of the past back."""

from collections.abc import Sequence
from dataclasses import dataclass

import lmdb

from careledger.ledger.merkle import HASH_BYTES
from careledger.ledger.record import Digest, encode
from careledger.ledger.tile import HEIGHT, WIDTH
from careledger.ledger.transition import Header
from careledger.store import tiles
from careledger.store.gap import Gap
from careledger.store.layout import GAP_KEY, Databases, number_key, seal_header, tile_key


@dataclass(frozen=True, kw_only=True)
class PastWrites:
    """One block of the past, checked: what it left in the log, as it is stored."""

    header: Header
    entries: tuple[bytes, ...]
    leaves: tuple[Digest, ...]
    transactions: tuple[bytes, ...]
    ids: tuple[Digest, ...]
    receipts: tuple[bytes, ...]
    """Of each transaction, then that of the block entry if it had evidence."""


def write_past(
    transaction: "lmdb.Transaction[bytes]",
    databases: Databases,
    past: Sequence[PastWrites],
    after: Gap | None,
) -> None:
    """Put consecutive blocks; what is there already, of the last hour, is the same."""

    def put(database: str, key: bytes, value: bytes) -> None:
        transaction.put(key, value, db=databases[database])

    for block in past:
        header = block.header
        put("headers", number_key(header.height), seal_header(header))
        for index, entry in enumerate(block.entries, header.first):
            put("entries", number_key(index), entry)
        for index, raw in enumerate(block.transactions, header.first):
            put("transactions", number_key(index), raw)
        for index, receipt in enumerate(block.receipts, header.first):
            put("receipts", number_key(index), receipt)
        for index, id_ in enumerate(block.ids, header.first):
            put("ids", id_, number_key(index))
    _grow(transaction, databases, past)
    if after is None:
        transaction.delete(GAP_KEY, db=databases["meta"])
    else:
        put("meta", GAP_KEY, encode(after))


def _grow(
    transaction: "lmdb.Transaction[bytes]", databases: Databases, past: Sequence[PastWrites]
) -> None:
    """Put the tiles; one that reaches further already, up to the newest entry, is left alone."""
    first = past[0].header.first

    def read(level: int, number: int) -> bytes:
        return transaction.get(tile_key(level, number), db=databases["tiles"]) or b""

    def read_as_it_was(level: int, number: int) -> bytes:
        width = min((first >> (HEIGHT * level)) - number * WIDTH, WIDTH)
        return read(level, number)[: width * HASH_BYTES]

    leaves = [leaf for block in past for leaf in block.leaves]
    for level, number, tile in tiles.grow(read_as_it_was, first, leaves):
        if len(tile) > len(read(level, number)):
            transaction.put(tile_key(level, number), tile, db=databases["tiles"])
