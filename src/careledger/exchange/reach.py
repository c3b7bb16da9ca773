"""The permitted world: what one caller may see of one organisation's records, at one moment.

Every read-like question is answered from here and from nowhere else: consent, the token's limits
and deletion have been applied to all that comes out, so nothing that is computed from it (matches,
totals, includes, chains, pages) can tell a resource that is withheld from one that is absent. What
is opened is in the journal before `note` returns; nothing may be released earlier.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from careledger.exchange.asker import Asker
from careledger.exchange.journal import Journal
from careledger.exchange.limits import INTERACTION_OF, UNLIMITED, Limits
from careledger.exchange.organisation import Moment, Organisation
from careledger.exchange.permits import Permits
from careledger.fhir.index import Facts
from careledger.fhir.search.graph import Node, Test
from careledger.ledger.commitment import RecordName
from careledger.ledger.record import AccountId
from careledger.mechanisms.policy import Permit
from careledger.mechanisms.terms import Action
from careledger.vault.index import consent_facts
from careledger.vault.objects import PatientRef
from careledger.vault.opening import Opened
from careledger.vault.patients import Owner

FEW: Final = 100
"""A count over more patients than this says nothing of any one of them, and is nobody's read."""


@dataclass(frozen=True, slots=True)
class _Record:
    """What is in reach of one patient; no permits, no reach."""

    owner: Owner
    permits: tuple[Permit, ...]

    def covers(self, facts: Facts) -> bool:
        known = consent_facts(facts)
        return all(permit.covers(known).allowed for permit in self.permits)


@dataclass(slots=True)
class _Seen:
    """What has come out since the last note: opened versions, and patients who were counted."""

    opened: dict[AccountId, dict[RecordName, None]] = field(default_factory=dict)
    counted: set[PatientRef] = field(default_factory=set)


class Reach:
    """A `fhir.search.graph.Graph` for one asker; made per request, and used by one thread."""

    def __init__(
        self,
        organisation: Organisation,
        permits: Permits,
        journal: Journal,
        asker: Asker,
        now: Moment,
        *,
        limits: Limits = UNLIMITED,
        action: Action = "read",
    ) -> None:
        """What `asker` may see as of `now`, doing `action`, within a token's `limits`."""
        self._organisation, self._vault = organisation, organisation.vault
        self._permits, self._journal = permits, journal
        self._asker, self._now = asker, now
        self._limits, self._action = limits, action
        self._interaction = INTERACTION_OF[action]
        self._records: dict[PatientRef, _Record] = {}
        self._seen = _Seen()

    @property
    def time(self) -> int:
        """The UTC second by which all of it was decided."""
        return self._now.time

    # --- fhir.search.graph.Graph ---------------------------------------------------------------

    def get(self, type_: str, id_: str) -> Node | None:
        """One resource; None if it is absent, deleted or may not be seen."""
        raise NotImplementedError

    def of_type(
        self, type_: str | None, patients: frozenset[str] | None, test: Test
    ) -> Iterator[Node]:
        """Those of a type (None: of any) that pass `test` and may be seen, in a stable order.

        With `patients`, from the records of those patients alone, else from all there is.
        """
        raise NotImplementedError

    # --- bodies --------------------------------------------------------------------------------

    def open(self, node: Node) -> Opened | None:
        """The resource behind a node of this reach; None if it is gone meanwhile."""
        return self.open_version(node.type, node.id, node.version)

    def open_version(self, type_: str, id_: str, version: int | None = None) -> Opened | None:
        """One version, the newest unless told; it may be a deletion (`Opened.deleted`)."""
        raise NotImplementedError

    def history(
        self, type_: str | None = None, id_: str | None = None, *, before: int | None = None
    ) -> Iterator[Opened]:
        """Versions, deletions too, the newest first, of a resource, a type or all that is in reach.

        `before` is the `seq` from which on to leave out: the last of the page before.
        """
        raise NotImplementedError

    # --- the journal ---------------------------------------------------------------------------

    def note(self, asked: Iterable[str] = ()) -> None:
        """Write down what came out since the last note; release nothing before this returns.

        `asked` are the patients whom the question named, by local id: also if nothing came out,
        they can see that somebody asked.
        """
        raise NotImplementedError
