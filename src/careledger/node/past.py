"""The past as others tell it, checked block by block before any of it is stored.

Everything is held against the log root of the snapshot with which the store began: each entry's
hash is in a tile under that root, each receipt's events and each transaction's id are in its entry,
each signature verifies under the key that the ledger has. Only the time of an empty block is
nobody's word but the peer's; it lies between those of its neighbours.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from careledger.ledger.checkpoint import app_hash
from careledger.ledger.entry import BlockEntry, LogEntry, TransactionEntry, events_digest
from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.merkle import HASH_BYTES, Frontier, leaf_hash
from careledger.ledger.record import Digest, decode, digest
from careledger.ledger.state import View
from careledger.ledger.tile import WIDTH, ProvedTiles
from careledger.ledger.transaction import parse_transaction
from careledger.ledger.transition import Header, Receipt
from careledger.node.evidence import Keys, check_one
from careledger.store.gap import Gap
from careledger.store.snapshot import Snapshot
from careledger.store.sync.filling import PastWrites
from careledger.store.sync.past import PastBlock
from careledger.store.sync.taking import frontier_at
from careledger.verify.order import LogOrder


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the past that is here ends: the last block of it, and the log's frontier there."""

    gap: Gap
    header: Header
    frontier: Frontier
    ending: Header
    """The block of the snapshot, at which the past is complete."""


def place_of(committed: Snapshot) -> Place | None:
    """Where to go on; None if nothing is missing."""
    gap = committed.gap
    if gap is None:
        return None
    header, ending = committed.header(gap.next_height - 1), committed.header(gap.height)
    if header is None or ending is None:
        raise ProofError("no header", expected=gap.next_height - 1)
    return Place(gap=gap, header=header, frontier=frontier_at(committed, gap.next), ending=ending)


class PastCheck:
    """Takes blocks one after the other. Mutable: it remembers where it is."""

    def __init__(self, committed: Snapshot, place: Place, tiles: ProvedTiles) -> None:
        """Go on at `place`; `tiles` are those under the log root of `place.ending`."""
        self._view, self._tiles, self._place = View(committed), tiles, place
        self._chain = digest(committed.genesis())
        self._keys: Keys = {}
        last = committed.entry(place.gap.next - 1)
        self._order = LogOrder(self._chain.hex(), place.gap.next, last)

    def take(self, blocks: Sequence[PastBlock]) -> list[PastWrites]:
        """What to store of `blocks`, as far as the past goes.

        Raises:
            ProofError: one of them is not what was logged; none is to be stored.
        """
        checked: list[PastWrites] = []
        for block in blocks:
            if self._place.header.height == self._place.gap.height:
                break
            try:
                one = self._take(block)
            except Malformed as error:
                raise ProofError(f"block {self._height:,} is not in the one form") from error
            checked.append(one)
            self._advance(one)
        return checked

    @property
    def _height(self) -> int:
        return self._place.header.height + 1

    def _advance(self, one: PastWrites) -> None:
        header = one.header
        if header.height == self._place.gap.height and header != self._place.ending:
            raise ProofError("the past does not lead to the snapshot's block", actual=header.height)
        gap = gap_after(self._place.gap, header)
        frontier = self._place.frontier.extend(one.leaves) if one.leaves else self._place.frontier
        self._place = replace(self._place, gap=gap, header=header, frontier=frontier)

    def _take(self, block: PastBlock) -> PastWrites:
        before = self._place.header
        entries = [self._order.take(data) for data in block.entries]
        leaves = tuple(map(leaf_hash, block.entries))
        if leaves != tuple(self._proved(before.size, len(leaves))):
            raise ProofError(f"block {self._height:,}: its log entries are others")
        ending = self._check_shape(block, entries)
        ids = tuple(self._transactions(block, entries))
        self._check_receipts(block, entries)
        return PastWrites(
            header=self._header(block, ending, leaves),
            entries=block.entries,
            leaves=leaves,
            transactions=block.transactions,
            ids=ids,
            receipts=block.receipts,
        )

    def _proved(self, begin: int, count: int) -> Iterator[Digest]:
        """The leaf hashes that the log has there; fewer where it ends."""
        for index in range(begin, min(begin + count, self._tiles.size)):
            number, within = divmod(index, WIDTH)
            tile = self._tiles.read(0, number)
            yield Digest(tile[within * HASH_BYTES : (within + 1) * HASH_BYTES])

    def _check_shape(self, block: PastBlock, entries: Sequence[LogEntry]) -> BlockEntry | None:
        """The block entry, which comes last and says which block this is; None if it was empty."""
        wrong = ProofError(f"block {self._height:,} is not the one that was logged")
        if block.time < self._place.header.time:
            raise wrong
        if not entries:
            if block.transactions or block.receipts:
                raise wrong
            return None
        *transactions, ending = entries
        witnessed = isinstance(ending, BlockEntry) and isinstance(ending.witnessed, bytes)
        if (
            not isinstance(ending, BlockEntry)
            or not all(isinstance(one, TransactionEntry) for one in transactions)
            or (ending.height, ending.time) != (self._height, block.time)
            or len(block.transactions) != len(transactions)
            or len(block.receipts) != len(transactions) + witnessed
        ):
            raise wrong
        return ending

    def _transactions(self, block: PastBlock, entries: Sequence[LogEntry]) -> Iterator[Digest]:
        """The ids of the transactions, which are those in the entries, truly signed."""
        for raw, entry in zip(block.transactions, entries, strict=False):
            held = check_one(self._view, raw, block.time, self._chain, self._keys)
            if isinstance(held, str):
                raise ProofError(f"a transaction of block {self._height:,}: {held}")
            if not isinstance(entry, TransactionEntry) or parse_transaction(raw).id != entry.id:
                raise ProofError(f"a transaction of block {self._height:,} is another")
            yield Digest(entry.id)

    def _check_receipts(self, block: PastBlock, entries: Sequence[LogEntry]) -> None:
        for data, entry, logged in zip(block.receipts, block.entries, entries, strict=False):
            receipt = decode(data, Receipt)
            told = (receipt.id, receipt.code, events_digest(receipt.events))
            if isinstance(logged, TransactionEntry):
                expected: tuple[object, ...] = (logged.id, logged.code, logged.events)
            else:
                witnessed = logged.witnessed if isinstance(logged, BlockEntry) else None
                expected = (digest(entry), 0, witnessed)
            if told != expected:
                raise ProofError(f"a receipt of block {self._height:,} is another")

    def _header(
        self, block: PastBlock, ending: BlockEntry | None, leaves: Sequence[Digest]
    ) -> Header:
        before = self._place.header
        after = self._place.frontier.extend(leaves) if leaves else self._place.frontier
        root, version = after.root(), before.version if ending is None else ending.version
        return Header(
            height=self._height,
            time=block.time,
            first=before.size,
            size=after.size,
            version=version,
            state_root=before.state_root if ending is None else ending.state_root,
            log_root=root,
            app_hash=app_hash(after.size, root, version),
        )


def gap_after(gap: Gap, header: Header) -> Gap:
    """What is missing once the block of `header` is here."""
    return Gap(
        height=gap.height,
        size=gap.size,
        kept=gap.kept,
        before=gap.before,
        next_height=header.height + 1,
        next=header.size,
    )
