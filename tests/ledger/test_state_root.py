"""The state root: it follows from the map alone, and proves what is there and what is not."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.ledger.errors import ProofError
from careledger.ledger.record import Digest, decode, encode
from careledger.ledger.state import Changes
from careledger.ledger.state_root import (
    BUCKETS,
    GROUP,
    StateProof,
    Tree,
    _update,
    bucket_of,
    prove,
    verify_row,
)

VECTORS = Path(__file__).parent.parent / "vectors" / "state-root.json"

KEYS = st.binary(max_size=8)
ROWS = st.binary(max_size=40)
MAPS = st.dictionaries(KEYS, ROWS, max_size=30)


class Map:
    """A map under the tree, its buckets in a dictionary as a store keeps them."""

    def __init__(self, rows: Mapping[bytes, bytes] | None = None) -> None:
        self.tree = Tree()
        self.buckets: dict[int, bytes] = {}
        self.change(rows or {})

    def change(self, changes: Changes) -> "Map":
        delta = self.tree.delta(changes, self.bucket)
        self.buckets.update(delta.buckets)
        self.tree.accept(delta)
        assert self.tree.root == delta.root
        return self

    def bucket(self, number: int) -> bytes:
        return self.buckets.get(number, b"")

    def prove(self, key: bytes) -> StateProof:
        return self.tree.prove(key, self.bucket(bucket_of(key)))

    @property
    def root(self) -> Digest:
        return self.tree.root


def crowded(count: int = 6) -> list[bytes]:
    """Keys of one bucket, found by trying."""
    found: dict[int, list[bytes]] = {}
    for number in range(200_000):
        key = b"%d" % number
        keys = found.setdefault(bucket_of(key), [])
        keys.append(key)
        if len(keys) == count:
            return keys
    raise AssertionError


CROWDED = crowded()


def by_definition(rows: Mapping[bytes, bytes]) -> bytes:
    """The root as `spec/state-root.md` says it, with none of the code under test."""

    def sha(data: bytes) -> bytes:
        return hashlib.sha256(data).digest()

    leaves = sorted((sha(key), sha(row)) for key, row in rows.items())
    buckets = [b""] * 65_536
    for key_hash, row_hash in leaves:
        buckets[int.from_bytes(key_hash[:2])] += key_hash + row_hash
    level = [sha(b"\0" + bucket) for bucket in buckets]
    while len(level) > 1:
        level = [sha(b"\1" + a + b) for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def test_vectors() -> None:
    for case in json.loads(VECTORS.read_text())["roots"]:
        rows = {bytes.fromhex(key): bytes.fromhex(row) for key, row in case["rows"]}
        assert Map(rows).root.hex() == case["root"], case["name"]
        assert by_definition(rows).hex() == case["root"], case["name"]


def test_proof_vectors() -> None:
    for case in json.loads(VECTORS.read_text())["proofs"]:
        proof = decode(bytes.fromhex(case["proof"]), StateProof)
        value = None if case["value"] is None else bytes.fromhex(case["value"])
        root, key = Digest(bytes.fromhex(case["root"])), bytes.fromhex(case["key"])
        if case["valid"]:
            verify_row(root, key, value, proof)
        else:
            with pytest.raises(ProofError):
                verify_row(root, key, value, proof)


@settings(max_examples=10)  # 65,535 hashes each
@given(MAPS)
def test_the_root_is_the_one_defined(rows: dict[bytes, bytes]) -> None:
    assert Map(rows).root == by_definition(rows)


@given(st.lists(st.dictionaries(KEYS, st.none() | ROWS, max_size=12), max_size=6))
def test_the_root_does_not_know_how_the_map_came_about(
    blocks: list[dict[bytes, bytes | None]],
) -> None:
    final: dict[bytes, bytes] = {}
    grown = Map()
    for changes in blocks:
        grown.change(changes)
        for key, row in changes.items():
            if row is None:
                final.pop(key, None)
            else:
                final[key] = row
    one_by_one = Map()
    for key in sorted(final, reverse=True):
        one_by_one.change({key: final[key]})
    assert grown.root == one_by_one.root == Map(final).root
    assert Tree(grown.buckets.items()).root == grown.root


def test_a_crowded_bucket_does_not_know_either() -> None:
    forward, backward = Map(), Map()
    for key in CROWDED:
        forward.change({key: b"row"})
    for key in reversed(CROWDED):
        backward.change({key: b"other"}).change({key: b"row"})
    assert forward.root == backward.root == Map(dict.fromkeys(CROWDED, b"row")).root
    for key in CROWDED:
        forward.change({key: None})
    assert forward.root == Map().root


def test_keys_chosen_to_crowd_a_bucket_cost_one_pass_over_it() -> None:
    def leaf(number: int) -> tuple[bytes, bytes]:
        return bytes(2) + hashlib.sha256(number.to_bytes(4)).digest()[2:], bytes(32)

    there = dict(map(leaf, range(20_000)))
    bucket = b"".join(key_hash + there[key_hash] for key_hash in sorted(there))
    chosen = dict(map(leaf, range(19_000, 21_000)))
    begin = time.perf_counter()
    crowded_more = _update(bucket, [(key_hash, b"\1" * 32) for key_hash in chosen])
    many = time.perf_counter() - begin
    begin = time.perf_counter()
    for key_hash in list(chosen)[:20]:
        _update(bucket, [(key_hash, None)])
    one = (time.perf_counter() - begin) / 20
    there.update(dict.fromkeys(chosen, b"\1" * 32))
    assert crowded_more == b"".join(key_hash + there[key_hash] for key_hash in sorted(there))
    assert many < 200 * one  # a pass for each of the 2,000 would be ten times that


@given(MAPS, KEYS)
def test_what_is_there_and_what_is_not_can_be_proved(
    rows: dict[bytes, bytes], absent: bytes
) -> None:
    there = Map(rows)
    for key in {*rows, absent}:
        verify_row(there.root, key, rows.get(key), there.prove(key))


@given(MAPS, KEYS, ROWS)
def test_nothing_else_can_be_proved(rows: dict[bytes, bytes], key: bytes, row: bytes) -> None:
    there = Map(rows)
    for lie in {None, row} - {rows.get(key)}:
        with pytest.raises(ProofError):
            verify_row(there.root, key, lie, there.prove(key))


@pytest.mark.parametrize("key", [CROWDED[2], b"not there"])
def test_no_flipped_bit_of_a_proof_goes_unseen(key: bytes) -> None:
    rows = dict.fromkeys(CROWDED, b"row")
    there = Map(rows)
    proof = there.prove(key)
    data = proof.bucket + b"".join(proof.path)
    for place in range(len(data)):
        for bit in (1, 0x80):
            flipped = bytearray(data)
            flipped[place] ^= bit
            bucket, path = flipped[: len(proof.bucket)], flipped[len(proof.bucket) :]
            hashes = tuple(bytes(path[at : at + 32]) for at in range(0, len(path), 32))
            with pytest.raises(ProofError):
                verify_row(
                    there.root, key, rows.get(key), StateProof(bucket=bytes(bucket), path=hashes)
                )


def test_a_proof_has_one_form() -> None:
    there = Map(dict.fromkeys(CROWDED, b"row"))
    good = there.prove(CROWDED[0])
    leaves = [good.bucket[at : at + 64] for at in range(0, len(good.bucket), 64)]
    for bucket in (
        b"".join(reversed(leaves)),  # not in order
        b"".join([leaves[0], *leaves]),  # twice
        good.bucket[:-1],  # not whole leaves
        hashlib.sha256(b"elsewhere").digest() + bytes(32) + good.bucket,  # of another bucket
    ):
        with pytest.raises(ProofError):
            verify_row(there.root, CROWDED[0], b"row", StateProof(bucket=bucket, path=good.path))
    for path in (good.path[:-1], (*good.path, bytes(32)), (good.path[0][:-1], *good.path[1:])):
        with pytest.raises(ProofError):
            verify_row(there.root, CROWDED[0], b"row", StateProof(bucket=good.bucket, path=path))


@given(MAPS, KEYS)
def test_a_reader_without_the_tree_makes_the_same_proof(
    rows: dict[bytes, bytes], absent: bytes
) -> None:
    there = Map(rows)
    for key in {*rows, absent}:
        first = bucket_of(key) // GROUP * GROUP
        group = [there.bucket(number) for number in range(first, first + GROUP)]
        assert prove(key, group, there.tree.groups()) == there.prove(key)


def test_a_delta_changes_nothing_until_it_is_accepted() -> None:
    there = Map({b"a": b"1"})
    before = there.root
    delta = there.tree.delta({b"a": b"2"}, there.bucket)
    assert there.root == before == delta.parent
    groups = there.tree.groups(delta)
    assert groups != there.tree.groups()
    there.tree.accept(delta)
    assert there.root == delta.root == Map({b"a": b"2"}).root
    assert there.tree.groups() == groups
    with pytest.raises(ValueError):
        there.tree.accept(delta)


@given(st.lists(st.dictionaries(KEYS, st.none() | ROWS, max_size=12), min_size=2, max_size=5))
def test_the_next_delta_may_be_computed_before_the_last_is_accepted(
    blocks: list[dict[bytes, bytes | None]],
) -> None:
    ahead, behind = Map(), Map()
    pending = None
    for changes in blocks:
        behind.change(changes)
        delta = ahead.tree.delta(changes, ahead.bucket, after=pending)
        if pending is not None:
            ahead.buckets.update(pending.buckets)
            ahead.tree.accept(pending)
        pending = delta
        assert delta.root == behind.root


def test_what_stays_as_it_is_costs_nothing() -> None:
    there = Map({b"a": b"1"})
    delta = there.tree.delta({b"a": b"1", b"b": None}, there.bucket)
    assert (delta.root, delta.buckets, delta.nodes) == (there.root, {}, {})


def test_a_proof_survives_its_encoding() -> None:
    proof = Map({b"a": b"1"}).prove(b"a")
    assert decode(encode(proof), StateProof) == proof
    assert bucket_of(b"a") < BUCKETS
