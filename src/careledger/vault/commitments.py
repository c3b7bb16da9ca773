"""Which record commitments wait for a batch, and where in which batch the others are.

Commitments are numbered in the order in which their resources were put. A batch is a run of them,
so recording one costs a row however large it is, and any of its proofs can be rebuilt from the
commitments, which are kept for ever: they say nothing once their salt is shredded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from careledger.ledger.commitment import Batch, Opening, RecordName
from careledger.ledger.merkle import leaf_hash
from careledger.ledger.record import Digest, TransactionId
from careledger.vault.bounded import Bounded
from careledger.vault.errors import NotOurBatch, Tampered
from careledger.vault.rows import Rows, Step

_CACHED_LEAVES: Final = 200_000


@dataclass(frozen=True, slots=True)
class Pending:
    """A commitment that is in no batch yet; `seq` is its number in this vault."""

    seq: int
    commitment: Digest


@dataclass(frozen=True, slots=True)
class CommittedBatch:
    """A batch as the ledger recorded it. `number` is the custodian's own count of its batches."""

    number: int
    root: Digest
    size: int
    transaction: TransactionId


@dataclass(frozen=True, slots=True)
class Leaf:
    """A commitment in its batch: what can still be shown of bytes that do not open any more."""

    commitment: Digest
    batch: CommittedBatch
    index: int
    path: tuple[Digest, ...]


class Commitments:
    """The commitments in vault.sqlite."""

    def __init__(self, rows: Rows) -> None:
        """Take up where `rows` are."""
        self._rows = rows
        self._batches = Bounded[int, Batch](_CACHED_LEAVES)
        self.reload()

    def reload(self) -> None:
        """Find the next number and the first commitment without a batch."""
        ((last,),) = self._rows.read("SELECT coalesce(max(seq), -1) FROM commitments")
        self.next_seq: int = last + 1
        self._floor, self._beyond = 0, list[tuple[int, int]]()
        for first, size in self._rows.read("SELECT first, size FROM batches ORDER BY first"):
            self._record(first, size)

    def pending(self, limit: int, after: int = -1) -> list[Pending]:
        """The oldest run of commitments without a batch, beyond number `after`, in order."""
        first = max(self._floor, after + 1)
        end = self.next_seq
        for start, size in self._beyond:
            if start <= first:
                first = max(first, start + size)
            else:
                end = start
                break
        found = self._rows.read(
            "SELECT seq, value FROM commitments WHERE seq >= ? AND seq < ? ORDER BY seq",
            [first, min(end, first + limit)],
        )
        return [Pending(seq, Digest(bytes(value))) for seq, value in found]

    def pending_count(self) -> int:
        """How many commitments are in no batch."""
        return self.next_seq - self._floor - sum(size for _, size in self._beyond)

    def record(self, batch: CommittedBatch, commitments: Sequence[Digest]) -> None:
        """Remember that `commitments`, a run of ours in order, are in a batch.

        Recording the same batch again changes nothing.

        Raises:
            NotOurBatch: not a run of ours without a batch, or one with another root.
        """
        row = (batch.size, batch.number, batch.root, batch.transaction)
        if self._rows.read(
            "SELECT size, number, root, transaction_id FROM batches WHERE number = ?",
            [batch.number],
        ) == [row]:
            return
        tree = Batch.of(commitments)
        if (tree.root, tree.size) != (batch.root, batch.size):
            raise NotOurBatch("root", expected=batch.root.hex(), actual=tree.root.hex())
        first = self._first_of(commitments)
        self._rows.write([Step("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", [(first, *row)])])
        self._batches.put(first, tree, tree.size)
        self._record(first, batch.size)

    def _first_of(self, commitments: Sequence[Digest]) -> int:
        """Where the run begins that these commitments are."""
        found = (
            self._rows.read(
                "SELECT seq FROM commitments WHERE seq >= ? AND value = ?",
                [self._floor, *commitments[:1]],
            )
            if commitments
            else []
        )
        for (first,) in found:
            end = first + len(commitments)
            run = self._rows.read(
                "SELECT value FROM commitments WHERE seq >= ? AND seq < ? ORDER BY seq",
                [first, end],
            )
            free = all(start >= end or start + size <= first for start, size in self._beyond)
            if free and [value for (value,) in run] == list(commitments):
                return int(first)
        raise NotOurBatch("these are not pending here", actual=len(commitments))

    def opening(
        self, seq: int, commitment: Digest, name: RecordName, salt: bytes
    ) -> tuple[CommittedBatch, Opening] | None:
        """The batch of commitment `seq`, with the path to its root; None while it has no batch.

        Raises:
            Tampered: the commitment stored is not the one given.
        """
        leaf = self.leaf(seq)
        if leaf is None:
            return None
        if leaf.commitment != commitment:
            raise Tampered("a commitment")
        batch = leaf.batch
        opening = Opening(
            name=name,
            salt=salt,
            root=batch.root,
            size=batch.size,
            index=leaf.index,
            path=leaf.path,
        )
        return batch, opening

    def value(self, seq: int) -> Digest:
        """Commitment `seq`.

        Raises:
            Tampered: it is missing.
        """
        found = self._rows.read("SELECT value FROM commitments WHERE seq = ?", [seq])
        if not found:
            raise Tampered("a commitment is missing")
        return Digest(bytes(found[0][0]))

    def leaf(self, seq: int) -> Leaf | None:
        """Commitment `seq` as it stands in its batch; None while it has no batch.

        Raises:
            Tampered: the batch stored is not the one on the ledger.
        """
        found = self._rows.read(
            "SELECT first, size, number, root, transaction_id, value FROM batches, commitments "
            "WHERE seq = ? AND first <= seq ORDER BY first DESC LIMIT 1",
            [seq],
        )
        if not found or seq >= found[0][0] + found[0][1]:
            return None
        first, size, number, root, transaction, value = found[0]
        tree, commitment = self._tree(first, size), Digest(value)
        index = seq - first
        if tree.root != root or tree.leaves[index] != leaf_hash(commitment):
            raise Tampered("a commitment")
        batch = CommittedBatch(number, Digest(root), size, TransactionId(transaction))
        return Leaf(commitment, batch, index, tree.path(index))

    def _tree(self, first: int, size: int) -> Batch:
        known = self._batches.get(first)
        if known is not None and known.size == size:
            return known
        found = self._rows.read(
            "SELECT value FROM commitments WHERE seq >= ? AND seq < ? ORDER BY seq",
            [first, first + size],
        )
        if len(found) != size:
            raise NotOurBatch("commitments", expected=size, actual=len(found))
        tree = Batch.of(Digest(value) for (value,) in found)
        self._batches.put(first, tree, size)
        return tree

    def _record(self, first: int, size: int) -> None:
        self._beyond.append((first, size))
        self._beyond.sort()
        while self._beyond and self._beyond[0][0] <= self._floor:
            start, length = self._beyond.pop(0)
            self._floor = max(self._floor, start + length)
