"""Consent: a patient says who may see what of her records, for what, and until when.

Only the envelope stands here; the terms are sealed and off the ledger. Everyone else asks the
questions in `queries`. Law: 45 CFR 164.508 and 164.522 (authorization, restriction), 42 CFR 2.31
(substance use disorder records), GDPR 7 (as easy to withdraw as to give).
"""

from careledger.apps.consent import commands, rules, state
from careledger.ledger.application import Application

APPLICATION: Application[commands.Command, commands.Event] = Application(
    name="consent",
    version=1,
    tables=(state.CONSENTS, state.PAPERS),
    commands=(
        commands.GrantConsent,
        commands.DenyConsent,
        commands.RevokeConsent,
        commands.AttestPaperConsent,
        commands.EndPaperConsent,
    ),
    events=(
        commands.ConsentGranted,
        commands.ConsentDenied,
        commands.ConsentRevoked,
        commands.PaperConsentAttested,
        commands.PaperConsentEnded,
    ),
    refusals=rules.REFUSALS,
    decide=rules.decide,
    evolve=rules.evolve,
    protective=(commands.DenyConsent, commands.RevokeConsent, commands.EndPaperConsent),
)
