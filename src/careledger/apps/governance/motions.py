"""What may be voted on, and what it brings about when it carries."""

from typing import assert_never

from careledger.apps.governance.commands import (
    Activate,
    ActivationAgreed,
    Admit,
    Effect,
    MemberAdmitted,
    MemberMotion,
    MemberReinstated,
    MemberRemoved,
    MemberSuspended,
    Motion,
    ParametersSet,
    PowerSet,
    Reinstate,
    Remove,
    RolesSet,
    SetParameters,
    SetPower,
    SetRoles,
    Suspend,
)
from careledger.apps.governance.keys import check_consensus, consensus_key
from careledger.apps.governance.queries import active_members, votes_needed
from careledger.ledger.application import Context
from careledger.ledger.errors import Refusal, require
from careledger.ledger.keyring import KeyKnown, KeyNotProven, check_first
from careledger.ledger.membership import (
    ACTIVATIONS,
    SIGNERS,
    VALIDATORS,
    NetworkParameters,
    Status,
    parameters,
)
from careledger.ledger.record import MemberId
from careledger.ledger.state import View

LOWEST_THRESHOLD_PERCENT = 51
"""Below this a minority could remove everybody else."""

HIGHEST_THRESHOLD_PERCENT = 99
"""Above this one member that stays silent could keep the network from ever deciding again."""

FEWEST_TO_SPARE_ONE = 3
"""Two members have to agree on everything, whatever the threshold: it is above one half."""

ACTIVATION_NOTICE = 100
"""Blocks between the vote that carries an activation and the first block that it acts in."""

SMALLEST_BUDGET = 10
SMALLEST_BUDGET_BYTES = 100_000
"""Two transactions of the largest size, after the share that is held back for protection."""


class NotAMember(Refusal):
    """Only an active member may do that."""

    code = 100


class MemberTaken(Refusal):
    """There is, or was, a member with that id; ids are never given again."""

    code = 101


class NoSuchMember(Refusal):
    """There is no member with that id."""

    code = 102


class AlreadySo(Refusal):
    """The member is in another state than the motion needs: it is so already, or ended."""

    code = 103


class LocksOut(Refusal):
    """That would leave nobody, or a mere part of the members, able to govern the network."""

    code = 104


class NoConsensusKey(Refusal):
    """That member has no consensus key to vote on blocks with; it registers one first."""

    code = 113


class NoSuchApplication(Refusal):
    """No application of that name runs on this chain."""

    code = 114


class NotAnAdvance(Refusal):
    """That version, or a later one, runs already, or is agreed on for another height."""

    code = 115


class TooSoon(Refusal):
    """An activation needs at least 100 blocks' notice, so that every node is upgraded in time."""

    code = 116


def carry(motion: Motion, context: Context, view: View) -> Effect:
    """What `motion` brings about now.

    Raises:
        Refusal: it cannot be carried out.
    """
    match motion:
        case Admit():
            return _admit(motion, context, view)
        case SetParameters(parameters=agreed):
            require(_leaves_everyone_able(agreed), LocksOut)
            require(_leaves_one_to_spare(agreed, view), LocksOut)
            return ParametersSet(parameters=agreed)
        case SetPower():
            return _set_power(motion, view)
        case Activate():
            return _activate(motion, context, view)
        case _:
            return _about_member(motion, context, view)


def _about_member(motion: MemberMotion, context: Context, view: View) -> Effect:
    member, status = motion.member, _status(view, motion.member)
    match motion:
        case Suspend():
            require(status == "active", AlreadySo)
            _check_somebody_stays(view, member)
            return MemberSuspended(member=member, at=context.time)
        case Reinstate():
            require(status == "suspended", AlreadySo)
            return MemberReinstated(member=member)
        case Remove():
            require(status != "removed", AlreadySo)
            _check_somebody_stays(view, member)
            return MemberRemoved(member=member, at=context.time)
        case SetRoles(roles=roles):
            require(status != "removed", AlreadySo)
            return RolesSet(member=member, roles=roles, at=context.time)
        case _:
            assert_never(motion)


def _admit(motion: Admit, context: Context, view: View) -> MemberAdmitted:
    member = MemberId(motion.member)
    require(view.get(SIGNERS, member) is None, MemberTaken)
    require(any(key.use == "transaction" for key in motion.keys), KeyNotProven)
    uses = tuple(key.use for key in motion.keys if key.use != "claim")
    keys = tuple(check_first(view, member, key, context.chain, uses) for key in motion.keys)
    require(len({key.public for key in keys}) == len(keys), KeyKnown)
    check_consensus(view, keys)
    return MemberAdmitted(
        member=member,
        name=motion.name,
        roles=motion.roles,
        keys=keys,
        at=context.time,
        gateway=motion.gateway,
    )


def _set_power(motion: SetPower, view: View) -> PowerSet:
    member, power = MemberId(motion.member), motion.power
    require(_status(view, member) == "active", AlreadySo)
    row = view.get(VALIDATORS, member)
    require(power != (0 if row is None else row.power), AlreadySo)
    if power:
        require(consensus_key(view, member) is not None, NoConsensusKey)
    else:
        require(_leaves_a_validator(view, member), LocksOut)
    return PowerSet(member=member, power=power)


def _activate(motion: Activate, context: Context, view: View) -> ActivationAgreed:
    """Versions rise with height, so that what runs at a height never depends on the order of votes.

    Whether a node has that version is no concern of a rule, which decides alike everywhere.
    """
    name, version, height = motion.application, motion.version, motion.height
    if name not in context.active:
        raise NoSuchApplication
    require(version > context.active[name], NotAnAdvance)
    for (_, other), row in view.scan(ACTIVATIONS, name):
        in_order = (height - int(other)) * (version - row.version) > 0
        require(in_order, NotAnAdvance)
    require(height >= context.height + ACTIVATION_NOTICE, TooSoon)
    return ActivationAgreed(application=name, version=version, height=height)


def _status(view: View, member: str) -> Status:
    row = view.find(SIGNERS, member, absent=NoSuchMember)
    require(row.kind == "member", NoSuchMember)
    return row.status


def _check_somebody_stays(view: View, member: str) -> None:
    require(leaves_somebody(view, member), LocksOut)


def leaves_somebody(view: View, without: str) -> bool:
    """Whether somebody can still act, and vote on blocks where anybody does, without `without`."""
    return _leaves_a_validator(view, without) and any(
        other != without for other in active_members(view)
    )


def _leaves_a_validator(view: View, without: str) -> bool:
    return [member for (member,), _ in view.scan(VALIDATORS)] != [without]


def _leaves_everyone_able(agreed: NetworkParameters) -> bool:
    share = 100 - agreed.protective_percent
    return (
        LOWEST_THRESHOLD_PERCENT <= agreed.vote_threshold_percent <= HIGHEST_THRESHOLD_PERCENT
        and agreed.transactions_per_block * share // 100 >= SMALLEST_BUDGET
        and agreed.bytes_per_block * share // 100 >= SMALLEST_BUDGET_BYTES
    )


def _leaves_one_to_spare(agreed: NetworkParameters, view: View) -> bool:
    """Whether the members of today could decide without any one of them, unless they never could.

    Thresholds round up: 80 percent of four members is all four.
    """
    active = len(active_members(view))
    needed = votes_needed(agreed, active)
    return (
        active < FEWEST_TO_SPARE_ONE
        or needed < active
        or needed <= votes_needed(parameters(view), active)
    )
