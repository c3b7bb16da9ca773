"""Shadow: what the policy would have refused of what another server just answered.

Nothing is refused here. Counts say to whom (kind, role, application) and why; which resources it
was is sealed in the cabinet, for whoever may open a member's desk. No log names any of it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final

import msgspec

from careledger.exchange.asker import Asker
from careledger.exchange.cabinet import Cabinet, KeyNumber, Thing
from careledger.exchange.errors import AccessRefused
from careledger.exchange.limits import INTERACTION_OF, Limits
from careledger.exchange.organisation import Moment, Organisation
from careledger.exchange.permits import Permits
from careledger.exchange.upstream.intake import NOBODY, owner_of
from careledger.fhir.errors import FhirError
from careledger.fhir.index import Facts, extract
from careledger.fhir.nobody import nobodys
from careledger.fhir.resource import parse_resource
from careledger.mechanisms.terms import Action
from careledger.vault.deposit import DIRECTORY_TYPES
from careledger.vault.index import consent_facts

_OWNER: Final = "shadow"
_COUNTS: Final = "counts"

UNREADABLE, NOBODYS, SCOPE = "resource", "patient", "scope"
"""Why, where consent is not asked: no R4 as this gateway reads it; of nobody who is known here; not
within the token."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, and for what; nothing of what was asked."""

    kind: str
    app: str
    asker: Asker
    limits: Limits
    action: Action


class Line(msgspec.Struct, frozen=True, order=True):
    """One line of the report: so many resources would not have been answered."""

    kind: str
    """`member`, `practitioner`, `staff` or `service`."""
    role: str
    app: str
    purpose: str
    type: str
    reason: str
    """Dimensions of the decision, as a refusal names them, with commas between."""


class Withheld(msgspec.Struct, frozen=True):
    """One resource that would not have been answered; sealed in the cabinet."""

    at: int
    line: Line
    practitioner: str | None
    id: str


class _Counts(msgspec.Struct):
    requests: int = 0
    resources: int = 0
    lines: list[tuple[Line, int]] = []


class Report(msgspec.Struct, frozen=True):
    """What would have been refused since shadow mode began."""

    requests: int
    resources: int
    lines: list[tuple[Line, int]]
    details: list[Withheld] = []


class Shadow:
    """Runs the policy over the answers of one server; any thread may call."""

    def __init__(self, organisation: Organisation, permits: Permits, cabinet: Cabinet) -> None:
        """Decide by `permits`; remember in `cabinet`."""
        self._organisation, self._permits, self._cabinet = organisation, permits, cabinet
        self._lock = Lock()
        kept = cabinet.get(_COUNTS)
        counts = _Counts() if kept is None else msgspec.json.decode(kept.content, type=_Counts)
        self._requests, self._resources = counts.requests, counts.resources
        self._lines = Counter(dict(counts.lines))

    def look(self, asking: Asking, resources: Iterable[bytes]) -> int:
        """Decide each of what was answered, as for this asker; how many would be withheld.

        Raises:
            Stale: nothing was decided.
        """
        withheld, number = list[Withheld](), 0
        with self._organisation.now() as now:
            for raw in resources:
                number += 1
                one = self._decide(asking, raw, now)
                withheld += [] if one is None else [one]
        self._remember(number, withheld)
        return len(withheld)

    def report(self, *, details: bool = False) -> Report:
        """What would have been refused, the most frequent first."""
        with self._lock:
            lines = sorted(self._lines.items(), key=lambda one: (-one[1], one[0]))
            report = Report(self._requests, self._resources, lines)
        if not details:
            return report
        kept = self._cabinet.by_owner(_OWNER)
        found = [
            one for each in kept for one in msgspec.json.decode(each.content, type=list[Withheld])
        ]
        return msgspec.structs.replace(report, details=found)

    # --- steps ---------------------------------------------------------------------------------

    def _decide(self, asking: Asking, raw: bytes, now: Moment) -> Withheld | None:
        try:
            resource = parse_resource(raw)
            facts = extract(resource, self._organisation.indexed)
        except FhirError:
            return _withheld(asking, "Resource", "", (UNREADABLE,), now)
        leads_to = () if facts.patients else nobodys(resource)
        reasons = self._reasons(asking, facts, leads_to, now)
        return _withheld(asking, facts.type, facts.id or "", reasons, now) if reasons else None

    def _reasons(
        self, asking: Asking, facts: Facts, leads_to: tuple[str, ...] | None, now: Moment
    ) -> Sequence[str]:
        """Why it would be withheld; none if it would be answered."""
        if not asking.limits.visible(facts, INTERACTION_OF[asking.action]):
            return (SCOPE,)
        vault = self._organisation.vault
        patient = owner_of(vault, facts, leads_to)
        if patient is None:
            is_open = facts.type in DIRECTORY_TYPES or self._permits.opens_own(asking.asker)
            return () if is_open else (NOBODYS,)
        if patient == NOBODY:
            return (NOBODYS,)
        family = vault.family(patient)
        accounts = next(one.accounts for one in family if one.patient == patient)
        try:
            permits = self._permits.decide(asking.asker, asking.action, accounts, now)
        except AccessRefused as error:
            return error.dimensions
        known = consent_facts(facts)
        verdicts = [permit.covers(known) for permit in permits]
        return sorted({one.rule for one in verdicts if not one.allowed})

    def _remember(self, number: int, withheld: Sequence[Withheld]) -> None:
        with self._lock:
            self._requests += 1
            self._resources += number
            self._lines.update(one.line for one in withheld)
            counts = _Counts(self._requests, self._resources, list(self._lines.items()))
            things = [_thing(_COUNTS, _COUNTS, msgspec.json.encode(counts))]
            if withheld:
                name = f"{withheld[0].at}/{self._requests}"
                things.append(_thing(name, _OWNER, msgspec.json.encode(withheld)))
            self._cabinet.put(things)


def _withheld(
    asking: Asking, type_: str, id_: str, reasons: Sequence[str], now: Moment
) -> Withheld:
    asker = asking.asker
    line = Line(
        kind=asking.kind,
        role=asker.role or "",
        app=asking.app,
        purpose=asker.purpose,
        type=type_,
        reason=",".join(reasons),
    )
    return Withheld(now.time, line, asker.practitioner, id_)


def _thing(name: str, owner: str, content: bytes) -> Thing:
    return Thing(name=name, owner=owner, about=owner, content=content, done=True, key=KeyNumber(0))
