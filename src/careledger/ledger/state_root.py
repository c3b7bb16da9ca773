"""The authenticated state map: one root that proves that a row is there, or that it is not.

A key belongs to the bucket named by the first 16 bits of its SHA-256. A bucket is its leaves in key
hash order, each key hash (32 bytes) and row hash (32 bytes); an empty bucket is no bytes. Over the
65,536 buckets stands a perfect binary tree of 16 levels. The root follows from the map alone, not
from how the map came about. `spec/state-root.md` has the vectors.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

import msgspec

from careledger.ledger.errors import ProofError
from careledger.ledger.record import Digest, Hash, Record
from careledger.ledger.state import Changes

LEVELS = 16
"""Height of the tree over the buckets."""

BUCKETS = 1 << LEVELS

GROUP = 256
"""Buckets of one group: the subtree of height 8. There are as many groups as buckets in one."""

HASH_BYTES = 32
LEAF_BYTES = 2 * HASH_BYTES

ReadBucket = Callable[[int], bytes]
"""Bucket number to its bytes; b"" for an empty bucket."""


class StateProof(Record):
    """What `verify_row` needs besides the root, the key and the value."""

    bucket: bytes
    """The whole bucket of the key: its neighbours there prove absence."""
    path: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=LEVELS, max_length=LEVELS)]
    """The sibling at each level, from the bucket's up."""


@dataclass(frozen=True, kw_only=True)
class Delta:
    """What some changes do to the tree: computed before they are stored, accepted after."""

    parent: Digest
    """The root that this leads on from."""
    root: Digest
    buckets: Mapping[int, bytes]
    """New bytes of each bucket that changes."""
    nodes: Mapping[int, bytes]
    """New hash of each node that changes; the root is node 1, the children of n are 2n and 2n+1."""


class Tree:
    """The tree over the buckets, all its hashes in 4 MB of memory; the buckets stay in the store.

    Mutable because it owns that memory: `accept` is its only writer.
    """

    def __init__(self, buckets: Iterable[tuple[int, bytes]] = ()) -> None:
        """Hash `buckets`, each with its number, in any order; those not named are empty."""
        self._nodes = _empty()
        nodes = {BUCKETS + number: _hash_bucket(bucket) for number, bucket in buckets}
        self._rehash(nodes, {})
        self._write(nodes)

    @property
    def root(self) -> Digest:
        """The state root."""
        return Digest(self._node(1))

    def groups(self, delta: Delta | None = None) -> bytes:
        """The roots of the 256 groups, concatenated, after `delta`; `prove` needs no more above."""
        groups = bytearray(self._nodes[GROUP * HASH_BYTES : 2 * GROUP * HASH_BYTES])
        for node, node_hash in delta.nodes.items() if delta else ():
            if GROUP <= node < 2 * GROUP:
                _put(groups, node - GROUP, node_hash)
        return bytes(groups)

    def delta(
        self, changes: Changes, read_bucket: ReadBucket, *, after: Delta | None = None
    ) -> Delta:
        """What `changes` lead to; each upper node is hashed once however many rows lie below it.

        `after` is a delta of this tree that comes first and may be accepted meanwhile: so the next
        block forms while its parent is being made durable. Cost: a bucket read, two hashes and a
        splice for each row, then one hash for each node.
        """
        buckets: dict[int, bytes] = {}
        nodes: dict[int, bytes] = {}
        before = after.buckets if after else {}
        for number, leaves in _by_bucket(changes).items():
            old = before[number] if number in before else read_bucket(number)
            bucket = _update(old, leaves)
            if bucket != old:
                buckets[number] = bucket
                nodes[BUCKETS + number] = _hash_bucket(bucket)
        self._rehash(nodes, after.nodes if after else {})
        parent = after.root if after else self.root
        return Delta(parent=parent, root=Digest(nodes.get(1, parent)), buckets=buckets, nodes=nodes)

    def accept(self, delta: Delta) -> None:
        """Make `delta` the present; call it once what it stands for is durable.

        Raises:
            ValueError: it was computed from another root.
        """
        if delta.parent != self.root:
            raise ValueError(delta.parent.hex(), self.root.hex())
        self._write(delta.nodes)

    def prove(self, key: bytes, bucket: bytes) -> StateProof:
        """The proof for `key`, present or absent, given the bytes of its bucket."""
        node = BUCKETS + bucket_of(key)
        return StateProof(
            bucket=bucket,
            path=tuple(self._node((node >> level) ^ 1) for level in range(LEVELS)),
        )

    def _node(self, node: int) -> bytes:
        return bytes(self._nodes[node * HASH_BYTES : (node + 1) * HASH_BYTES])

    def _write(self, nodes: Mapping[int, bytes]) -> None:
        for node, node_hash in nodes.items():
            _put(self._nodes, node, node_hash)

    def _rehash(self, nodes: dict[int, bytes], before: Mapping[int, bytes]) -> None:
        """Add to `nodes`, which holds buckets, every node above them."""
        memory = self._nodes
        row = list(nodes)
        for _ in range(LEVELS):
            row = list(dict.fromkeys([node >> 1 for node in row]))
            for node in row:
                left, right = 2 * node, 2 * node + 1
                at = left * HASH_BYTES
                nodes[node] = _hash_node(
                    nodes.get(left) or before.get(left) or bytes(memory[at : at + HASH_BYTES]),
                    nodes.get(right)
                    or before.get(right)
                    or bytes(memory[at + HASH_BYTES : at + LEAF_BYTES]),
                )


def bucket_of(key: bytes) -> int:
    """The number of the bucket that `key` belongs to."""
    return int.from_bytes(sha256(key).digest()[:2])


