"""The blocks of a store as found, their signatures checked, ahead of the replay that judges them.

What is read may be damaged, so everything found here is a claim: a transaction that does not hold
comes out as the reason why.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import msgspec

from careledger.consensus.verification import Checked, plain, restore
from careledger.ledger.entry import BlockEntry, Evidence, decode_entry
from careledger.ledger.errors import CorruptStore, LedgerError, Malformed
from careledger.ledger.membership import KEYS, public_key
from careledger.ledger.record import (
    Digest,
    Instant,
    SignerId,
    decode,
)
from careledger.ledger.signature import PublicKey
from careledger.ledger.state import View
from careledger.ledger.statement import SKEW_S
from careledger.ledger.transaction import (
    VerifiedTransaction,
    parse_transaction,
    verify_transaction,
)
from careledger.ledger.transition import Header
from careledger.store.reader import StoreReader
from careledger.store.snapshot import Snapshot

Signed = tuple[bytes, Instant]
"""A transaction as found, and the time of its block."""

Keys = dict[tuple[SignerId, Digest], PublicKey | None]
"""(signer, key id) -> that key, of one state."""

CHUNK = 400
AHEAD = 4
"""Chunks that workers may be ahead of the replay."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A block as found: its header, and each transaction or what is wrong with it."""

    header: Header
    raws: Sequence[bytes]
    transactions: Sequence[VerifiedTransaction | str]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    blocks: list[tuple[Header, list[bytes]]]
    checked: "Future[list[Checked | str]] | None"


def find_blocks(
    committed: Snapshot, folder: Path, chain: Digest, pool: ProcessPoolExecutor | None
) -> Iterator[Found]:
    """Every block of the store after the first, in order.

    Raises:
        CorruptStore: a header or a transaction is missing, or fails its check.
    """
    chunks: deque[_Chunk] = deque()
    damage: CorruptStore | None = None
    try:
        for blocks in _chunks(committed):
            signed = [(raw, header.time) for header, raws in blocks for raw in raws]
            checked = pool.submit(check_many, folder, signed, chain) if pool else None
            chunks.append(_Chunk(blocks=blocks, checked=checked))
            if len(chunks) > (AHEAD if pool else 0):
                yield from _settle(chunks.popleft(), committed, chain)
    except CorruptStore as error:  # later than the blocks that are still on their way
        damage = error
    for chunk in chunks:
        yield from _settle(chunk, committed, chain)
    if damage is not None:
        raise damage


def start_workers(count: int) -> ProcessPoolExecutor:
    """Processes that check signatures; start them before LMDB is opened here."""
    pool = ProcessPoolExecutor(count, mp_context=get_context("fork"))
    pool.submit(len, ()).result()
    return pool


def check_many(folder: Path, signed: Sequence[Signed], chain: Digest) -> list[Checked | str]:
    """In a worker: check each transaction by itself and against its signer's key."""
    with StoreReader(folder) as reader, reader.snapshot() as committed:
        keys: Keys = {}
        found = [check_one(View(committed), raw, time, chain, keys) for raw, time in signed]
    return [one if isinstance(one, str) else plain(one) for one in found]


def _chunks(committed: Snapshot) -> Iterator[list[tuple[Header, list[bytes]]]]:
    """Blocks as they are read, some hundred transactions at a time."""
    blocks: list[tuple[Header, list[bytes]]] = []
    count, size = 0, 1
    try:
        for height in range(1, committed.latest().height + 1):
            header, raws = _read(committed, height, size)
            size = header.size
            blocks.append((header, raws))
            count += len(raws) + 1
            if count >= CHUNK:
                yield blocks
                blocks, count = [], 0
    except CorruptStore:
        yield blocks
        raise
    yield blocks


def _read(committed: Snapshot, height: int, size: int) -> tuple[Header, list[bytes]]:
    """The header at `height`, which follows a log of `size`, and the transactions."""
    try:
        header = committed.header(height)
    except (msgspec.MsgspecError, ValueError) as error:
        raise CorruptStore("the header is not one") from error
    if header is None or (header.height, header.first) != (height, size) or header.size < size:
        raise CorruptStore("no header that follows")
    raws: list[bytes] = []
    for index in range(header.first, header.size - 1):
        raw = committed.transaction_at(index)
        if raw is None:
            raise CorruptStore(f"no transaction at log position {index}")
        raws.append(raw)
    return header, raws


def _settle(chunk: _Chunk, committed: Snapshot, chain: Digest) -> Iterator[Found]:
    checked = iter(chunk.checked.result()) if chunk.checked else None
    keys: Keys = {}
    for header, raws in chunk.blocks:
        transactions = [
            check_one(View(committed), raw, header.time, chain, keys)
            if checked is None
            else _restored(raw, next(checked))
            for raw in raws
        ]
        evidence = _evidence(committed, header)
        yield Found(header=header, raws=raws, transactions=transactions, evidence=evidence)


def _evidence(committed: Snapshot, header: Header) -> tuple[Evidence, ...]:
    """What the block entry says that the engine brought; none if the entry is damaged.

    Then the entry that the replay computes differs from it, which is the finding.
    """
    data = committed.entry(header.size - 1) if header.size > header.first else None
    try:
        entry = None if data is None else decode_entry(data)
        if isinstance(entry, BlockEntry):
            return tuple(decode(one, Evidence) for one in entry.evidence)
    except Malformed:
        pass
    return ()


def check_one(
    view: View, raw: bytes, time: Instant, chain: Digest, keys: Keys
) -> VerifiedTransaction | str:
    """The transaction, verified under the key that `view` has for it, or what is wrong with it.

    A key that was retired counts as well: whether it was live then, applying the block will tell.
    `keys` remembers those of `view` that were looked up.
    """
    try:
        transaction = parse_transaction(raw)
        statement = transaction.statement
        claims = statement.claims
        if claims.audience != chain.hex():
            return "for another chain"
        if not claims.not_before - SKEW_S <= time <= claims.expires:
            return "outside its window"
        at = statement.issuer, statement.key_id
        if at not in keys:
            row = view.get(KEYS, *at)
            keys[at] = None if row is None else public_key(row)
        key = keys[at]
        if key is None or key.algorithm != statement.algorithm:
            return "signed under an unknown key"
        return verify_transaction(transaction, key)
    except (LedgerError, msgspec.MsgspecError, ValueError) as error:
        return type(error).__name__


def _restored(raw: bytes, checked: Checked | str) -> VerifiedTransaction | str:
    return checked if isinstance(checked, str) else restore(raw, checked)
