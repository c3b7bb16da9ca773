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
        commands.KeyRegistered: "{member} registered another key",
        commands.KeyRotated: "{member} replaced a key; the old one signs no more",
        commands.KeyRetired: "{member} retired a key",
        commands.EndpointSet: "{member} now answers at {gateway}",
        commands.Proposed: "{member} put a motion to the vote, open until {until}",
        commands.VoteCast: "{member} voted on a motion",
        commands.ProposalCarried: "A motion was carried",
        commands.ProposalRejected: "A motion was rejected",
    },
)
