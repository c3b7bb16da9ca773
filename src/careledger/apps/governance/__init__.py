"""Governance: who takes part, under which keys, and what the network agreed on.

Members admit, suspend and remove one another by recorded votes; each keeps its own keys, and what
its own signatures prove against it is recorded. Genesis
is a list of this application's events (`MemberAdmitted`, `RolesSet`), folded by the same `evolve`.
It writes the core's tables of signers, keys and validators, because blocks need them first.
"""

from careledger.apps.governance import accountability, commands, keys, motions, rules, state
from careledger.ledger import keyring, membership
from careledger.ledger.application import Application

APPLICATION: Application[commands.Command, commands.Event] = Application(
    name="governance",
    version=1,
    tables=(
        state.MEMBERS,
        state.ROLES,
        state.PROPOSALS,
        state.VOTES,
        state.MISBEHAVIOUR,
        *membership.TABLES,
    ),
    commands=(
        commands.RegisterKey,
        commands.RotateKey,
        commands.RetireKey,
        commands.SetEndpoint,
        commands.Propose,
        commands.Vote,
        commands.ReportCheckpoints,
    ),
    events=(
        commands.MemberAdmitted,
        commands.MemberSuspended,
        commands.MemberReinstated,
        commands.MemberRemoved,
        commands.RolesSet,
        commands.ParametersSet,
        commands.ActivationAgreed,
        commands.KeyRegistered,
        commands.KeyRotated,
        commands.KeyRetired,
        commands.EndpointSet,
        commands.PowerSet,
        commands.Misbehaved,
        commands.Proposed,
        commands.VoteCast,
        commands.ProposalCarried,
        commands.ProposalRejected,
    ),
    refusals=(
        motions.NotAMember,
        motions.MemberTaken,
        motions.NoSuchMember,
        motions.AlreadySo,
        motions.LocksOut,
        motions.NoConsensusKey,
        motions.NoSuchApplication,
        motions.NotAnAdvance,
        motions.TooSoon,
        accountability.NotMisbehaviour,
        accountability.KnownMisbehaviour,
        keys.ConsensusKeyTaken,
        keys.OneConsensusKey,
        keys.StillValidates,
        rules.ProposalTaken,
        rules.NoSuchProposal,
        rules.ProposalClosed,
        rules.AlreadyVoted,
        rules.VoteTooLong,
        *keyring.REFUSALS,
    ),
    decide=rules.decide,
    evolve=rules.evolve,
    witness=accountability.witness,
)
