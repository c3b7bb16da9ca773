"""What a person's measurements come out as: age, illness, treatment, and a little noise."""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal

from careledger.fhir.synthetic.chance import Chance
from careledger.fhir.synthetic.content import measures as m
from careledger.fhir.synthetic.content.measures import Measure
from careledger.fhir.synthetic.content.trends import GROWTH, TRENDS, Growth
from careledger.fhir.synthetic.dates import exact_age
from careledger.fhir.synthetic.life import Measurement, Problem
from careledger.fhir.synthetic.people import ADULT, Person

FEMALE_HEIGHT = -6.5
MALE_HEIGHT = 6.5
FEMALE_HEMOGLOBIN = -0.7


class Sample:
    """The measurements of one person on one day.

    Holds the values already taken, so that those which follow from each other agree: the index
    of body mass with height and weight, cholesterol with its parts, creatinine with filtration.
    """

    def __init__(
        self, seed: int, person: Person, problems: Iterable[Problem], day: date, chance: Chance
    ) -> None:
        self._seed = seed
        self._person = person
        self._age = exact_age(person.birth, day)
        self._running = [
            (TRENDS[each.course.condition], (day - each.onset).days)
            for each in problems
            if each.onset <= day
            and (each.resolved is None or day <= each.resolved)
            and each.course.condition in TRENDS
        ]
        self._chance = chance
        self._values: dict[Measure, float] = {}

    def take(self, measure: Measure) -> Measurement:
        """Return the measurement, rounded to the decimals the measure is written with."""
        scaled = round(self.value(measure) * 10**measure.places)
        return Measurement(measure, Decimal(scaled).scaleb(-measure.places))

    def value(self, measure: Measure) -> float:
        if measure not in self._values:
            derived = DERIVED.get(measure)
            value = derived(self) if derived else self._own(measure)
            value += measure.noise * self._chance.normal()
            self._values[measure] = min(measure.most, max(measure.least, value))
        return self._values[measure]

    @property
    def female(self) -> bool:
        return self._person.gender == "female"

    def _own(self, measure: Measure) -> float:
        """Return what this body tends to: its usual value, moved by what it suffers from."""
        usual = along(GROWTH[measure], self._age) if measure in GROWTH else measure.mean
        share = usual / measure.mean if measure in GROWTH else 1.0
        constitution = Chance(self._seed, self._person.number, "body", measure.code.code).normal()
        value = usual + measure.spread * share * constitution
        if measure is m.HEIGHT and self._age > ADULT:
            value += FEMALE_HEIGHT if self.female else MALE_HEIGHT
        if measure is m.HEMOGLOBIN and self.female:
            value += FEMALE_HEMOGLOBIN
        return value + sum(
            trends[measure].shift(days) for trends, days in self._running if measure in trends
        )


def along(growth: Growth, age: float) -> float:
    """Return the value at an age, on straight lines between the points of a table."""
    earlier_age, earlier = growth[0]
    for later_age, later in growth:
        if age <= later_age:
            if later_age == earlier_age:
                return later
            return earlier + (later - earlier) * (age - earlier_age) / (later_age - earlier_age)
        earlier_age, earlier = later_age, later
    return earlier


DERIVED: dict[Measure, Callable[[Sample], float]] = {
    m.WEIGHT: lambda s: s.value(m.BMI) * s.value(m.HEIGHT) * s.value(m.HEIGHT) / 10000,
    m.CREATININE: lambda s: (74 if s.female else 92) / s.value(m.FILTRATION),
    m.CHOLESTEROL: lambda s: s.value(m.LDL) + s.value(m.HDL) + s.value(m.TRIGLYCERIDES) / 5,
    m.HEMATOCRIT: lambda s: s.value(m.HEMOGLOBIN) * 3,
    m.ERYTHROCYTES: lambda s: s.value(m.HEMOGLOBIN) / 3,
}
