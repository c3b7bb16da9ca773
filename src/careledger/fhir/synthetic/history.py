"""A life as it was lived: every planned visit held, measured and written up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from careledger.fhir.synthetic.body import Sample
from careledger.fhir.synthetic.chance import Chance
from careledger.fhir.synthetic.content import measures as m
from careledger.fhir.synthetic.content import screening, specialties
from careledger.fhir.synthetic.content.code import Code
from careledger.fhir.synthetic.content.course import Treatment
from careledger.fhir.synthetic.content.measures import Measure, Panel
from careledger.fhir.synthetic.content.medications import Medication
from careledger.fhir.synthetic.content.procedures import Procedure
from careledger.fhir.synthetic.content.screening import NEGATIVE, POSITIVE, Allergy
from careledger.fhir.synthetic.dates import moment
from careledger.fhir.synthetic.directory import Organisation, Practitioner
from careledger.fhir.synthetic.life import (
    Appointment,
    Finding,
    Life,
    PanelResult,
    Prescription,
    Problem,
    Visit,
)
from careledger.fhir.synthetic.people import ADULT, ANA, Person
from careledger.fhir.synthetic.schedule import Plan, appointments, frame, problems

BLOOD_PRESSURE_AGE = 3
SMOKING_AGE = 12
EVERY_VISIT = -1
GRACE_DAYS = 20
Running = dict[tuple[int, Medication], date]


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a visit draws on: the plan, all problems, the appointment, and its own chance."""

    plan: Plan
    problems: tuple[Problem, ...]
    appointment: Appointment
    chance: Chance

    @property
    def age(self) -> int:
        return self.plan.person.age(self.appointment.day)


def life(seed: int, person: Person, hospitals: Sequence[Organisation], as_of: date) -> Life:
    """Return the whole life of one person."""
    plan = frame(seed, person, hospitals, as_of)
    found = problems(plan)
    running: Running = {}
    held: list[Visit] = []
    prescribed = 0
    planned = appointments(plan, found)
    for number, appointment in enumerate(planned, 1):
        chance = plan.chance(appointment.hospital.id, "visit", number)
        meeting = Meeting(plan, found, appointment, chance)
        orders = _prescriptions(appointment, planned, running, prescribed)
        prescribed += len(orders)
        held.append(_visit(number, meeting, orders))
    return Life(
        seed=seed,
        person=person,
        as_of=as_of,
        problems=found,
        allergies=_allergies(plan),
        visits=tuple(held),
    )


def _visit(number: int, meeting: Meeting, orders: tuple[Prescription, ...]) -> Visit:
    appointment, chance = meeting.appointment, meeting.chance
    minute = (
        chance.integer(0, 47) * 30 if appointment.kind.any_hour else chance.integer(96, 198) * 5
    )
    sample = Sample(
        meeting.plan.seed, meeting.plan.person, meeting.problems, appointment.day, chance
    )
    return Visit(
        number=number,
        hospital=appointment.hospital,
        practitioner=_practitioner(meeting.plan.person, appointment),
        kind=appointment.kind,
        begin=moment(appointment.day, minute),
        problem=appointment.problem,
        step=appointment.step,
        check_up=appointment.check_up,
        measurements=tuple(sample.take(each) for each in _measures(meeting)),
        findings=tuple(_findings(meeting)),
        panels=tuple(
            PanelResult(panel, tuple(sample.take(each) for each in panel.members))
            for panel in _panels(meeting)
        ),
        prescriptions=orders,
        procedures=tuple(_procedures(meeting)),
        vaccines=appointment.vaccines,
    )


def _practitioner(person: Person, appointment: Appointment) -> Practitioner:
    if appointment.problem:
        specialty = appointment.problem.course.specialty
        if specialty is specialties.INTERNAL and person.age(appointment.day) < ADULT:
            specialty = specialties.PEDIATRICS
    elif person.age(appointment.day) < ADULT:
        specialty = specialties.PEDIATRICS
    else:
        specialty = specialties.INTERNAL
    turn = 0 if person.number == ANA else person.number
    return appointment.hospital.one_of(specialty, turn)


