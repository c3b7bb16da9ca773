"""The comparison at the heart of fsck: what is stored, against what the replay computes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from careledger.ledger.entry import GenesisEntry, encode_entry
from careledger.ledger.errors import CorruptStore
from careledger.ledger.genesis import Installed
from careledger.ledger.record import digest, encode
from careledger.ledger.state import View
from careledger.ledger.tile import TILE_BYTES, WIDTH
from careledger.ledger.transaction import VerifiedTransaction
from careledger.ledger.transition import Header
from careledger.node.evidence import Found, check_one, find_blocks
from careledger.node.replay import Computed, Replay
from careledger.store.layout import (
    FORMAT,
    FORMAT_KEY,
    GENESIS_KEY,
    GROUPS_KEY,
    bucket_key,
    number_key,
    seal_header,
    tile_key,
)
from careledger.store.snapshot import Snapshot

Progress = Callable[[int, int], None]
"""(blocks checked, blocks in all)."""

MAX_FINDINGS = 100
_TELL_EVERY = 50_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong; values by their first bytes' digest, never in the clear."""

    height: int | None
    """The block that wrote it; `None` for the file as a whole."""
    what: str
    expected: str = ""
    actual: str = ""


class TooMuch(Exception):
    """There is no point in looking further."""


class Comparison:
    """One pass over a store. Mutable: it gathers findings as it goes."""

    def __init__(self, committed: Snapshot, folder: Path, progress: Progress) -> None:
        """Look at `committed`, which is the store in `folder`."""
        self._committed = committed
        self._folder = folder
        self._progress = progress
        self.findings: list[Finding] = []
        self.height = -1
        self.transactions = 0
        self._witnessed = 0
        self.rows = 0

    def run(self, place: Path, installed: Installed, pool: ProcessPoolExecutor | None) -> None:
        """Replay the whole chain in the folder `place`, and compare everything.

        Raises:
            BadGenesis: the genesis file is as it was, but not one that `installed` can run.
        """
        with suppress(TooMuch):
            genesis_file = self._genesis_file()
            with Replay(place, genesis_file, installed) as replay:
                self._blocks(replay, pool)
                self._state(replay)
                self._tiles(replay)
                self._meta(replay, genesis_file)
                self._counts(replay.header.size)

    def _genesis_file(self) -> bytes:
        """The genesis file, which the first log entry vouches for."""
        genesis_file = self._committed.genesis()
        entry = encode_entry(GenesisEntry(chain=digest(genesis_file)))
        if self._committed.entry(0) != entry:
            self._stop(0, "the genesis file or the first log entry")
        return genesis_file

    def _blocks(self, replay: Replay, pool: ProcessPoolExecutor | None) -> None:
        of = self._committed.latest().height + 1
        self._block(replay.first())
        try:
            for found in find_blocks(self._committed, self._folder, replay.chain, pool):
                transactions = self._transactions(replay, found)
                self._block(replay.next(found.header.time, transactions, found.evidence))
                self._progress(self.height + 1, of)
        except CorruptStore as error:
            self._stop(self.height + 1, str(error))

    def _transactions(self, replay: Replay, found: Found) -> tuple[VerifiedTransaction, ...]:
        """The transactions of a block; what did not hold is judged again by the replayed state.

        It may be the stored key that is wrong, not what it signed.
        """
        transactions: list[VerifiedTransaction] = []
        for position, (one, raw) in enumerate(zip(found.transactions, found.raws, strict=True)):
            held = one
            if isinstance(held, str):
                held = check_one(View(replay), raw, found.header.time, replay.chain, {})
            if isinstance(held, str):
                index = found.header.first + position
                self._stop(found.header.height, f"the transaction at log position {index}: {held}")
            transactions.append(held)
        return tuple(transactions)

    def _block(self, computed: Computed) -> None:
        """Compare what one block added to the log, and its receipts and full tiles."""
        closed, header = computed.closed, computed.closed.header
        before = len(self.findings)
        self._expect(header, "headers", number_key(header.height), seal_header(header))
        for index, entry in enumerate(closed.entries, header.first):
            self._expect(header, "entries", number_key(index), entry)
        if len(self.findings) > before:
            raise TooMuch  # from here on the replay is of another chain
        for index, receipt in enumerate(computed.receipts, header.first):
            self._expect(header, "receipts", number_key(index), encode(receipt))
            self._expect(header, "ids", receipt.id, number_key(index))
        if closed.witnessed is not None:
            self._expect(header, "receipts", number_key(header.size - 1), encode(closed.witnessed))
            self._witnessed += 1
        for level, number, tile in computed.tiles:
            if len(tile) == TILE_BYTES:
                self._expect(header, "tiles", tile_key(level, number), tile)
        self.height = header.height
        self.transactions += len(computed.receipts)

    def _state(self, replay: Replay) -> None:
        self.rows = self._all("rows", replay.rows())
        buckets = (
            (bucket_key(number), bucket, replay.bucket_heights[number])
            for number, bucket in sorted(replay.buckets.items())
            if bucket
        )
        self._all("buckets", buckets)

    def _tiles(self, replay: Replay) -> None:
        for (level, number), tile in replay.edge().items():
            self._expect(replay.header, "tiles", tile_key(level, number), tile)
        count, row = 0, replay.header.size
        while row:
            count += -(-row // WIDTH)
            row //= WIDTH
        self._count("tiles", count)

    def _counts(self, size: int) -> None:
        self._count("headers", self.height + 1)
        self._count("entries", size)
        for database in ("transactions", "ids"):
            self._count(database, self.transactions)
        self._count("receipts", self.transactions + self._witnessed)

    def _meta(self, replay: Replay, genesis_file: bytes) -> None:
        meta = {
            FORMAT_KEY: FORMAT,
            GENESIS_KEY: genesis_file,
            GROUPS_KEY: replay.tree.groups(),
        }
        self._all("meta", ((key, value, self.height) for key, value in sorted(meta.items())))

    def _all(self, database: str, expected: Iterator[tuple[bytes, bytes, int]]) -> int:
        """Compare a whole database, in order, and each key as a search finds it."""
        count = 0
        found = self._pairs(database)
        pair = next(found, None)
        for key, value, height in expected:
            while pair is not None and pair[0] < key:
                self._add(self.height, f"{database}: a key too many, {pair[0].hex()}")
                pair = next(found, None)
            if pair is None or pair[0] != key:
                self._add(height, f"{database}: no {key.hex()}")
                continue
            sought = self._committed.raw(database, key)
            if not value == pair[1] == sought:
                self._differ(height, database, key, value, pair[1] if sought == value else sought)
            pair = next(found, None)
            count += 1
            if count % _TELL_EVERY == 0:
                self._progress(self.height + 1, self.height + 1)
        if pair is not None:
            self._add(self.height, f"{database}: a key too many, {pair[0].hex()}")
        return count

    def _count(self, database: str, expected: int) -> None:
        """As many keys as were each found to be there: so there are no others."""
        actual = sum(1 for _ in self._pairs(database))
        if actual != expected:
            what = f"{database}: another number of keys"
            self._add(self.height, what, str(expected), str(actual))

    def _pairs(self, database: str) -> Iterator[tuple[bytes, bytes]]:
        """Everything in a database, as long as it is in order: damage can make a circle of it."""
        last = b""
        for key, value in self._committed.pairs(database):
            if key <= last:
                self._stop(None, f"{database}: keys out of order")
            yield key, value
            last = key

    def _expect(self, header: Header, database: str, key: bytes, value: bytes) -> None:
        actual = self._committed.raw(database, key)
        if actual != value:
            self._differ(header.height, database, key, value, actual)

    def _differ(
        self, height: int, database: str, key: bytes, expected: bytes, actual: bytes | None
    ) -> None:
        self._add(height, f"{database}: {key.hex()}", _show(expected), _show(actual))

    def _add(self, height: int | None, what: str, expected: str = "", actual: str = "") -> None:
        finding = Finding(height=height, what=what, expected=expected, actual=actual)
        self.findings.append(finding)
        if len(self.findings) >= MAX_FINDINGS:
            raise TooMuch

    def _stop(self, height: int | None, what: str) -> NoReturn:
        self._add(height, what)
        raise TooMuch


def _show(value: bytes | None) -> str:
    return "nothing" if value is None else f"{len(value)} bytes, {digest(value)[:8].hex()}"
