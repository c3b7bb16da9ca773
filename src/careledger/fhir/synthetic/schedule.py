"""The plan of a life: which problems a person gets, and when they go to which hospital."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from careledger.fhir.synthetic.chance import Chance
from careledger.fhir.synthetic.content import courses, sensitive, vaccines, visits
from careledger.fhir.synthetic.content import episodes as acute
from careledger.fhir.synthetic.content.course import Course
from careledger.fhir.synthetic.content.courses import PREGNANCY
from careledger.fhir.synthetic.content.screening import WELL_CHILD_MONTHS
from careledger.fhir.synthetic.content.vaccines import Vaccine
from careledger.fhir.synthetic.dates import months_between, weekday
from careledger.fhir.synthetic.directory import Organisation
from careledger.fhir.synthetic.life import Appointment, Problem
from careledger.fhir.synthetic.people import ADULT, ANA, Person

RECORD_YEARS = 3
ANAS_RECORD_YEARS = 6
LONGEST_ILLNESS_DAYS = 3600
FLU_SEASON_DAY = (10, 8)
MINUTES_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The frame of one life: from `first` to `last` day, at these hospitals, home first."""

    seed: int
    person: Person
    hospitals: tuple[Organisation, ...]
    first: date
    last: date

    def chance(self, *names: str | int) -> Chance:
        return Chance(self.seed, self.person.number, *names)


def frame(seed: int, person: Person, hospitals: Sequence[Organisation], as_of: date) -> Plan:
    """Return when and where this person's record is kept."""
    last = (person.died or as_of) - timedelta(days=1)
    young = person.age(as_of) < ADULT
    years = ANAS_RECORD_YEARS if person.number == ANA else RECORD_YEARS
    first = person.birth if young else last - timedelta(days=years * 365)
    chance = Chance(seed, person.number, "hospitals")
    home = hospitals[0] if person.number == ANA else chance.choice(hospitals)
    others = [each for each in hospitals if each is not home]
    visited = [each for each in others if person.number == ANA or chance.happens(0.85)]
    return Plan(
        seed=seed,
        person=person,
        hospitals=(home, *visited),
        first=max(first, person.birth),
        last=max(last, person.birth),
    )


def problems(plan: Plan) -> tuple[Problem, ...]:
    """Return the problems of this life, in the order in which they began."""
    is_ana = plan.person.number == ANA
    found = [*_anas(plan)] if is_ana else [*_chronic(plan), *_episodes(plan)]
    found.sort(key=lambda each: (each[1], each[0].condition.code.code))
    return tuple(
        Problem(
            number=number,
            course=course,
            hospital=hospital,
            onset=onset,
            resolved=_resolution(course, onset, plan.last),
        )
        for number, (course, onset, hospital) in enumerate(found, 1)
    )


def appointments(plan: Plan, found: Sequence[Problem]) -> list[Appointment]:
    """Return every visit of this life, earliest first."""
    planned = [each for problem in found for each in _of_problem(plan, problem)]
    planned += _check_ups(plan)
    planned += _flu_shots(plan)
    planned.sort(key=lambda each: (each.day, each.hospital.id, each.kind.type.code, each.step))
    return planned


Onset = tuple[Course, date, Organisation]


def _anas(plan: Plan) -> Iterator[Onset]:
    """Yield what Ana lives with, at the first hospital, and what took her to the other."""
    home, other = plan.hospitals[0], plan.hospitals[-1]
    for course, days_ago, hospital in (
        (courses.TYPE_2_DIABETES, 1990, home),
        (sensitive.DEPRESSION, 1130, home),
        (courses.HYPERTENSION, 700, other),
        (acute.ANKLE_SPRAIN, 410, other),
        (acute.CYSTITIS, 1510, home),
        (acute.SINUSITIS, 150, other),
    ):
        yield course, weekday(plan.last - timedelta(days=days_ago)), hospital


def _chronic(plan: Plan) -> Iterator[Onset]:
    person = plan.person
    for course in (*courses.CHRONIC, *sensitive.CHRONIC):
        chance = plan.chance("chronic", course.condition.code.code)
        made = course in person.archetype.courses
        if not made and not (
            _can_have(course, person, plan.last) and chance.happens(course.likelihood)
        ):
            continue
        low = person.birth + timedelta(days=int(course.ages[0] * 365.25))
        if made:  # begins within the record, so that its beginning can be read there
            low = max(low, plan.first)
        low = max(low, plan.last - timedelta(days=LONGEST_ILLNESS_DAYS), person.birth)
        latest = max(0, (plan.last - low).days - 60)
        if made:
            latest = min(latest, 700)
        onset = weekday(low + timedelta(days=chance.integer(3, 3 + latest)))
        yield course, max(min(onset, plan.last), person.birth), _hospital(plan, chance, 0.6)