def _measures(meeting: Meeting) -> list[Measure]:
    """Return what is measured: vital signs as age asks, then what the problem asks."""
    appointment, age = meeting.appointment, meeting.age
    found: list[Measure] = []
    if appointment.kind.vital_signs:
        if appointment.check_up:
            found += [m.HEIGHT, m.WEIGHT, m.BMI, m.RESPIRATION]
        else:
            found.append(m.WEIGHT)
        if age >= BLOOD_PRESSURE_AGE:
            found += [m.SYSTOLIC, m.DIASTOLIC]
        found += [m.HEART_RATE]
        if appointment.problem and not appointment.problem.course.every:
            found += [m.TEMPERATURE, m.OXYGEN]
    if appointment.problem:
        found += appointment.problem.course.measures
        if meeting.appointment.problem and _fetal_heart(meeting):
            found.append(m.FETAL_HEART_RATE)
    return found


def _fetal_heart(meeting: Meeting) -> bool:
    codes = [each.code.code for each in _procedures(meeting)]
    return "225158009" in codes  # auscultation of the fetal heart


def _findings(meeting: Meeting) -> list[Finding]:
    appointment = meeting.appointment
    found: list[Finding] = []
    if appointment.problem:
        for code, positive in appointment.problem.course.findings:
            likelihood = positive if appointment.step == 0 else 0.12
            found.append(
                Finding(code, POSITIVE if meeting.chance.happens(likelihood) else NEGATIVE)
            )
    if appointment.check_up and meeting.age >= SMOKING_AGE:
        found.append(Finding(m.SMOKING, _smoking(meeting)))
    return found


def _smoking(meeting: Meeting) -> Code:
    chance = meeting.plan.chance("smoking")
    if meeting.age < ADULT:
        return screening.NEVER_SMOKER
    options = (screening.NEVER_SMOKER,) * 6 + (screening.FORMER_SMOKER,) * 3
    return chance.choice((*options, screening.SMOKER))


def _panels(meeting: Meeting) -> list[Panel]:
    appointment = meeting.appointment
    found: list[Panel] = []
    if appointment.problem and appointment.step % 2 == 0:  # at every other visit
        found += appointment.problem.course.panels
    if appointment.check_up:
        found += [
            each.panel for each in screening.PANELS if _is_due(meeting, each.ages, each.every_years)
        ]
    return found


def _procedures(meeting: Meeting) -> list[Procedure]:
    appointment = meeting.appointment
    found: list[Procedure] = []
    if appointment.problem:
        found += [
            procedure
            for step, procedure in appointment.problem.course.procedures
            if step in (EVERY_VISIT, appointment.step)
        ]
    if appointment.check_up:
        found += [
            each.procedure
            for each in screening.PROCEDURES
            if _is_due(meeting, each.ages, each.every_years)
            and each.sex in (None, meeting.plan.person.gender)
        ]
    return found


def _is_due(meeting: Meeting, ages: tuple[int, int], every_years: int) -> bool:
    low, high = ages
    return low <= meeting.age <= high and (meeting.age - low) % every_years == 0


def _prescriptions(
    appointment: Appointment, planned: Sequence[Appointment], running: Running, before: int
) -> tuple[Prescription, ...]:
    """Return the orders of a visit: what would run out before the next one, from when it does."""
    problem = appointment.problem
    if problem is None:
        return ()
    found: list[Prescription] = []
    horizon = appointment.day + timedelta(days=problem.course.every + GRACE_DAYS)
    for treatment in problem.course.treatments:
        key = (problem.number, treatment.medication)
        stop = _stop(treatment, problem, planned)
        covered = running.get(key, appointment.day)
        start = max(covered, appointment.day)
        started = treatment.start <= (appointment.day - problem.onset).days
        if started and covered <= horizon and (stop is None or start < stop):
            medication = treatment.medication
            supply = timedelta(days=medication.days_supply * (medication.refills + 1))
            end = start + supply if stop is None else min(start + supply, stop)
            running[key] = end
            number = before + len(found) + 1
            found.append(
                Prescription(
                    number=number, medication=medication, problem=problem, start=start, end=end
                )
            )
    return tuple(found)


def _stop(treatment: Treatment, problem: Problem, planned: Sequence[Appointment]) -> date | None:
    """Return the day a treatment ends: the first visit that finds it is time to."""
    course = problem.course
    if treatment.end is None:
        return None if course.every else problem.onset + timedelta(days=max(course.lasts, 1))
    over = problem.onset + timedelta(days=treatment.end)
    if not course.every:
        return over
    return next(
        (each.day for each in planned if each.problem is problem and each.day >= over), None
    )


def _allergies(plan: Plan) -> tuple[Allergy, ...]:
    chance = plan.chance("allergies")
    return tuple(each for each in screening.ALLERGIES if chance.happens(0.06))
