"""The step that every proof ends with: may the checkpoint be believed?"""

from collections.abc import Sequence

from careledger.ledger.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    VerifiedCheckpoint,
    parse_checkpoint,
    verify_checkpoint,
)
from careledger.ledger.errors import ProofError
from careledger.verify.step import Step, Steps, plural
from careledger.verify.trust import Believed, LogHead, Trust, find_head, find_trust


def read_checkpoint(text: str, chain: bytes | None) -> SignedCheckpoint:
    """The checkpoint of `chain`'s log, if one is named; its signatures are not checked yet.

    Raises:
        Malformed: not a checkpoint.
        ProofError: another chain's.
    """
    signed = parse_checkpoint(text)
    if chain is not None and signed.checkpoint.origin != f"careledger/{chain.hex()}":
        raise ProofError(
            "the checkpoint is of another chain",
            expected=f"careledger/{chain.hex()}",
            actual=signed.checkpoint.origin,
        )
    return signed


def check_checkpoint(signed: SignedCheckpoint, trusts: Sequence[Believed]) -> Steps[Checkpoint]:
    """Say who vouches for the checkpoint, and whether that is enough.

    Raises:
        ProofError: there is a trust file for this log, and it is not satisfied.
    """
    checkpoint = signed.checkpoint
    head = find_head(trusts, checkpoint)
    if head is not None:
        yield _check_head(checkpoint, head)
        return checkpoint
    trust = find_trust(trusts, checkpoint.origin)
    if trust is None:
        yield _untrusted(signed)
        return checkpoint
    verified = verify_checkpoint(signed, trust.origin, trust.policy())
    yield Step(
        sentence=f"The checkpoint of {plural(checkpoint.size, 'log entry', 'log entries')} is "
        f"signed by {_vouching(verified, trust)}; your trust file asks for {trust.threshold} of "
        f"{len(trust.members)}."
    )
    return checkpoint


def _check_head(checkpoint: Checkpoint, head: LogHead) -> Step:
    if checkpoint.root != head.checkpoint.root:
        raise ProofError(
            "the validators decided another log of this size",
            expected=head.checkpoint.root.hex(),
            actual=checkpoint.root.hex(),
        )
    return Step(
        sentence=f"The checkpoint of {plural(checkpoint.size, 'log entry', 'log entries')} is what "
        f"the validators' votes on height {head.height:,} commit to."
    )


def _vouching(verified: VerifiedCheckpoint, trust: Trust) -> str:
    names = [
        member
        for member, keys in trust.note_keys().items()
        if not verified.signed_by.isdisjoint(keys)
    ]
    return ", ".join(sorted(names))


def _untrusted(signed: SignedCheckpoint) -> Step:
    seen = ", ".join(f"{line.name} (key {line.key_id.hex()})" for line in signed.signatures)
    return Step(
        decided=False,
        sentence="The checkpoint is believable only if its signers are: no trust file was given "
        f"for {signed.checkpoint.origin}. It bears the signatures of: {seen}.",
    )
