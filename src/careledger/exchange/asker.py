"""Who asks, and why: what every read states, inside an organisation and between two."""

from dataclasses import dataclass

from careledger.ledger.record import AccountId
from careledger.mechanisms.messages import Query
from careledger.mechanisms.policy import Role
from careledger.mechanisms.purpose import Purpose
from careledger.mechanisms.terms import Action


@dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """A person or service of one organisation, and the purpose they stated; never defaulted."""

    purpose: Purpose
    practitioner: AccountId | None = None
    role: Role | None = None
    account: AccountId | None = None
    """The patient, where it is the patient who asks; then there is neither person nor role."""

    @property
    def is_system(self) -> bool:
        """Whether one of the organisation's systems asks, and nobody through it."""
        return self.practitioner is None and self.role is None and self.account is None


def action_of(query: Query) -> Action:
    """What a query does: one resource is read, criteria are searched, the whole is exported."""
    if query.type is None:
        return "export"
    return "search" if query.id is None else "read"
