"""A life as hospitals see it: problems, visits, and what was done and prescribed at each."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from careledger.fhir.synthetic.content.code import Code
from careledger.fhir.synthetic.content.course import Course
from careledger.fhir.synthetic.content.labels import Labels
from careledger.fhir.synthetic.content.measures import Measure, Panel
from careledger.fhir.synthetic.content.medications import Medication
from careledger.fhir.synthetic.content.procedures import Procedure
from careledger.fhir.synthetic.content.screening import Allergy
from careledger.fhir.synthetic.content.vaccines import Vaccine
from careledger.fhir.synthetic.content.visits import VisitKind
from careledger.fhir.synthetic.directory import Organisation, Practitioner
from careledger.fhir.synthetic.people import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A condition of this person, followed at one hospital."""

    number: int
    course: Course
    hospital: Organisation
    onset: date
    resolved: date | None

    @property
    def labels(self) -> Labels:
        return self.course.condition.labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """A visit before it happens. `step` counts the visits of one problem from 0."""

    day: date
    hospital: Organisation
    kind: VisitKind
    problem: Problem | None = None
    step: int = 0
    check_up: bool = False
    vaccines: tuple[Vaccine, ...] = ()


@dataclass(frozen=True, slots=True)
class Measurement:
    measure: Measure
    value: Decimal


@dataclass(frozen=True, slots=True)
class Finding:
    code: Code
    value: Code


@dataclass(frozen=True, slots=True)
class PanelResult:
    panel: Panel
    results: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prescription:
    """An order for a medication; `end` is the first day it no longer covers."""

    number: int
    medication: Medication
    problem: Problem
    start: date
    end: date

    def fills(self, until: date) -> tuple[date, ...]:
        """Return the days on which it falls due at the pharmacy, up to and including `until`."""
        every = timedelta(days=self.medication.days_supply)
        days = [self.start + every * turn for turn in range(self.medication.refills + 1)]
        return tuple(day for day in days if day < self.end and day <= until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    number: int
    hospital: Organisation
    practitioner: Practitioner
    kind: VisitKind
    begin: datetime
    problem: Problem | None
    step: int
    check_up: bool
    measurements: tuple[Measurement, ...]
    findings: tuple[Finding, ...]
    panels: tuple[PanelResult, ...]
    prescriptions: tuple[Prescription, ...]
    procedures: tuple[Procedure, ...]
    vaccines: tuple[Vaccine, ...]

    @property
    def end(self) -> datetime:
        return self.begin + timedelta(minutes=self.kind.minutes)

    @property
    def day(self) -> date:
        return self.begin.date()

    @property
    def labels(self) -> Labels:
        return self.problem.labels if self.problem else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Everything that is known about one person on `as_of`; nothing in it is later."""

    seed: int
    person: Person
    as_of: date
    problems: tuple[Problem, ...]
    allergies: tuple[Allergy, ...]
    visits: tuple[Visit, ...]

    @property
    def last_day(self) -> date:
        return self.person.died or self.as_of
