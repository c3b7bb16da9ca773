"""What a member is called to account for: two votes for one height, two histories for one log.

Either is proved by the member's own signatures, so one proof suffices and no vote is needed. What
is proved once about one height or size is not recorded twice.
"""

from collections.abc import Iterator

from careledger.apps.governance.commands import (
    MemberSuspended,
    Misbehaved,
    Offence,
    ReportCheckpoints,
)
from careledger.apps.governance.motions import NoSuchMember, leaves_somebody
from careledger.apps.governance.state import MISBEHAVIOUR
from careledger.ledger.application import Context
from careledger.ledger.checkpoint import (
    Checkpoint,
    SignedByOneOf,
    member_keys,
    origin_of,
    parse_checkpoint,
    verify_checkpoint,
)
from careledger.ledger.entry import Evidence
from careledger.ledger.errors import Malformed, ProofError, Refusal, require
from careledger.ledger.membership import CONSENSUS_KEYS, KEYS, SIGNERS, parameters
from careledger.ledger.merkle import verify_consistency
from careledger.ledger.record import Digest, Instant, MemberId
from careledger.ledger.state import View


class NotMisbehaviour(Refusal):
    """These are not two checkpoints of this log that the member signed and that cannot both be."""

    code = 117


class KnownMisbehaviour(Refusal):
    """That member's misbehaviour at that size of the log is recorded already."""

    code = 118


def witness(
    evidence: Evidence, time: Instant, view: View
) -> Iterator[Misbehaved | MemberSuspended]:
    """What follows from evidence that the engine brought; a retired key still names its holder."""
    key = view.get(CONSENSUS_KEYS, evidence.address)
    if key is not None:
        yield from _blame(MemberId(key.member), evidence.kind, evidence.height, None, time, view)


def report(
    command: ReportCheckpoints, me: MemberId, context: Context, view: View
) -> Iterator[Misbehaved | MemberSuspended]:
    """What follows from a member's report.

    Raises:
        Refusal: nobody is proved to have done anything, or it is known.
    """
    member = MemberId(command.member)
    signer = view.find(SIGNERS, member, absent=NoSuchMember)
    require(signer.kind == "member", NoSuchMember)
    try:
        first = _signed(command.first, member, context.chain, view)
        second = _signed(command.second, member, context.chain, view)
        contradict = _contradict(command, first, second)
    except (Malformed, ProofError) as error:
        raise NotMisbehaviour from error
    require(contradict, NotMisbehaviour)
    blamed = tuple(_blame(member, "equivocation", first.size, me, context.time, view))
    require(bool(blamed), KnownMisbehaviour)
    yield from blamed


def _signed(note: str, member: MemberId, chain: Digest, view: View) -> Checkpoint:
    """The checkpoint in `note`, which a checkpoint key of `member` signed; it may be retired.

    A member that could walk away from a key would sign with it and then retire it.
    """
    origin = origin_of(chain)
    keys = tuple(
        key
        for _, row in view.scan(KEYS, member)
        if row.use == "checkpoint"
        for key in member_keys(origin, member, row.public)
    )
    signed = parse_checkpoint(note.rstrip("\n") + "\n")  # shells take the last line's end away
    return verify_checkpoint(signed, origin, SignedByOneOf(keys)).checkpoint


def _contradict(command: ReportCheckpoints, first: Checkpoint, second: Checkpoint) -> bool:
    """Whether no log can have had both; `older` is the larger one's root at the smaller size.

    Raises:
        ProofError: the path does not prove `older`.
    """
    if first.size == second.size:
        return first.root != second.root
    if command.older is None:
        return False
    older = Digest(command.older)
    verify_consistency(first.size, second.size, command.path, older, second.root)
    return older != first.root


def _blame(
    member: MemberId,
    kind: Offence,
    number: int,
    reporter: MemberId | None,
    time: Instant,
    view: View,
) -> Iterator[Misbehaved | MemberSuspended]:
    if view.get(MISBEHAVIOUR, member, kind, number) is not None:
        return
    yield Misbehaved(member=member, kind=kind, number=number, reporter=reporter, at=time)
    active = view.row(SIGNERS, member).status == "active"
    suspends = parameters(view).suspend_on_evidence is True
    if suspends and active and leaves_somebody(view, member):
        yield MemberSuspended(member=member, at=time)
