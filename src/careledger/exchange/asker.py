"""Who asks, and why: what every read states, inside an organisation and between two."""

from dataclasses import dataclass

from careledger.fhir.query import matches, parse_query
from careledger.ledger.record import AccountId
from careledger.mechanisms.messages import Query
from careledger.mechanisms.policy import Role
from careledger.mechanisms.purpose import Purpose
from careledger.mechanisms.terms import Action
from careledger.vault.index import Entry, Predicate


@dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """A person or service of one organisation, and the purpose they stated; never defaulted."""

    purpose: Purpose
    practitioner: AccountId | None = None
    role: Role | None = None
    account: AccountId | None = None
    """The patient, where it is the patient who asks; then there is neither person nor role."""


def action_of(query: Query) -> Action:
    """What a query does: one resource is read, criteria are searched, the whole is exported."""
    if query.type is None:
        return "export"
    return "search" if query.id is None else "read"


def predicate_of(query: Query) -> Predicate:
    """What a query asks for, as a test of an entry of the index.

    Raises:
        InvalidQuery: search parameters that are not answered here.
    """
    if query.type is None:
        return _everything
    if query.id is not None:
        wanted = query.type, query.id
        return lambda entry: (entry.type, entry.id) == wanted
    parsed = parse_query(query.type, query.parameters)
    return lambda entry: matches(entry.facts, parsed)


def _everything(_: Entry) -> bool:
    return True
