"""Identity: accounts for patients, practitioners and devices, enrolled by a member.

Practitioners act under their public names. Patients and devices never have one here, and a patient
has another account, with another key, at every organisation, so that two of them cannot join their
patients from the ledger (45 CFR 164.514(b), NIST SP 800-63A for assurance levels).
"""

from careledger.apps.identity import commands, rules, state
from careledger.ledger import keyring, membership
from careledger.ledger.application import Application

APPLICATION: Application[commands.Command, commands.Event] = Application(
    name="identity",
    version=1,
    tables=(state.ACCOUNTS, membership.SIGNERS, membership.KEYS, membership.LIVE_KEYS),
    commands=(
        commands.EnrolAccount,
        commands.ReissueClaim,
        commands.ClaimAccount,
        commands.RegisterAccountKey,
        commands.RotateAccountKey,
        commands.RetireAccountKey,
        commands.SuspendAccount,
        commands.ReinstateAccount,
        commands.SetAssurance,
        commands.SetCredentialRoles,
    ),
    events=(
        commands.AccountEnrolled,
        commands.ClaimReissued,
        commands.AccountClaimed,
        commands.AccountKeyRegistered,
        commands.AccountKeyRotated,
        commands.AccountKeyRetired,
        commands.AccountSuspended,
        commands.AccountReinstated,
        commands.AssuranceSet,
        commands.CredentialRolesSet,
    ),
    refusals=(
        rules.NotAnEnroller,
        rules.AccountTaken,
        rules.NotYourAccount,
        rules.WrongFirstKey,
        rules.ClaimWindow,
        rules.AlreadyClaimed,
        rules.ClaimOver,
        rules.NotAnAccount,
        rules.StandingUnchanged,
        rules.NotAPractitioner,
        *keyring.REFUSALS,
    ),
    decide=rules.decide,
    evolve=rules.evolve,
    claims=(commands.ClaimAccount,),
)
