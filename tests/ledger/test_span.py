"""Completeness of a run of leaves: nothing left out, added, moved or altered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import ProofError
from careledger.ledger.merkle import Subtree, leaf_hash, node_hash, root
from careledger.ledger.record import Digest
from careledger.ledger.span import Span, span_proof, verify_span

LEAVES = [leaf_hash(b"entry %d" % number) for number in range(80)]


def subtree_of(leaves: list[Digest]) -> Subtree:
    def subtree(level: int, index: int) -> Digest:
        assert (index + 1) << level <= len(leaves), "only whole subtrees may be asked for"
        if level == 0:
            return leaves[index]
        return node_hash(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1))

    return subtree


def span_of(data: st.DataObject, *, at_least: int = 0) -> tuple[Span, Digest]:
    size = data.draw(st.integers(at_least, len(LEAVES)))
    begin = data.draw(st.integers(0, size - at_least))
    end = data.draw(st.integers(begin + at_least, size))
    return span_proof(begin, end, size, subtree_of(LEAVES[:size])), root(LEAVES[:size])


@given(st.data())
def test_all_leaves_of_a_range_verify(data: st.DataObject) -> None:
    span, tree_root = span_of(data)
    verify_span(LEAVES[span.begin : span.end], span, tree_root)


@given(st.data())
def test_a_leaf_deleted_altered_or_moved_is_noticed(data: st.DataObject) -> None:
    span, tree_root = span_of(data, at_least=2)
    leaves = LEAVES[span.begin : span.end]
    at = data.draw(st.integers(0, len(leaves) - 2))
    deleted = leaves[:at] + leaves[at + 1 :]
    altered = [*leaves[:at], leaf_hash(b"another"), *leaves[at + 1 :]]
    moved = [*leaves[:at], leaves[at + 1], leaves[at], *leaves[at + 2 :]]
    for other in (deleted, altered, moved, [*leaves, leaves[0]]):
        with pytest.raises(ProofError):
            verify_span(other, span, tree_root)


@given(st.data())
def test_a_deleted_leaf_cannot_be_hidden_by_another_range(data: st.DataObject) -> None:
    span, tree_root = span_of(data, at_least=1)
    shorter = Span(
        begin=span.begin,
        end=span.end - 1,
        size=span.size - 1,
        before=span.before,
        after=span.after,
    )
    with pytest.raises(ProofError):
        verify_span(LEAVES[span.begin : span.end - 1], shorter, tree_root)


def test_a_span_of_the_wrong_shape_is_refused() -> None:
    span = span_proof(3, 6, 11, subtree_of(LEAVES[:11]))
    for before, after in (
        (span.before[:-1], span.after),
        (span.before, span.after[:-1]),
        (span.before, (*span.after, LEAVES[0])),
        (span.before, (*span.after[:-1], b"short")),
    ):
        other = Span(begin=3, end=6, size=11, before=before, after=after)
        with pytest.raises(ProofError):
            verify_span(LEAVES[3:6], other, root(LEAVES[:11]))
    for begin, end, size in ((4, 3, 11), (3, 12, 11)):
        with pytest.raises(ProofError):
            span_proof(begin, end, size, subtree_of(LEAVES))
