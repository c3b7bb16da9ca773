"""Finding what the organisation's own FHIR server no longer has, where no history tells."""

from collections.abc import Callable, Iterator

from careledger.exchange.bodies import Name
from careledger.exchange.organisation import Organisation
from careledger.exchange.upstream.client import UpstreamClient
from careledger.exchange.upstream.errors import UpstreamDown
from careledger.exchange.upstream.fetching import AT_ONCE, fetch
from careledger.vault.index import Entry


def absent(organisation: Organisation, client: UpstreamClient) -> list[Name]:
    """Names of what is kept there by our index, and is absent; each was asked for.

    Raises:
        UpstreamDown: some were not answered.
    """
    gone = list[Name]()
    for names in kept_there(organisation):
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            found = fetch(client, some)
            if len(found) != len(some):
                raise UpstreamDown("the organisation's own FHIR server does not answer")
            gone += [name for name, raw in found.items() if raw is None]
    return gone


def kept_there(organisation: Organisation) -> Iterator[list[Name]]:
    """Names of what is elsewhere, patient by patient, the directory first."""
    for found in entries(organisation, lambda entry: entry.elsewhere):
        yield [(entry.type, entry.id) for entry in found]


def entries(organisation: Organisation, wanted: Callable[[Entry], bool]) -> Iterator[list[Entry]]:
    """What the index has at its newest, without deletions, patient by patient."""
    vault, at = organisation.vault, organisation.clock()
    locals_ = [local for local, _ in vault.patients()]
    for patient in (None, *map(vault.patient, locals_)):
        found = list[Entry]()

        def note(entry: Entry, found: list[Entry] = found) -> bool:
            if wanted(entry):
                found.append(entry)
            return False

        vault.locate(patient, note, at)
        yield found
