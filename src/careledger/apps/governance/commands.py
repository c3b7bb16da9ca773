"""What a member may ask of the network (imperative), and what then has happened (past tense)."""

from typing import Annotated, Literal

import msgspec

from careledger.ledger.membership import MAX_POWER, NetworkParameters, NewKey
from careledger.ledger.possession import PublishedKey
from careledger.ledger.record import Count, Hash, Instant, MemberName, Name, PublicName, Record

MemberRole = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z-]{1,31}\\Z")]
"""What an organisation is: provider, payer, pharmacy, laboratory, manufacturer, regulator, ..."""

Roles = Annotated[tuple[MemberRole, ...], msgspec.Meta(max_length=16)]

Endpoint = Annotated[str, msgspec.Meta(pattern="^https?://[!-~]{1,200}\\Z")]
"""Where an organisation's gateway answers."""

Power = Annotated[int, msgspec.Meta(ge=0, le=MAX_POWER)]
"""Voting power on blocks."""

SignedNote = Annotated[str, msgspec.Meta(min_length=1, max_length=16_384)]
"""A signed checkpoint (C2SP tlog-checkpoint); the end of its last line may be missing."""

Offence = Literal["duplicate-vote", "light-client-attack", "equivocation"]
"""What a member can be caught at; the last one is two checkpoints that cannot both be."""

ProposalId = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
"""16 random bytes from whoever proposes."""


class Admit(Record, tag="admit"):
    """Make an organisation a member; its keys prove their possession."""

    member: MemberName
    name: PublicName
    roles: Roles
    keys: Annotated[tuple[NewKey, ...], msgspec.Meta(min_length=1, max_length=8)]
    gateway: Endpoint | None = None


class Suspend(Record, tag="suspend"):
    """Stop a member from acting; its patients may still protect themselves."""

    member: MemberName


class Reinstate(Record, tag="reinstate"):
    """Let a suspended member act again."""

    member: MemberName


class Remove(Record, tag="remove"):
    """End a membership for good; its id is never given again."""

    member: MemberName


class SetRoles(Record, tag="set-roles"):
    """Say what a member is."""

    member: MemberName
    roles: Roles


class SetParameters(Record, tag="set-parameters"):
    """Change what genesis fixed for everyone."""

    parameters: NetworkParameters


class SetPower(Record, tag="set-power"):
    """Say what a member's vote on blocks weighs; 0 ends its part in making them."""

    member: MemberName
    power: Power


class Activate(Record, tag="activate"):
    """Run another version of an application from the block at `height` on."""

    application: Name
    version: Annotated[int, msgspec.Meta(ge=1, lt=2**31)]
    height: Count


MemberMotion = Suspend | Reinstate | Remove | SetRoles
Motion = Admit | MemberMotion | SetParameters | SetPower | Activate
"""What may be voted on."""


class RegisterKey(Record, tag="register-key"):
    """Add a key of mine."""

    key: NewKey


class RotateKey(Record, tag="rotate-key"):
    """Replace my key `old` by another for the same use; the old one dies with this command."""

    old: Hash
    key: NewKey


class RetireKey(Record, tag="retire-key"):
    """End a key of mine."""

    key: Hash


class SetEndpoint(Record, tag="set-endpoint"):
    """Say where my gateway answers, or that it answers nowhere."""

    gateway: Endpoint | None


class Propose(Record, tag="propose"):
    """Put a motion to the vote, open until `until`; proposing is voting for it."""

    proposal: ProposalId
    motion: Motion
    until: Instant


class Vote(Record, tag="vote"):
    """Vote on a proposal, once."""

    proposal: ProposalId
    approve: bool


class ReportCheckpoints(Record, tag="report-checkpoints"):
    """Report two signed checkpoints of a member that cannot both be of one log.

    Of two sizes, `first` is the smaller one; `older` is the root that the larger one's log had at
    that size, and `path` proves that (RFC 9162 2.1.4).
    """

    member: MemberName
    first: SignedNote
    second: SignedNote
    older: Hash | None = None
    path: Annotated[tuple[Hash, ...], msgspec.Meta(max_length=64)] = ()


