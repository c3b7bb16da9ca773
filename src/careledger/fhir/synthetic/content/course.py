"""What a course of disease is made of; `courses`, `sensitive` and `episodes` hold them."""

from dataclasses import dataclass
from typing import Literal

from careledger.fhir.synthetic.content.code import Code
from careledger.fhir.synthetic.content.conditions import Condition
from careledger.fhir.synthetic.content.measures import Measure, Panel
from careledger.fhir.synthetic.content.medications import Medication
from careledger.fhir.synthetic.content.procedures import Procedure
from careledger.fhir.synthetic.content.specialties import Specialty
from careledger.fhir.synthetic.content.visits import FIRST_VISIT, FOLLOW_UP, VisitKind

Sex = Literal["female", "male"]


@dataclass(frozen=True, slots=True)
class Treatment:
    """A medication given from `start` to `end` days after the onset, or without end."""

    medication: Medication
    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One disease as a hospital lives through it.

    A chronic course (`every` is not 0) is had by `likelihood` of those in its `ages`; an acute one
    comes `likelihood` times a year and `lasts` so many days. `after`: days from the onset to the
    first visits; then one visit `every` so many days.
    """

    condition: Condition
    specialty: Specialty
    ages: tuple[int, int]
    likelihood: float
    complaint: str
    plan: str
    sex: Sex | None = None
    first: VisitKind = FIRST_VISIT
    later: VisitKind = FOLLOW_UP
    after: tuple[int, ...] = (0,)
    every: int = 0
    lasts: int = 0
    measures: tuple[Measure, ...] = ()
    panels: tuple[Panel, ...] = ()
    findings: tuple[tuple[Code, float], ...] = ()  # test, chance of a positive first result
    treatments: tuple[Treatment, ...] = ()
    procedures: tuple[tuple[int, Procedure], ...] = ()  # number of the visit; -1: every visit
