"""Questions others may ask of governance: who is a member, as what, and where it answers."""

from collections.abc import Iterator
from dataclasses import dataclass

from careledger.apps.governance.commands import Motion
from careledger.apps.governance.state import (
    MEMBERS,
    MISBEHAVIOUR,
    PROPOSALS,
    ROLES,
    VOTES,
    MemberRow,
    MisbehaviourRow,
)
from careledger.ledger.membership import SIGNERS, NetworkParameters, Status
from careledger.ledger.record import Instant, MemberId
from careledger.ledger.state import View


@dataclass(frozen=True, kw_only=True)
class Member:
    """A participating organisation as the ledger knows it now."""

    id: MemberId
    name: str
    status: Status
    roles: tuple[str, ...]
    since: Instant
    gateway: str | None


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A motion and how the vote on it stands."""

    id: bytes
    member: MemberId
    motion: Motion
    until: Instant
    outcome: str
    approving: tuple[MemberId, ...]
    disapproving: tuple[MemberId, ...]


def member(view: View, id_: MemberId) -> Member | None:
    """The member `id_`, if there ever was one."""
    row = view.get(MEMBERS, id_)
    return None if row is None else _member(view, id_, row)


def members(view: View) -> Iterator[Member]:
    """Every member there ever was, by id; look at its status."""
    for (id_,), row in view.scan(MEMBERS):
        yield _member(view, MemberId(str(id_)), row)


def has_role(view: View, member: MemberId, role: str) -> bool:
    """Whether `member` has `role`; its status is another question."""
    return view.get(ROLES, member, role) is not None


def is_active(view: View, member: MemberId) -> bool:
    """Whether `member` may act now."""
    signer = view.get(SIGNERS, member)
    return signer is not None and signer.kind == "member" and signer.status == "active"


def active_members(view: View) -> tuple[MemberId, ...]:
    """Everyone with a vote, by id."""
    ids = (MemberId(str(id_)) for (id_,), _ in view.scan(MEMBERS))
    return tuple(id_ for id_ in ids if is_active(view, id_))


def misbehaviour(view: View, member: MemberId) -> Iterator[tuple[str, int, MisbehaviourRow]]:
    """What `member` was caught at: kind, height or size, and when."""
    for (_, kind, number), row in view.scan(MISBEHAVIOUR, member):
        yield str(kind), int(number), row


def proposals(view: View) -> Iterator[Proposal]:
    """Every proposal there ever was, by id; look at its outcome and its time."""
    for (id_,), row in view.scan(PROPOSALS):
        if isinstance(id_, bytes):
            votes = [(MemberId(str(who)), vote) for (_, who), vote in view.scan(VOTES, id_)]
            yield Proposal(
                id=id_,
                member=MemberId(row.member),
                motion=row.motion,
                until=row.until,
                outcome=row.outcome,
                approving=tuple(who for who, vote in votes if vote.approve),
                disapproving=tuple(who for who, vote in votes if not vote.approve),
            )


def votes_needed(parameters: NetworkParameters, active: int) -> int:
    """Approvals that carry a proposal among `active` members: the threshold, rounded up."""
    return -(-active * parameters.vote_threshold_percent // 100)


def _member(view: View, id_: MemberId, row: MemberRow) -> Member:
    return Member(
        id=id_,
        name=row.name,
        status=view.row(SIGNERS, id_).status,
        roles=tuple(str(role) for (_, role), _ in view.scan(ROLES, id_)),
        since=row.since,
        gateway=row.gateway,
    )
