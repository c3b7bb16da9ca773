"""The RFC 9162 Merkle tree: its root, its proofs and their verification.

A tree is its leaf hashes in order. The subtree at (level, index) is the perfect one over leaves
[index * 2**level, (index + 1) * 2**level); level 0 is the leaves. Proofs are built from perfect
subtrees only, so whoever stores those needs to store nothing else.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from careledger.ledger.errors import ProofError
from careledger.ledger.record import Digest

Subtree = Callable[[int, int], Digest]
"""(level, index) -> root of that perfect subtree."""

HASH_BYTES = 32

EMPTY_ROOT = Digest(sha256(b"").digest())
"""Root of the tree without leaves (RFC 9162 2.1.1)."""


def leaf_hash(entry: bytes) -> Digest:
    """Hash of one leaf, from the entry it holds (RFC 9162 2.1.1)."""
    return Digest(sha256(b"\x00" + entry).digest())


def node_hash(left: bytes, right: bytes) -> Digest:
    """Hash of an inner node (RFC 9162 2.1.1)."""
    return Digest(sha256(b"\x01" + left + right).digest())


def root(leaf_hashes: Iterable[Digest]) -> Digest:
    """Root of the tree over `leaf_hashes` (not over entries: see `leaf_hash`)."""
    return Frontier().extend(leaf_hashes).root()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The least that lets a tree grow: roots of the perfect subtrees it is made of, largest first.

    There is one hash for each bit set in `size`, so at most 64.
    """

    size: int = 0
    hashes: tuple[Digest, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or self.size.bit_count() != len(self.hashes):
            raise ProofError(
                "one hash for each bit of the size",
                expected=self.size.bit_count(),
                actual=len(self.hashes),
            )

    def extend(self, leaf_hashes: Iterable[Digest]) -> "Frontier":
        """The frontier after `leaf_hashes` are appended."""
        return self.grow(leaf_hashes)[0]

    def grow(
        self, leaf_hashes: Iterable[Digest]
    ) -> tuple["Frontier", list[tuple[int, int, list[Digest]]]]:
        """The frontier after an append, with the subtrees that the append completed.

        The second part holds (level, index of the first, hashes in index order), one for each level
        from 0 up that gained any: exactly what a store must add so that `subtree` answers.
        """
        row = list(leaf_hashes)
        size = self.size + len(row)
        waiting = list(self.hashes)
        hashes: list[Digest] = []
        grown: list[tuple[int, int, list[Digest]]] = []
        level = 0
        while row or waiting:
            if row:
                grown.append((level, self.size >> level, list(row)))
            if self.size >> level & 1:
                row.insert(0, waiting.pop())
            if len(row) % 2:
                hashes.append(row.pop())
            row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
            level += 1
        return Frontier(size, tuple(reversed(hashes))), grown

    def append_subtree(self, level: int, subtree_root: Digest) -> "Frontier":
        """The frontier after a whole perfect subtree is appended.

        Raises:
            ProofError: the tree does not end where a subtree of that level may begin.
        """
        if self.size % (1 << level):
            raise ProofError("a subtree begins at a multiple of its size", actual=self.size)
        hashes = list(self.hashes)
        rank = level
        joined = subtree_root
        while self.size >> rank & 1:
            joined = node_hash(hashes.pop(), joined)
            rank += 1
        return Frontier(self.size + (1 << level), (*hashes, joined))

    def root(self) -> Digest:
        """Root of the whole tree."""
        return _fold(self.hashes) if self.hashes else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtree: Subtree) -> tuple[Digest, ...]:
    """The path from leaf `index` to the root of the tree of `size` leaves (RFC 9162 2.1.3.1).

    Raises:
        ProofError: no such leaf.
    """
    if not 0 <= index < size:
        raise ProofError("no such leaf", expected=size, actual=index)
    return _path(0, index, size, subtree)


def consistency_proof(first: int, second: int, subtree: Subtree) -> tuple[Digest, ...]:
    """That the tree of `first` leaves is the beginning of the one of `second` (RFC 9162 2.1.4.1).

    Raises:
        ProofError: not 0 < first <= second; the empty tree begins every tree, which proves nothing.
    """
    if not 0 < first <= second:
        raise ProofError("not a beginning of the tree", expected=second, actual=first)
    if first == second:
        return ()
    level = (first & -first).bit_length() - 1
    index = (first - 1) >> level
    # The verifier knows the first root: where that is a whole subtree, it need not be said.
    start = (subtree(level, index),) if index else ()
    return start + _path(level, index, second, subtree)


