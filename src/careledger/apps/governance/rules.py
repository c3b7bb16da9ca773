"""The law of governance: what a member may ask of the network, and what that changes."""

from collections.abc import Iterator
from typing import assert_never

from msgspec.structs import replace

from careledger.apps.governance.accountability import report
from careledger.apps.governance.commands import (
    ActivationAgreed,
    Command,
    EndpointSet,
    Event,
    KeyRegistered,
    KeyRetired,
    KeyRotated,
    MemberAdmitted,
    MemberEvent,
    MemberReinstated,
    MemberRemoved,
    MemberSuspended,
    Misbehaved,
    ParametersSet,
    PowerSet,
    ProposalCarried,
    ProposalRejected,
    Propose,
    Proposed,
    RegisterKey,
    ReportCheckpoints,
    RetireKey,
    RolesSet,
    RotateKey,
    SetEndpoint,
    StandingEvent,
    Vote,
    VoteCast,
    VoteEvent,
)
from careledger.apps.governance.keys import consensus_key, decide_key, evolve_key, register
from careledger.apps.governance.motions import NotAMember, carry
from careledger.apps.governance.queries import active_members, is_active, votes_needed
from careledger.apps.governance.state import (
    MEMBERS,
    MISBEHAVIOUR,
    PROPOSALS,
    ROLES,
    VOTES,
    MemberRow,
    MisbehaviourRow,
    ProposalRow,
    RoleRow,
    VoteRow,
)
from careledger.ledger.application import Context
from careledger.ledger.errors import Refusal, require
from careledger.ledger.keyring import retire_all
from careledger.ledger.membership import (
    ACTIVATIONS,
    PARAMETERS,
    SIGNERS,
    VALIDATORS,
    ActivationRow,
    SignerRow,
    ValidatorRow,
    parameters,
)
from careledger.ledger.record import Instant, MemberId
from careledger.ledger.state import Changes, View

LONGEST_VOTE_S = 90 * 86_400


class ProposalTaken(Refusal):
    """There is a proposal with that id already; choose fresh random bytes."""

    code = 105


class NoSuchProposal(Refusal):
    """There is no proposal with that id."""

    code = 106


class ProposalClosed(Refusal):
    """That proposal is decided, or its time is over."""

    code = 107


class AlreadyVoted(Refusal):
    """You voted on that proposal before; a vote stands."""

    code = 108


class VoteTooLong(Refusal):
    """A vote is open for at least a second and at most 90 days."""

    code = 109


def decide(command: Command, context: Context, view: View) -> Iterator[Event]:
    """Accept `command` as events, or refuse it."""
    me = MemberId(context.signer)
    require(context.kind == "member" and is_active(view, me), NotAMember)
    match command:
        case RegisterKey() | RotateKey() | RetireKey():
            yield decide_key(command, me, context, view)
        case SetEndpoint(gateway=gateway):
            yield EndpointSet(member=me, gateway=gateway)
        case Propose():
            yield from _propose(command, me, context, view)
        case Vote(proposal=proposal, approve=approve):
            row = view.find(PROPOSALS, proposal, absent=NoSuchProposal)
            require(row.outcome == "open" and context.time <= row.until, ProposalClosed)
            require(view.get(VOTES, proposal, me) is None, AlreadyVoted)
            yield VoteCast(proposal=proposal, member=me, approve=approve, at=context.time)
            yield from _count(proposal, row, {me: approve}, context, view)
        case ReportCheckpoints():
            yield from report(command, me, context, view)
        case _:
            assert_never(command)


def _propose(command: Propose, me: MemberId, context: Context, view: View) -> Iterator[Event]:
    """A motion is judged when it is made and again when it carries, for the world moves on."""
    require(view.get(PROPOSALS, command.proposal) is None, ProposalTaken)
    require(context.time < command.until <= context.time + LONGEST_VOTE_S, VoteTooLong)
    carry(command.motion, context, view)
    row = ProposalRow(member=me, motion=command.motion, until=command.until)
    yield Proposed(
        proposal=command.proposal,
        member=me,
        motion=command.motion,
        until=command.until,
        at=context.time,
    )
    yield VoteCast(proposal=command.proposal, member=me, approve=True, at=context.time)
    yield from _count(command.proposal, row, {me: True}, context, view)


