"""Following the log: read it whole, check that it adds up, keep what concerns the patient."""

from collections.abc import Iterable

from msgspec import UNSET

from careledger.apps.governance.queries import members
from careledger.consensus.remote import Happened, RemoteNode
from careledger.ledger.checkpoint import (
    Policy,
    Quorum,
    member_keys,
    origin_of,
    parse_checkpoint,
    verify_checkpoint,
)
from careledger.ledger.entry import (
    BlockEntry,
    GenesisEntry,
    TransactionEntry,
    decode_entry,
    events_digest,
)
from careledger.ledger.errors import ProofError
from careledger.ledger.membership import live_keys
from careledger.ledger.merkle import leaf_hash
from careledger.ledger.record import Digest
from careledger.ledger.state import View
from careledger.ledger.transition import Receipt
from careledger.verify.trust import Trust
from careledger.wallet.ledger_copy import LedgerCopy
from careledger.wallet.proofs import COSIGNED_S

CHUNK = 1_000
"""Log entries in one request: as many as a node gives."""


async def follow(node: RemoteNode, copy: LedgerCopy, trust: Trust | None) -> str:
    """Extend `copy` to the node's newest checkpoint, whose text is returned.

    Raises:
        ProofError: the node shows another log than before, leaves something out, or nobody whom
            the patient believes vouches for it; `copy` is then worth nothing.
        MissingVersion: the network runs a version of an application that this wallet lacks.
        Unavailable: the node did not answer.
    """
    text = await node.checkpoint(wait=COSIGNED_S if trust and trust.threshold > 1 else 0)
    signed = parse_checkpoint(text)
    target = signed.checkpoint
    if target.size < copy.size:
        raise ProofError(
            "the node shows a shorter log than before", expected=copy.size, actual=target.size
        )
    waiting: list[tuple[int, Receipt]] = []
    while copy.size < target.size:
        begin, end = copy.size, min(copy.size + CHUNK, target.size)
        entries = await node.entries(begin, end)
        if len(entries) != end - begin:
            raise ProofError("the node leaves log entries out", expected=end, actual=len(entries))
        page = await node.events(after=begin, limit=CHUNK)
        waiting = _read(copy, entries, page.happened, waiting)
    if copy.frontier.root() != target.root:
        raise ProofError(
            "the log that the node shows does not add up to its checkpoint",
            expected=target.root.hex(),
            actual=copy.frontier.root().hex(),
        )
    policy = trust.policy() if trust else any_node(copy.view, copy.chain)
    verify_checkpoint(signed, origin_of(copy.chain), policy)
    return text


def any_node(view: View, chain: Digest) -> Policy:
    """The belief of those who name nobody: one node of one active member vouches."""
    origin = origin_of(chain)
    return Quorum(
        1,
        {
            member.id: tuple(
                key
                for _, row in live_keys(view, member.id, "checkpoint")
                for key in member_keys(origin, member.id, row.public)
            )
            for member in members(view)
            if member.status == "active"
        },
    )


def _read(
    copy: LedgerCopy,
    entries: list[bytes],
    happened: Iterable[Happened],
    waiting: list[tuple[int, Receipt]],
) -> list[tuple[int, Receipt]]:
    """Read entries in order; what is returned waits for the end of its block."""
    told = {one.index: one.receipt for one in happened}
    for index, data in enumerate(entries, copy.size):
        match decode_entry(data):
            case GenesisEntry(chain=chain):
                if index or chain != copy.chain:
                    raise ProofError("another chain's log", expected=copy.chain.hex())
            case TransactionEntry() as entry:
                waiting.append((index, _checked(entry, told.get(index))))
            case BlockEntry() as ending:
                copy.enter(ending.height)
                for at, receipt in [*_witnessed(index, ending, told.get(index)), *waiting]:
                    copy.fold(at, receipt.id, ending.time, receipt.events)
                waiting = []
    copy.grow(map(leaf_hash, entries))
    return waiting


def _witnessed(
    index: int, ending: BlockEntry, receipt: Receipt | None
) -> list[tuple[int, Receipt]]:
    """What followed from evidence; it took effect before the block's first transaction."""
    if ending.witnessed is UNSET:
        return []
    if receipt is None:
        raise ProofError("the node leaves out what evidence led to", expected=ending.height)
    if events_digest(receipt.events) != ending.witnessed:
        raise ProofError("events differ from their block entry", expected=ending.height)
    return [(index, receipt)]


def _checked(entry: TransactionEntry, receipt: Receipt | None) -> Receipt:
    """The receipt that a log entry speaks of."""
    if receipt is None:
        raise ProofError("the node leaves out what a transaction did", expected=entry.id.hex())
    if (receipt.id, receipt.code) != (entry.id, entry.code):
        raise ProofError("a receipt differs from its log entry", expected=entry.id.hex())
    if events_digest(receipt.events) != entry.events:
        raise ProofError("events differ from their log entry", expected=entry.id.hex())
    return receipt