def _episodes(plan: Plan) -> Iterator[Onset]:
    person = plan.person
    for course in acute.ACUTE:
        chance = plan.chance("episode", course.condition.code.code)
        made = course in person.archetype.courses
        free_again = plan.first
        for year in range((plan.last - plan.first).days // 365 + 1):
            wanted = chance.happens(course.likelihood) or (made and year in (0, 2))
            onset = weekday(plan.first + timedelta(days=365 * year + chance.integer(3, 360)))
            hospital = _hospital(plan, chance, 0.5)
            if not wanted or not free_again <= onset <= plan.last:
                continue
            if made or _can_have(course, person, onset):
                free_again = onset + timedelta(days=course.lasts + 60)
                yield course, onset, hospital


def _can_have(course: Course, person: Person, day: date) -> bool:
    low, high = course.ages
    return course.sex in (None, person.gender) and low <= person.age(day) <= high


def _hospital(plan: Plan, chance: Chance, at_home: float) -> Organisation:
    home = chance.happens(at_home)
    return plan.hospitals[0] if home else chance.choice(plan.hospitals)


def _resolution(course: Course, onset: date, last: date) -> date | None:
    if not course.lasts:
        return None
    over = onset + timedelta(days=course.lasts)
    return over if over <= last else None


def _of_problem(plan: Plan, problem: Problem) -> Iterator[Appointment]:
    """Yield the visits of one problem; those before the record begins are not in it."""
    course = problem.course
    chance = plan.chance("visits", problem.number, course.condition.code.code)
    days = list(course.after)
    while course.every and problem.onset + timedelta(days=days[-1]) < plan.last:
        days.append(days[-1] + course.every + chance.integer(-12, 12))
    for step, after in enumerate(days):
        kind = course.first if step == 0 else course.later
        if problem.course is PREGNANCY and after > course.lasts:
            kind = visits.FOLLOW_UP
        if problem.course is PREGNANCY and after == course.after[9]:
            kind = visits.ADMISSION
        day = problem.onset + timedelta(days=after)
        day = day if kind.any_hour else max(weekday(day), problem.onset)
        stay = timedelta(days=kind.minutes // MINUTES_A_DAY)
        if plan.first <= day and day + stay <= plan.last:
            yield Appointment(
                day=day, hospital=problem.hospital, kind=kind, problem=problem, step=step
            )


def _check_ups(plan: Plan) -> Iterator[Appointment]:
    """Yield well-child visits by age in months, then one check-up a year, with vaccines due."""
    chance = plan.chance("check-ups")
    birth = plan.person.birth
    # Ana's check-ups are with Dr Cho, at the other hospital.
    hospital = plan.hospitals[-1] if plan.person.number == ANA else plan.hospitals[0]
    months = [*WELL_CHILD_MONTHS, *(12 * year for year in range(4, 120))]
    given = months_between(birth, plan.first) if plan.first > birth else -1
    for month in months:
        day = weekday(birth + timedelta(days=int(month * 30.4375) + chance.integer(2, 12)))
        if not max(plan.first, birth) <= day <= plan.last:
            continue
        age = months_between(birth, day)
        kept = age < 12 * ADULT or plan.person.number == ANA or chance.happens(0.82)
        if not kept:
            continue
        yield Appointment(
            day=day,
            hospital=hospital,
            kind=visits.WELL_CHILD if age < 12 * ADULT else visits.WELLNESS,
            check_up=True,
            vaccines=_due(given, age),
        )
        given = age


def _due(after_month: int, month: int) -> tuple[Vaccine, ...]:
    """Return the vaccines with a dose due after one month of life and up to another."""
    return tuple(
        each
        for each in vaccines.SCHEDULE
        if any(after_month < due <= month for due in each.due_months)
    )


def _flu_shots(plan: Plan) -> Iterator[Appointment]:
    """Yield an autumn visit with the seasonal vaccines, for those who come."""
    chance = plan.chance("seasonal")
    for year in range(plan.first.year, plan.last.year + 1):
        day = weekday(date(year, *FLU_SEASON_DAY) + timedelta(days=chance.integer(0, 50)))
        comes, both = chance.happens(0.55), chance.happens(0.45)
        hospital = chance.choice(plan.hospitals)
        old_enough = months_between(plan.person.birth, day) >= 6  # noqa: PLR2004
        if comes and old_enough and plan.first <= day <= plan.last:
            given = (vaccines.INFLUENZA, vaccines.COVID_19) if both else (vaccines.INFLUENZA,)
            yield Appointment(day=day, hospital=hospital, kind=visits.VACCINATION, vaccines=given)