def _count(
    proposal: bytes, row: ProposalRow, now: dict[MemberId, bool], context: Context, view: View
) -> Iterator[Event]:
    """Count the votes of those who are active at this moment, the one just cast among them."""
    active = active_members(view)
    needed = votes_needed(parameters(view), len(active))
    cast = {MemberId(str(who)): vote.approve for (_, who), vote in view.scan(VOTES, proposal)} | now
    votes = [cast[who] for who in active if who in cast]
    if votes.count(True) >= needed:
        yield ProposalCarried(proposal=proposal, at=context.time)
        yield carry(row.motion, context, view)
    elif len(active) - votes.count(False) < needed:
        yield ProposalRejected(proposal=proposal, at=context.time)


def evolve(event: Event, view: View) -> Changes:
    """Fold one event into the state; never refuses."""
    match event:
        case KeyRegistered() | KeyRotated() | KeyRetired():
            return evolve_key(event, view)
        case Proposed() | VoteCast() | ProposalCarried() | ProposalRejected():
            return _evolve_vote(event, view)
        case ActivationAgreed(application=name, version=version, height=height):
            return ACTIVATIONS.put(ActivationRow(version=version), name, height)
        case ParametersSet(parameters=agreed):
            return PARAMETERS.put(agreed, "network")
        case Misbehaved():
            row = MisbehaviourRow(at=event.at, reporter=event.reporter)
            return MISBEHAVIOUR.put(row, event.member, event.kind, event.number)
        case _:
            return _evolve_member(event, view)


def _evolve_vote(event: VoteEvent, view: View) -> Changes:
    match event:
        case Proposed(proposal=proposal):
            row = ProposalRow(member=event.member, motion=event.motion, until=event.until)
            return PROPOSALS.put(row, proposal)
        case VoteCast(proposal=proposal, member=member):
            return VOTES.put(VoteRow(approve=event.approve, at=event.at), proposal, member)
        case ProposalCarried(proposal=proposal):
            row = view.row(PROPOSALS, proposal)
            return PROPOSALS.put(replace(row, outcome="carried"), proposal)
        case ProposalRejected(proposal=proposal):
            row = view.row(PROPOSALS, proposal)
            return PROPOSALS.put(replace(row, outcome="rejected"), proposal)
        case _:
            assert_never(event)


def _evolve_member(event: MemberEvent, view: View) -> Changes:
    member = event.member
    match event:
        case RolesSet(roles=roles, at=at):
            return _set_roles(view, member, roles, at)
        case PowerSet(power=power):
            return _set_power(view, member, power)
        case EndpointSet(gateway=gateway):
            row = view.row(MEMBERS, member)
            return MEMBERS.put(replace(row, gateway=gateway), member)
        case _:
            return _evolve_standing(event, view)


def _evolve_standing(event: StandingEvent, view: View) -> Changes:
    member = event.member
    standing = SignerRow(kind="member", payer=member)
    match event:
        case MemberAdmitted():
            return _admit(event, standing)
        case MemberSuspended(at=at):
            row = replace(standing, status="suspended", suspended=at)
            return {**SIGNERS.put(row, member), **_set_power(view, member, 0)}
        case MemberReinstated():
            return SIGNERS.put(standing, member)
        case MemberRemoved(at=at):
            gone = SIGNERS.put(replace(standing, status="removed"), member)
            powerless = _set_power(view, member, 0)
            return {**gone, **powerless, **retire_all(view, MemberId(member), at)}
        case _:
            assert_never(event)


def _admit(event: MemberAdmitted, standing: SignerRow) -> Changes:
    member, row = event.member, MemberRow(name=event.name, since=event.at, gateway=event.gateway)
    changes = {**SIGNERS.put(standing, member), **MEMBERS.put(row, member)}
    for role in event.roles:
        changes.update(ROLES.put(RoleRow(since=event.at), member, role))
    for key in event.keys:
        changes.update(register(MemberId(member), key, event.at))
    return changes


def _set_power(view: View, member: str, power: int) -> Changes:
    """A row in the set of validators, or none; without a consensus key there is no vote."""
    public = consensus_key(view, MemberId(member))
    if power and public is not None:
        return VALIDATORS.put(ValidatorRow(power=power, public=public), member)
    return {} if view.get(VALIDATORS, member) is None else VALIDATORS.remove(member)


def _set_roles(view: View, member: str, roles: tuple[str, ...], at: Instant) -> Changes:
    changes: dict[bytes, bytes | None] = {}
    kept = {str(role): row for (_, role), row in view.scan(ROLES, member)}
    for role in kept:
        changes.update(ROLES.remove(member, role))
    for role in roles:
        changes.update(ROLES.put(kept.get(role, RoleRow(since=at)), member, role))
    return changes
