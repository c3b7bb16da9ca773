"""How identity looks."""

from careledger.apps.identity import commands, state
from careledger.display import Page

PAGE = Page(
    title="Accounts",
    table=state.ACCOUNTS,
    columns={
        "Kind": "kind",
        "Name": "name",
        "Enrolled by": "member",
        "Identity assurance": "ial",
        "Sign-in assurance": "aal",
        "Roles": "roles",
        "Since": "since",
        "Code until": "claim_until",
    },
    actions=(
        commands.EnrolAccount,
        commands.ReissueClaim,
        commands.SetAssurance,
        commands.SetCredentialRoles,
        commands.SuspendAccount,
        commands.ReinstateAccount,
        commands.ClaimAccount,
        commands.RegisterAccountKey,
        commands.RotateAccountKey,
        commands.RetireAccountKey,
    ),
    says={
        commands.AccountEnrolled: "{member} enrolled {account}",
        commands.ClaimReissued: "{member} gave the holder of {account} another code",
        commands.AccountClaimed: "The patient claimed {account}: only their key signs for it now",
        commands.AccountKeyRegistered: "{account} registered another key",
        commands.AccountKeyRotated: "{account} replaced a key; the old one signs no more",
        commands.AccountKeyRetired: "{account} retired a key",
        commands.AccountSuspended: "{member} suspended {account}",
        commands.AccountReinstated: "{member} reinstated {account}",
        commands.AssuranceSet: "{member} proofed the holder of {account} again, to level {ial}",
        commands.CredentialRolesSet: "{member} says that {account} now has the roles {roles}",
    },
    formats={"since": "instant", "claim_until": "instant"},
    absent={"name": "not on the ledger", "claim_until": "", "aal": "not stated", "roles": "none"},
)