def verify_inclusion(
    leaf: Digest, index: int, size: int, path: Sequence[bytes], root: Digest
) -> None:
    """Check that the leaf hash `leaf` is at `index` of the tree (RFC 9162 2.1.3.2).

    Raises:
        ProofError: it is not, or the path is not exactly the one for this index and size.
    """
    computed = root_from_path(leaf, index, size, path)
    if computed != root:
        raise ProofError(
            "the path leads to another root", expected=root.hex(), actual=computed.hex()
        )


def root_from_path(leaf: Digest, index: int, size: int, path: Sequence[bytes]) -> Digest:
    """The root that `path` leads to from the leaf hash `leaf` (RFC 9162 2.1.3.2).

    Raises:
        ProofError: no such leaf, or the path is longer or shorter than its place needs.
    """
    if not 0 <= index < size:
        raise ProofError("no such leaf", expected=size, actual=index)
    check_hashes(path)
    return _root_from(leaf, index, (index ^ (size - 1)).bit_length(), path)


def verify_consistency(
    first: int, second: int, path: Sequence[bytes], first_root: Digest, second_root: Digest
) -> None:
    """Check that the first tree is the beginning of the second (RFC 9162 2.1.4.2).

    Raises:
        ProofError: it is not, or the path is not exactly the one for these sizes.
    """
    if not 0 < first <= second:
        raise ProofError("not a beginning of the tree", expected=second, actual=first)
    check_hashes(path)
    if first == second:
        if path or first_root != second_root:
            raise ProofError(
                "trees of one size are equal", expected=first_root.hex(), actual=second_root.hex()
            )
        return
    level = (first & -first).bit_length() - 1
    index = (first - 1) >> level
    if index:
        if not path:
            raise ProofError("the path is empty", expected=1, actual=0)
        start, rest = Digest(path[0]), path[1:]
    else:
        start, rest = first_root, path
    inner = (index ^ ((second - 1) >> level)).bit_length()
    old = _root_before(start, index, inner, rest)
    if old != first_root:
        raise ProofError("the first root is another", expected=first_root.hex(), actual=old.hex())
    new = _root_from(start, index, inner, rest)
    if new != second_root:
        raise ProofError("the second root is another", expected=second_root.hex(), actual=new.hex())


def cover(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The fewest perfect subtrees (level, index) that make up the leaves [begin, end), in order."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def check_hashes(hashes: Iterable[bytes]) -> None:
    """Refuse what is not a list of 32-byte hashes.

    Raises:
        ProofError: one of them is longer or shorter.
    """
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise ProofError("a hash is 32 bytes", expected=HASH_BYTES, actual=len(value))


def _path(level: int, index: int, size: int, subtree: Subtree) -> tuple[Digest, ...]:
    """From the perfect subtree (level, index) to the root of the tree of `size` leaves."""
    path: list[Digest] = []
    last = (size - 1) >> level
    inner = (index ^ last).bit_length()
    for step in range(inner):
        sibling = (index >> step) ^ 1
        # Only the topmost of these has the ragged right edge of the tree below it.
        if step == inner - 1:
            path.append(_edge(sibling << (level + step), size, subtree))
        else:
            path.append(subtree(level + step, sibling))
    path.extend(
        subtree(level + step, (index >> step) ^ 1)
        for step in range(inner, index.bit_length())
        if index >> step & 1
    )
    return tuple(path)


def _edge(begin: int, size: int, subtree: Subtree) -> Digest:
    """Root of the leaves [begin, size), where `begin` is aligned above all of them."""
    return _fold([subtree(level, index) for level, index in cover(begin, size)])


def _fold(subtree_roots: Sequence[Digest]) -> Digest:
    """Root over perfect subtrees of falling size."""
    *rest, computed = subtree_roots
    for left in reversed(rest):
        computed = node_hash(left, computed)
    return computed


def _root_before(start: Digest, index: int, inner: int, path: Sequence[bytes]) -> Digest:
    """The first root of a consistency proof: only the left siblings were there already."""
    computed = start
    for step, sibling in enumerate(path[:inner]):
        if index >> step & 1:
            computed = node_hash(sibling, computed)
    for sibling in path[inner:]:
        computed = node_hash(sibling, computed)
    return computed


def _root_from(start: Digest, index: int, inner: int, path: Sequence[bytes]) -> Digest:
    """The root that a path leads to from the subtree `index` of its level."""
    needed = inner + (index >> inner).bit_count()
    if len(path) != needed:
        raise ProofError(
            "the path is not as long as its place needs", expected=needed, actual=len(path)
        )
    computed = start
    for step, sibling in enumerate(path[:inner]):
        computed = (
            node_hash(sibling, computed) if index >> step & 1 else node_hash(computed, sibling)
        )
    for sibling in path[inner:]:
        computed = node_hash(sibling, computed)
    return computed
