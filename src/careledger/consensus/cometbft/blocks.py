"""What the engine says of a block, in the words of the ledger, and the other way round."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from careledger.consensus.chain import Prepared
from careledger.consensus.cometbft.messages import (
    CommitInfo,
    Misbehavior,
    RequestFinalizeBlock,
    RequestProcessProposal,
    Timestamp,
)
from careledger.consensus.cometbft.protobuf import varint
from careledger.ledger.entry import Evidence
from careledger.ledger.errors import Inadmissible, InvalidBlock
from careledger.ledger.record import Instant
from careledger.ledger.transaction import OverBudget, Replayed, VerifiedTransaction

_FOR_IT = 2

_KINDS: Final[dict[int, Literal["duplicate-vote", "light-client-attack"]]] = {
    1: "duplicate-vote",
    2: "light-client-attack",
}


@dataclass(frozen=True)
class Judged:
    """A block's transactions of which all were chosen, for that height and time."""

    height: int
    time: Instant
    raws: tuple[bytes, ...]
    transactions: Sequence[VerifiedTransaction]


@dataclass(frozen=True)
class Anticipated:
    """What a proposal does if it is decided."""

    proposal: RequestProcessProposal
    found: Sequence[VerifiedTransaction | Inadmissible]
    prepared: Prepared

    def is_of(self, block: RequestFinalizeBlock) -> bool:
        """Whether that is what was decided, by all that matters to us."""
        said = self.proposal
        return (said.height, seconds(said.time), said.misbehavior, said.txs) == (
            block.height,
            seconds(block.time),
            block.misbehavior,
            block.txs,
        )


def evidence_of(found: Iterable[Misbehavior]) -> tuple[Evidence, ...]:
    """Each piece, in the engine's order.

    Raises:
        InvalidBlock: of a kind that this program does not know.
    """
    return tuple(map(_piece, found))


def _piece(one: Misbehavior) -> Evidence:
    kind = _KINDS.get(one.type)
    if kind is None or one.validator is None:
        raise InvalidBlock("evidence of an unknown kind", tuple(_KINDS), one.type)
    return Evidence(
        kind=kind,
        address=one.validator.address,
        height=max(0, one.height),
        time=seconds(one.time),
    )


def voted(commit: CommitInfo | None) -> tuple[int, int]:
    """Power of those who voted for a block, and of all who could."""
    votes = commit.votes if commit else ()
    powers = [(one.validator.power, one.block_id_flag) for one in votes if one.validator]
    return sum(power for power, flag in powers if flag == _FOR_IT), sum(p for p, _ in powers)


def seconds(time: Timestamp | None) -> Instant:
    """Whole seconds, rounded down; never before 1970."""
    return max(0, time.seconds) if time else 0


def within(chosen: Iterable[bytes], most: int) -> tuple[bytes, ...]:
    """As many as fit into `most` bytes, counted as the engine does: with tag and length."""
    size, taken = 0, list[bytes]()
    for raw in chosen:
        size += 1 + len(varint(len(raw))) + len(raw)
        if size > most:
            break
        taken.append(raw)
    return tuple(taken)


def codes(found: Sequence[VerifiedTransaction | Inadmissible], prepared: Prepared) -> Iterable[int]:
    """One result for each transaction in the block: its receipt's code, or why it is left out."""
    receipts = {bytes(one.id): one.code for one in prepared.applied.receipts}
    left_out = {one.id: error.code for one, error in reversed(prepared.proposal.refused)}
    left_out |= {one.id: OverBudget.code for one in prepared.proposal.deferred}
    for one in found:
        if isinstance(one, Inadmissible):
            yield one.code
        elif one.id in receipts:
            yield receipts.pop(one.id)
        else:
            yield left_out.get(one.id, Replayed.code)