def prove(key: bytes, group: Sequence[bytes], groups: bytes) -> StateProof:
    """Like `Tree.prove`, from little: the 256 buckets of the key's group and `Tree.groups`.

    Cost: 511 hashes, so that a reader of the store needs no tree in memory.
    """
    number = bucket_of(key)
    roots = [groups[at : at + HASH_BYTES] for at in range(0, len(groups), HASH_BYTES)]
    path: list[bytes] = []
    for place, row in (
        (number % GROUP, [_hash_bucket(bucket) for bucket in group]),
        (number // GROUP, roots),
    ):
        path += [
            nodes[at : at + HASH_BYTES]
            for level, nodes in enumerate(_levels(row)[:-1])
            for at in (((place >> level) ^ 1) * HASH_BYTES,)
        ]
    return StateProof(bucket=group[number % GROUP], path=tuple(path))


def verify_row(root: Digest, key: bytes, value: bytes | None, proof: StateProof) -> None:
    """Check that under `root` the row at `key` is `value`, or that there is none if it is `None`.

    Raises:
        ProofError: the proof is not in the one form, or proves something else.
    """
    key_hash = sha256(key).digest()
    number = int.from_bytes(key_hash[:2])
    leaves = _leaves(proof.bucket, number)
    expected = None if value is None else sha256(value).digest()
    actual = leaves.get(key_hash)
    if actual != expected:
        raise ProofError("another row", expected=_hex(expected), actual=_hex(actual))
    if len(proof.path) != LEVELS or any(len(node) != HASH_BYTES for node in proof.path):
        raise ProofError("a path has 16 hashes", expected=LEVELS, actual=len(proof.path))
    computed = _hash_bucket(proof.bucket)
    for level, sibling in enumerate(proof.path):
        is_right = number >> level & 1
        computed = _hash_node(sibling, computed) if is_right else _hash_node(computed, sibling)
    if computed != root:
        raise ProofError("another state root", expected=root.hex(), actual=computed.hex())


def _leaves(bucket: bytes, number: int) -> dict[bytes, bytes]:
    """Key hash to row hash, of a bucket in its one form."""
    if len(bucket) % LEAF_BYTES:
        raise ProofError("a bucket is whole leaves", expected=LEAF_BYTES, actual=len(bucket))
    leaves: dict[bytes, bytes] = {}
    last = b""
    for at in range(0, len(bucket), LEAF_BYTES):
        key_hash = bucket[at : at + HASH_BYTES]
        if key_hash <= last or int.from_bytes(key_hash[:2]) != number:
            raise ProofError("leaves ascend, in their own bucket", actual=key_hash.hex())
        leaves[key_hash] = bucket[at + HASH_BYTES : at + LEAF_BYTES]
        last = key_hash
    return leaves


def _by_bucket(changes: Changes) -> dict[int, list[tuple[bytes, bytes | None]]]:
    """Bucket number to (key hash, row hash or none) of its changes."""
    buckets: dict[int, list[tuple[bytes, bytes | None]]] = {}
    for key, value in changes.items():
        key_hash = sha256(key).digest()
        leaf = (key_hash, None if value is None else sha256(value).digest())
        buckets.setdefault(key_hash[0] << 8 | key_hash[1], []).append(leaf)
    return buckets


def _update(bucket: bytes, leaves: Iterable[tuple[bytes, bytes | None]]) -> bytes:
    """The bucket after `leaves` are put, or removed where there is no row hash.

    One pass however many there are: whoever signs can choose keys that fall into one bucket.
    """
    pieces: list[bytes] = []
    kept, count, key_hash_in = 0, len(bucket) // LEAF_BYTES, _key_hash_in(bucket)
    for key_hash, row_hash in sorted(leaves, key=_first):
        leaf = bisect_left(range(count), key_hash, kept // LEAF_BYTES, key=key_hash_in)
        place = leaf * LEAF_BYTES
        pieces.append(bucket[kept:place])
        kept = place + LEAF_BYTES if bucket.startswith(key_hash, place) else place
        if row_hash is not None:
            pieces.append(key_hash + row_hash)
    pieces.append(bucket[kept:])
    return b"".join(pieces)


def _first(leaf: tuple[bytes, bytes | None]) -> bytes:
    return leaf[0]


def _key_hash_in(bucket: bytes) -> Callable[[int], bytes]:
    return lambda leaf: bucket[leaf * LEAF_BYTES : leaf * LEAF_BYTES + HASH_BYTES]


def _levels(hashes: Sequence[bytes]) -> list[bytes]:
    """The levels of the perfect tree over `hashes`, each concatenated, from the leaves up."""
    levels = [b"".join(hashes)]
    while len(levels[-1]) > HASH_BYTES:
        below = levels[-1]
        level = [
            sha256(b"\1" + below[at : at + LEAF_BYTES]).digest()
            for at in range(0, len(below), LEAF_BYTES)
        ]
        levels.append(b"".join(level))
    return levels


def _empty() -> bytearray:
    """Every node of the tree over empty buckets, by number."""
    levels = [_hash_bucket(b"")]
    for _ in range(LEVELS):
        levels.append(_hash_node(levels[-1], levels[-1]))
    above = (node_hash * (1 << depth) for depth, node_hash in enumerate(reversed(levels)))
    return bytearray(bytes(HASH_BYTES) + b"".join(above))


def _hash_bucket(bucket: bytes) -> bytes:
    return sha256(b"\0" + bucket).digest()


def _hash_node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def _put(nodes: bytearray, place: int, node_hash: bytes) -> None:
    nodes[place * HASH_BYTES : (place + 1) * HASH_BYTES] = node_hash


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
