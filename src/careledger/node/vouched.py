"""Whether enough of those whom a trust file names vouch for the log that a snapshot is of.

The engine's light client follows the validators' votes; this asks the members' own checkpoints, so
that a node which joins is deceived only by as many of them as its trust file says.
"""

from collections.abc import Sequence

from careledger.ledger.checkpoint import (
    SignedByOneOf,
    SignedCheckpoint,
    VerifiedCheckpoint,
    verify_checkpoint,
)
from careledger.ledger.errors import LedgerError, ProofError, Unavailable
from careledger.ledger.merkle import verify_consistency
from careledger.ledger.record import Digest
from careledger.node.peer import Peer
from careledger.store.sync.format import Manifest
from careledger.verify.trust import Trust


def check_vouched(manifest: Manifest, trust: Trust, peers: Sequence[Peer]) -> None:
    """Check that the log of `manifest` is the one that the trusted members signed.

    Asked is each peer for its signature at that very size; if they are not enough together, for
    a later checkpoint that is, and for the proof that it goes on from the snapshot's.

    Raises:
        ProofError: they signed another log, or none that is so long: it may be from the future.
        Unavailable: nobody answers.
    """
    header = manifest.header
    size, root = header.size, Digest(header.log_root)
    answers = [found for peer in peers if (found := _ask(peer, size, trust)) is not None]
    if not answers:
        raise Unavailable("no peer shows a checkpoint of a member that the trust file names")
    others = [one for one in answers if one.checkpoint.size == size and one.checkpoint.root != root]
    mine = [one for one in answers if one.checkpoint.size == size and one.checkpoint.root == root]
    for same in (mine, *([one] for one in others)):
        if same and _verified(_merged(same), trust) is not None:
            if same is mine:
                return
            raise ProofError("the trusted members signed another log of that size", actual=size)
    if any(_continues(peer, size, root, trust) for peer in peers):
        return
    raise ProofError(
        f"the snapshot of block {header.height:,} is of {size:,} log entries, for which not enough "
        "of the trusted members vouch",
        expected=trust.threshold,
        actual=len(mine),
    )


def _ask(peer: Peer, size: int, trust: Trust) -> SignedCheckpoint | None:
    """What a peer shows at `size`, if any trusted member truly signed it."""
    try:
        signed = peer.checkpoint(size)
    except LedgerError:
        return None
    keys = tuple(key for keys in trust.note_keys().values() for key in keys)
    try:
        if signed is not None:
            verify_checkpoint(signed, trust.origin, SignedByOneOf(keys))
    except ProofError:
        return None
    return signed


def _merged(same: Sequence[SignedCheckpoint]) -> SignedCheckpoint:
    first, *rest = same
    return first.with_signatures(line for one in rest for line in one.signatures)


def _verified(signed: SignedCheckpoint, trust: Trust) -> VerifiedCheckpoint | None:
    try:
        return verify_checkpoint(signed, trust.origin, trust.policy())
    except ProofError:
        return None


def _continues(peer: Peer, size: int, root: Digest, trust: Trust) -> bool:
    """Whether a checkpoint that enough signed is of a log that begins with the snapshot's."""
    try:
        later = _verified(peer.log.checkpoint(), trust)
        if later is None or later.size < size:
            return False
        path = peer.consistency(size, later.size)
        verify_consistency(size, later.size, path, root, later.root)
    except LedgerError:
        return False
    return True
