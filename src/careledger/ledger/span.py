"""Completeness: proof that a run of leaves is all that the tree has in that place.

An inclusion proof says that a leaf is there. It cannot say that nothing beside it was left out: a
span can, because it accounts for every other leaf of the tree.
"""

from collections.abc import Sequence

from careledger.ledger.errors import ProofError
from careledger.ledger.merkle import Frontier, Subtree, check_hashes, cover
from careledger.ledger.record import Count, Digest, Hash, Record


class Span(Record):
    """Everything of the tree of `size` leaves but the leaves [begin, end).

    `before` holds the roots of the perfect subtrees that [0, begin) is made of, `after` those of
    [end, size), both in leaf order.
    """

    begin: Count
    end: Count
    size: Count
    before: tuple[Hash, ...]
    after: tuple[Hash, ...]


def span_proof(begin: int, end: int, size: int, subtree: Subtree) -> Span:
    """The proof that leaves [begin, end) are all that the tree of `size` leaves has there.

    Raises:
        ProofError: not 0 <= begin <= end <= size.
    """
    _check_range(begin, end, size)
    return Span(
        begin=begin,
        end=end,
        size=size,
        before=tuple(subtree(level, index) for level, index in cover(0, begin)),
        after=tuple(subtree(level, index) for level, index in cover(end, size)),
    )


def root_of_span(leaf_hashes: Sequence[Digest], span: Span) -> Digest:
    """The root that the tree has if `leaf_hashes` are all its leaves of [begin, end), in order.

    Raises:
        ProofError: a leaf is missing or too many, or the proof has not the shape of its place.
    """
    _check_range(span.begin, span.end, span.size)
    if len(leaf_hashes) != span.end - span.begin:
        raise ProofError(
            "not every leaf of the range", expected=span.end - span.begin, actual=len(leaf_hashes)
        )
    check_hashes(span.before)
    check_hashes(span.after)
    before = tuple(Digest(value) for value in span.before)
    frontier = Frontier(span.begin, before).extend(leaf_hashes)
    places = list(cover(span.end, span.size))
    if len(places) != len(span.after):
        raise ProofError("not every subtree after", expected=len(places), actual=len(span.after))
    for (level, _), subtree_root in zip(places, span.after, strict=True):
        frontier = frontier.append_subtree(level, Digest(subtree_root))
    return frontier.root()


def verify_span(leaf_hashes: Sequence[Digest], span: Span, root: Digest) -> None:
    """Check that `leaf_hashes` are all the leaves of [begin, end), in order.

    Raises:
        ProofError: one is missing, added, moved or altered, or the proof is not for this tree.
    """
    computed = root_of_span(leaf_hashes, span)
    if computed != root:
        raise ProofError(
            "the leaves lead to another root", expected=root.hex(), actual=computed.hex()
        )


def _check_range(begin: int, end: int, size: int) -> None:
    if not 0 <= begin <= end <= size:
        raise ProofError("no such range of leaves", expected=size, actual=(begin, end))
