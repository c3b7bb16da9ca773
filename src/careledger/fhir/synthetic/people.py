"""The people of the population: who they are, and which illness some are made to have."""

from dataclasses import dataclass
from datetime import date, timedelta

from careledger.fhir.synthetic.chance import Chance
from careledger.fhir.synthetic.content import courses, names, sensitive
from careledger.fhir.synthetic.content.course import Course, Sex
from careledger.fhir.synthetic.dates import years_between

ANA = 1
ADULT = 18


@dataclass(frozen=True, slots=True)
class Archetype:
    """A person of certain ages who has certain illnesses, whatever chance says."""

    ages: tuple[int, int]
    sex: Sex | None = None
    courses: tuple[Course, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person. `died` and `birth` bound everything that is recorded about them."""

    number: int
    given: str
    family: str
    gender: Sex
    birth: date
    died: date | None
    line: str
    town: str
    postal_code: str
    phone: str
    language: tuple[str, str]
    married: bool
    archetype: Archetype

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"

    def age(self, day: date) -> int:
        return years_between(self.birth, day)


# Every twentieth person, so that each label and each course is there in a small population too.
ARCHETYPES: dict[int, Archetype] = {
    2: Archetype((52, 70), None, (courses.HYPERTENSION, courses.TYPE_2_DIABETES)),
    3: Archetype((27, 50), None, (sensitive.OPIOID_USE,)),
    5: Archetype((6, 16), None, (courses.ASTHMA,)),
    6: Archetype((29, 55), None, (sensitive.HIV_INFECTION,)),
    8: Archetype((74, 88), None, (courses.HEART_FAILURE, courses.HYPERTENSION)),
    9: Archetype((24, 45), "female", (sensitive.PARTNER_ABUSE,)),
    11: Archetype((20, 45), None, (sensitive.DEPRESSION,)),
    12: Archetype((24, 36), "female", (courses.PREGNANCY,)),
    15: Archetype((1, 4)),
    18: Archetype((64, 85), None, (courses.COPD, courses.HYPERLIPIDEMIA)),
}
ORDINARY = (
    Archetype((0, 17)), Archetype((18, 39)), Archetype((18, 39)), Archetype((40, 64)),
    Archetype((40, 64)), Archetype((65, 92)),
)  # fmt: skip


def person(seed: int, number: int, as_of: date) -> Person:
    """Return the person with this number, counted from 1. The first is Ana Rivera."""
    if number == ANA:
        return _ana()
    chance = Chance(seed, number, "person")
    archetype = ARCHETYPES.get(number % 20) or chance.choice(ORDINARY)
    gender: Sex = archetype.sex or ("female" if chance.happens(0.51) else "male")
    age = chance.integer(*archetype.ages)
    birth = as_of - timedelta(days=int(age * 365.25) + chance.integer(20, 340))
    town, postal_code = chance.choice(names.TOWNS)
    return Person(
        number=number,
        given=chance.choice(names.FEMALE if gender == "female" else names.MALE),
        family=chance.choice(names.FAMILY),
        gender=gender,
        birth=birth,
        died=_death(chance, age, as_of),
        line=f"{chance.integer(1, 480)} {chance.choice(names.STREETS)}",
        town=town,
        postal_code=postal_code,
        # 555-0100 to 555-0199 are kept for fiction.
        phone=f"555-01{chance.integer(0, 99):02}",
        language=chance.choice(names.LANGUAGES),
        married=age > 24 and chance.happens(0.55),  # noqa: PLR2004
        archetype=archetype,
    )


def _death(chance: Chance, age: int, as_of: date) -> date | None:
    likelihood = 0.22 if age >= 78 else 0.0  # noqa: PLR2004
    days_ago = chance.integer(30, 500)
    return as_of - timedelta(days=days_ago) if chance.happens(likelihood) else None


def _ana() -> Person:
    return Person(
        number=ANA,
        given="Ana",
        family="Rivera",
        gender="female",
        birth=date(1984, 5, 17),
        died=None,
        line="27 Juniper Court",
        town="Riverside Falls",
        postal_code="00165",
        phone="555-0142",
        language=("en", "English"),
        married=True,
        archetype=Archetype((42, 42), "female", (courses.TYPE_2_DIABETES, sensitive.DEPRESSION)),
    )
