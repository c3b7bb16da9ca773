"""The buckets of the state tree, derived from rows on disk in bounded memory."""

from collections.abc import Iterator
from hashlib import sha256
from itertools import groupby

import lmdb

from careledger.store.layout import BUCKET_KEY_BYTES

PASS_ROWS = 2_000_000
"""Rows whose hashes are in memory at once: some 250 MB."""


def buckets_of(
    environment: lmdb.Environment, rows: "lmdb._Database", count: int
) -> Iterator[list[tuple[bytes, bytes]]]:
    """Every bucket with its key, in order, some thousands at a time, for about `count` rows.

    Each pass over the rows takes those whose key hash falls into one of equal parts.
    """
    passes = min(count // PASS_ROWS + 1, 256)
    for number in range(passes):
        leaves = _leaves(environment, rows, number, passes)
        leaves.sort()
        grouped = groupby(leaves, key=lambda leaf: leaf[:BUCKET_KEY_BYTES])
        buckets = [(bucket, b"".join(inside)) for bucket, inside in grouped]
        del leaves
        yield buckets


def _leaves(
    environment: lmdb.Environment, rows: "lmdb._Database", number: int, passes: int
) -> list[bytes]:
    """Key hash and row hash of the rows in one part."""
    leaves: list[bytes] = []
    with environment.begin() as transaction, transaction.cursor(rows) as cursor:
        for key, row in cursor:
            key_hash = sha256(key).digest()
            if passes == 1 or key_hash[0] * passes >> 8 == number:
                leaves.append(key_hash + sha256(row).digest())
    return leaves
