"""The log's tree: published vectors, an independent library, and properties of every proof."""

import base64
import json
from pathlib import Path

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import ProofError
from careledger.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    Subtree,
    consistency_proof,
    cover,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from careledger.ledger.record import Digest

LEAVES = [leaf_hash(b"entry %d" % number) for number in range(300)]
ROOTS = [root(LEAVES[:size]) for size in range(len(LEAVES) + 1)]


def subtree_of(leaves: list[Digest]) -> Subtree:
    """The definition, without any of the code under test but `node_hash`."""

    def subtree(level: int, index: int) -> Digest:
        assert (index + 1) << level <= len(leaves), "only whole subtrees may be asked for"
        if level == 0:
            return leaves[index]
        return node_hash(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1))

    return subtree


def root_by_definition(leaves: list[Digest]) -> Digest:
    """RFC 9162 2.1.1, word for word."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(root_by_definition(leaves[:split]), root_by_definition(leaves[split:]))


def flip(value: bytes, bit: int) -> bytes:
    """`value` with one bit changed."""
    changed = bytearray(value)
    changed[bit // 8 % len(value)] ^= 1 << bit % 8
    return bytes(changed)


# --- the tree ----------------------------------------------------------------------------------


def test_root_is_the_recursive_definition_at_every_size() -> None:
    for size in (0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 255, 256, 257, 300):
        assert ROOTS[size] == root_by_definition(LEAVES[:size])


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pymerkle")
def test_root_is_what_pymerkle_computes() -> None:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for size in range(1, 70):
        tree.append_entry(b"entry %d" % (size - 1))
        assert tree.get_root() == ROOTS[size]


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_tree_grows_the_same_in_any_steps(first: int, second: int) -> None:
    first, second = sorted((first, second))
    grown = Frontier().extend(LEAVES[:first]).extend(LEAVES[first:second])
    assert grown == Frontier().extend(LEAVES[:second])
    assert grown.root() == ROOTS[second]


@given(st.integers(0, 300), st.integers(0, 300))
def test_growth_reports_exactly_the_completed_subtrees(first: int, second: int) -> None:
    first, second = sorted((first, second))
    reported = {
        (level, start + offset): value
        for level, start, values in Frontier().extend(LEAVES[:first]).grow(LEAVES[first:second])[1]
        for offset, value in enumerate(values)
    }
    subtree = subtree_of(LEAVES)
    expected = {
        (level, index): subtree(level, index)
        for level in range(10)
        for index in range(first >> level, second >> level)
    }
    assert reported == expected


@given(st.integers(0, 300), st.integers(0, 8))
def test_a_whole_subtree_is_appended_only_where_one_may_begin(size: int, level: int) -> None:
    leaves = LEAVES + [leaf_hash(b"later %d" % number) for number in range(256)]
    frontier = Frontier().extend(leaves[:size])
    if size % (1 << level):
        with pytest.raises(ProofError):
            frontier.append_subtree(level, leaves[0])
    else:
        after = frontier.append_subtree(level, subtree_of(leaves)(level, size >> level))
        assert after == Frontier().extend(leaves[: size + (1 << level)])


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_cover_is_contiguous_aligned_and_short(begin: int, end: int) -> None:
    place = min(begin, end)
    pieces = list(cover(begin, end))
    for level, index in pieces:
        assert index << level == place == begin
        place = begin = (index + 1) << level
    assert place == end or not pieces
    assert len(pieces) <= 2 * 14


def test_a_frontier_has_one_hash_for_each_bit_of_its_size() -> None:
    with pytest.raises(ProofError):
        Frontier(3, (LEAVES[0],))
    with pytest.raises(ProofError):
        Frontier(-1, (LEAVES[0],))


# --- proofs ------------------------------------------------------------------------------------


@given(st.data())
def test_every_inclusion_proof_verifies(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(index, size, subtree_of(LEAVES[:size]))
    verify_inclusion(LEAVES[index], index, size, path, ROOTS[size])


@given(st.data())
def test_an_inclusion_proof_altered_anywhere_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    index = data.draw(st.integers(0, size - 1))
    path = list(inclusion_proof(index, size, subtree_of(LEAVES[:size])))
    leaf, tree_root, place = LEAVES[index], ROOTS[size], index
    bit = data.draw(st.integers(0, 255))
    match data.draw(st.sampled_from(["leaf", "root", "path", "index", "cut", "longer", "short"])):
        case "leaf":
            leaf = Digest(flip(leaf, bit))
        case "root":
            tree_root = Digest(flip(tree_root, bit))
        case "path":
            at = data.draw(st.integers(0, len(path) - 1))
            path[at] = Digest(flip(path[at], bit))
        case "index":
            place = data.draw(st.integers(-1, size).filter(lambda other: other != index))
        case "cut":
            del path[data.draw(st.integers(0, len(path) - 1))]
        case "longer":
            path.insert(data.draw(st.integers(0, len(path))), ROOTS[0])
        case _:
            path[-1] = Digest(path[-1][:31])
    with pytest.raises(ProofError):
        verify_inclusion(leaf, place, size, path, tree_root)


@given(st.data())
def test_an_inclusion_proof_of_another_size_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(1, 300).filter(lambda value: value != size))
    path = inclusion_proof(index, size, subtree_of(LEAVES[:size]))
    with pytest.raises(ProofError):
        verify_inclusion(LEAVES[index], index, other, path, ROOTS[other])


@given(st.data())
def test_every_consistency_proof_verifies_and_no_other(data: st.DataObject) -> None:
    second = data.draw(st.integers(1, 300))
    first = data.draw(st.integers(1, second))
    path = list(consistency_proof(first, second, subtree_of(LEAVES[:second])))
    verify_consistency(first, second, path, ROOTS[first], ROOTS[second])

    wrong = data.draw(st.integers(1, 300).filter(lambda value: value != first))
    with pytest.raises(ProofError):
        verify_consistency(first, second, path, ROOTS[wrong], ROOTS[second])
    with pytest.raises(ProofError):
        verify_consistency(first, second, [*path, ROOTS[0]], ROOTS[first], ROOTS[second])
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        path[at] = Digest(flip(path[at], data.draw(st.integers(0, 255))))
        with pytest.raises(ProofError):
            verify_consistency(first, second, path, ROOTS[first], ROOTS[second])


def test_no_proof_is_built_for_what_is_not_there() -> None:
    subtree = subtree_of(LEAVES)
    for index, size in ((5, 5), (-1, 5), (0, 0)):
        with pytest.raises(ProofError):
            inclusion_proof(index, size, subtree)
    for first, second in ((0, 5), (6, 5), (0, 0)):
        with pytest.raises(ProofError):
            consistency_proof(first, second, subtree)


# --- published vectors -------------------------------------------------------------------------


def _hashes(values: list[str] | None) -> list[bytes]:
    return [base64.b64decode(value) for value in values or ()]


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_published_proofs_good_and_tampered(shared_data: Path, kind: str) -> None:
    files = sorted((shared_data / "crypto/merkle-rfc9162" / kind).rglob("*.json"))
    assert files
    for file in files:
        case = json.loads(file.read_text())
        accepted = True
        try:
            if kind == "inclusion":
                verify_inclusion(
                    Digest(base64.b64decode(case["leafHash"] or "")),
                    case["leafIdx"],
                    case["treeSize"],
                    _hashes(case["proof"]),
                    Digest(base64.b64decode(case["root"] or "")),
                )
            else:
                verify_consistency(
                    case["size1"],
                    case["size2"],
                    _hashes(case["proof"]),
                    Digest(base64.b64decode(case["root1"] or "")),
                    Digest(base64.b64decode(case["root2"] or "")),
                )
        except ProofError:
            accepted = False
        assert accepted is not case["wantErr"], f"{file.parent.name}/{file.name}: {case['desc']}"


def test_another_log_s_tiles_and_checkpoints_agree(shared_data: Path) -> None:
    log = shared_data / "crypto/tessera-log/testdata/log"
    tile = (log / "tile/0/000.p/15").read_bytes()
    leaves = [Digest(tile[at : at + 32]) for at in range(0, len(tile), 32)]
    bundle = (log / "tile/entries/000.p/15").read_bytes()
    entries = []
    while bundle:  # tlog-tiles: each entry after its length in two bytes
        length = int.from_bytes(bundle[:2])
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    assert list(map(leaf_hash, entries)) == leaves

    sizes = range(1, 16)
    roots = {}
    for size in sizes:
        lines = (log / f"checkpoint.{size}").read_text().splitlines()
        assert int(lines[1]) == size
        roots[size] = Digest(base64.b64decode(lines[2]))
        assert root(leaves[:size]) == roots[size]
    for first in sizes:
        for second in range(first, 16):
            path = consistency_proof(first, second, subtree_of(leaves[:second]))
            verify_consistency(first, second, path, roots[first], roots[second])
