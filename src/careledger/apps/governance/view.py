"""How governance looks."""

from careledger.apps.governance import commands, state
from careledger.display import Page

PAGE = Page(
    title="Members",
    table=state.MEMBERS,
    columns={"Name": "name", "Since": "since", "Gateway": "gateway"},
    actions=(
        commands.Propose,
        commands.Vote,
        commands.ReportCheckpoints,
        commands.SetEndpoint,
        commands.RegisterKey,
        commands.RotateKey,
        commands.RetireKey,
    ),
    says={
        commands.MemberAdmitted: "{name} became a member as {member}",
        commands.MemberSuspended: "{member} was suspended and may not act",
        commands.MemberReinstated: "{member} was reinstated and acts again",
        commands.MemberRemoved: "The membership of {member} ended",
        commands.RolesSet: "{member} now has the roles {roles}",
        commands.ParametersSet: "The members changed what the network agreed on",
        commands.ActivationAgreed: (
            "From block {height} on {application} runs in version {version}"
        ),
        commands.KeyRegistered: "{member} registered another key",
        commands.KeyRotated: "{member} replaced a key; the old one signs no more",
        commands.KeyRetired: "{member} retired a key",
        commands.PowerSet: "The vote of {member} on blocks now weighs {power}",
        commands.EndpointSet: "{member} now answers at {gateway}",
        commands.Misbehaved: "{member} was caught at {kind}, number {number}",
        commands.Proposed: "{member} put motion {proposal} to the vote, until {until}",
        commands.VoteCast: "{member} voted {approve} on motion {proposal}",
        commands.ProposalCarried: "Motion {proposal} was carried",
        commands.ProposalRejected: "Motion {proposal} was rejected",
    },
    formats={"since": "instant", "until": "instant"},
    absent={"gateway": "no address", "roles": "none"},
)
