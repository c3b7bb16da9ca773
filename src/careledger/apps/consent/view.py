"""How consent looks."""

from careledger.apps.consent import commands, state
from careledger.display import Page

PAGE = Page(
    title="Consents",
    table=state.CONSENTS,
    columns={
        "Kind": "kind",
        "Form": "form",
        "Held by": "custodian",
        "Recipient": "grantee",
        "Person": "practitioner",
        "Role": "role",
        "For": "purposes",
        "May": "actions",
        "From": "valid_from",
        "Until": "valid_until",
        "Given": "given",
        "Ended": "ended",
    },
    actions=(
        commands.GrantConsent,
        commands.DenyConsent,
        commands.RevokeConsent,
        commands.AttestPaperConsent,
        commands.EndPaperConsent,
    ),
    says={
        commands.ConsentGranted: (
            "{account} lets {grantee} ({practitioner}, {role}) {actions} records held by "
            "{custodian} for {purposes}, from {valid_from} until {valid_until}"
        ),
        commands.ConsentDenied: (
            "{account} denies {grantee} ({practitioner}, {role}) to {actions} records held by "
            "{custodian} for {purposes}, from {valid_from} until {valid_until}"
        ),
        commands.ConsentRevoked: "{account} ends consent {consent_id}",
        commands.PaperConsentAttested: (
            "{staff} and witness {witness} attest a {kind} that {account} signed on paper: "
            "{grantee} ({practitioner}, {role}), records held by {custodian}, for {purposes}, "
            "from {valid_from} until {valid_until}"
        ),
        commands.PaperConsentEnded: (
            "{staff} ends consent {consent_id} on paper, as {account} asked at the desk"
        ),
    },
    formats={
        "valid_from": "day",
        "valid_until": "day",
        "given": "instant",
        "ended": "instant",
    },
    absent={
        "grantee": "anyone",
        "practitioner": "anyone there",
        "role": "any role",
        "purposes": "any purpose",
        "actions": "do anything with",
        "valid_until": "it is ended",
        "ended": "",
    },
)
