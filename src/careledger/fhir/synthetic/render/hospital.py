"""The record a hospital holds: the patient, and everything of the visits made there."""

from collections.abc import Iterator

from careledger.fhir.synthetic.directory import Organisation
from careledger.fhir.synthetic.life import Life, Problem, Visit
from careledger.fhir.synthetic.render.chart import Chart
from careledger.fhir.synthetic.render.element import Element
from careledger.fhir.synthetic.render.medication import order
from careledger.fhir.synthetic.render.note import note
from careledger.fhir.synthetic.render.observation import observations, reports
from careledger.fhir.synthetic.render.patient import patient
from careledger.fhir.synthetic.render.problem import allergies, care_plan, condition
from careledger.fhir.synthetic.render.visit import encounter, immunizations, procedures


def hospital_record(hospital: Organisation, life: Life) -> Iterator[Element]:
    """Yield the resources, or none where the person was never there."""
    chart = Chart(hospital, life)
    visits = [each for each in life.visits if each.hospital is hospital]
    if not visits:
        return
    yield patient(chart)
    yield from allergies(chart, visits[0])
    known: set[int] = set()  # asked for membership only, never iterated
    for visit in visits:
        yield encounter(chart, visit)
        if visit.problem and visit.problem.number not in known:
            known.add(visit.problem.number)
            yield from _diagnosed(chart, visit.problem, visit)
        yield from _done(chart, visit)


def _diagnosed(chart: Chart, problem: Problem, visit: Visit) -> Iterator[Element]:
    yield condition(chart, problem, visit)
    if problem.course.every:
        yield care_plan(chart, problem, visit)


def _done(chart: Chart, visit: Visit) -> Iterator[Element]:
    yield from observations(chart, visit)
    yield from reports(chart, visit)
    yield from procedures(chart, visit)
    yield from immunizations(chart, visit)
    for prescription in visit.prescriptions:
        yield order(chart, visit, prescription)
    if visit.problem or visit.check_up:
        yield note(chart, visit)