class MemberAdmitted(Record, tag="member-admitted"):
    """An organisation became a member."""

    member: MemberName
    name: PublicName
    roles: Roles
    keys: tuple[PublishedKey, ...]
    at: Instant
    gateway: Endpoint | None = None


class MemberSuspended(Record, tag="member-suspended"):
    """A member may not act for now."""

    member: MemberName
    at: Instant | msgspec.UnsetType = msgspec.UNSET
    """Unset only in ledgers from before it was kept."""


class MemberReinstated(Record, tag="member-reinstated"):
    """A suspended member acts again."""

    member: MemberName


class MemberRemoved(Record, tag="member-removed"):
    """A membership ended, and all its keys with it."""

    member: MemberName
    at: Instant


class RolesSet(Record, tag="roles-set"):
    """A member's roles are now these."""

    member: MemberName
    roles: Roles
    at: Instant


class PowerSet(Record, tag="power-set"):
    """A member's vote on blocks weighs this now; 0: it has none."""

    member: MemberName
    power: Power


class ParametersSet(Record, tag="parameters-set"):
    """The network's parameters are now these."""

    parameters: NetworkParameters


class ActivationAgreed(Record, tag="activation-agreed"):
    """An application runs in this version from the block at `height` on."""

    application: Name
    version: Annotated[int, msgspec.Meta(ge=1, lt=2**31)]
    height: Count


class KeyRegistered(Record, tag="key-registered"):
    """A member has another key."""

    member: MemberName
    key: PublishedKey
    at: Instant


class KeyRotated(Record, tag="key-rotated"):
    """A member's key was replaced; `old` signs no more."""

    member: MemberName
    old: Hash
    key: PublishedKey
    at: Instant


class KeyRetired(Record, tag="key-retired"):
    """A member's key signs no more."""

    member: MemberName
    key: Hash
    at: Instant


class EndpointSet(Record, tag="endpoint-set"):
    """A member's gateway answers here now."""

    member: MemberName
    gateway: Endpoint | None


class Misbehaved(Record, tag="misbehaved"):
    """A member's own signatures prove that it did what nobody may do.

    `number` is the height of the block, or the size of the log, that it was about; `reporter` is
    the member that reported it, if the engine did not.
    """

    member: MemberName
    kind: Offence
    number: Count
    reporter: MemberName | None
    at: Instant


class Proposed(Record, tag="proposed"):
    """A member put a motion to the vote."""

    proposal: ProposalId
    member: MemberName
    motion: Motion
    until: Instant
    at: Instant


class VoteCast(Record, tag="vote-cast"):
    """A member voted."""

    proposal: ProposalId
    member: MemberName
    approve: bool
    at: Instant


class ProposalCarried(Record, tag="proposal-carried"):
    """Enough members approved; what follows took effect."""

    proposal: ProposalId
    at: Instant


class ProposalRejected(Record, tag="proposal-rejected"):
    """So many members disapproved that it can no longer carry."""

    proposal: ProposalId
    at: Instant


KeyCommand = RegisterKey | RotateKey | RetireKey
Command = KeyCommand | SetEndpoint | Propose | Vote | ReportCheckpoints

KeyEvent = KeyRegistered | KeyRotated | KeyRetired
StandingEvent = MemberAdmitted | MemberSuspended | MemberReinstated | MemberRemoved
MemberEvent = StandingEvent | RolesSet | EndpointSet | PowerSet
VoteEvent = Proposed | VoteCast | ProposalCarried | ProposalRejected
Effect = MemberEvent | ParametersSet | ActivationAgreed
"""What a carried motion, or genesis, brings about."""
Event = KeyEvent | MemberEvent | VoteEvent | ParametersSet | ActivationAgreed | Misbehaved
