"""Conditions, allergies and care plans."""

from collections.abc import Iterator

from careledger.fhir.synthetic.content.code import Code, hl7, snomed
from careledger.fhir.synthetic.content.screening import Allergy
from careledger.fhir.synthetic.dates import moment
from careledger.fhir.synthetic.life import Problem, Visit
from careledger.fhir.synthetic.render.chart import Chart
from careledger.fhir.synthetic.render.element import (
    Element,
    bare,
    coding,
    concept,
    day,
    instant,
    practitioner,
    reference,
)

ACTIVE = hl7("condition-clinical", "active", "Active")
RESOLVED = hl7("condition-clinical", "resolved", "Resolved")
CONFIRMED = hl7("condition-ver-status", "confirmed", "Confirmed")
PROBLEM_LIST = hl7("condition-category", "problem-list-item", "Problem List Item")
DIAGNOSIS = hl7("condition-category", "encounter-diagnosis", "Encounter Diagnosis")
ALLERGY_ACTIVE = hl7("allergyintolerance-clinical", "active", "Active")
ALLERGY_CONFIRMED = hl7("allergyintolerance-verification", "confirmed", "Confirmed")
ASSESS_PLAN = Code(
    "http://hl7.org/fhir/us/core/CodeSystem/careplan-category",
    "assess-plan",
    "Assessment and Plan of Treatment",
)
SELF_CARE = snomed("384758001", "Self-care interventions (procedure)")


def condition(chart: Chart, problem: Problem, first: Visit) -> Element:
    """Return the Condition, recorded at the first visit of this record that was about it."""
    course = problem.course
    category = PROBLEM_LIST if course.every else DIAGNOSIS
    fields: Element = {
        "clinicalStatus": bare(RESOLVED if problem.resolved else ACTIVE),
        "verificationStatus": bare(CONFIRMED),
        "category": [bare(category)],
        "code": {
            "coding": [coding(course.condition.code), coding(course.condition.billing)],
            "text": course.condition.code.display,
        },
        "subject": chart.patient,
        "encounter": reference(chart.url("Encounter", first.number)),
        "onsetDateTime": day(problem.onset),
    }
    if problem.resolved:
        fields["abatementDateTime"] = day(problem.resolved)
    fields["recordedDate"] = instant(first.begin)
    fields["recorder"] = practitioner(first.practitioner)
    return chart.resource("Condition", (problem.number,), fields, problem.labels)


def care_plan(chart: Chart, problem: Problem, first: Visit) -> Element:
    """Return the CarePlan of a chronic problem."""
    course = problem.course
    fields: Element = {
        "status": "active",
        "intent": "plan",
        "category": [bare(ASSESS_PLAN)],
        "title": f"Care plan: {course.condition.code.display}",
        "description": course.plan,
        "subject": chart.patient,
        "encounter": reference(chart.url("Encounter", first.number)),
        "period": {"start": instant(first.begin)},
        "created": instant(first.begin),
        "author": practitioner(first.practitioner),
        "addresses": [reference(chart.url("Condition", problem.number))],
        "activity": [
            {
                "detail": {
                    "code": concept(SELF_CARE),
                    "status": "in-progress",
                    "description": course.plan,
                }
            }
        ],
    }
    return chart.resource("CarePlan", (problem.number,), fields, problem.labels)


def allergies(chart: Chart, first: Visit) -> Iterator[Element]:
    """Yield the allergies, recorded at the first visit."""
    for allergy in chart.life.allergies:
        yield _allergy(chart, allergy, first)


def _allergy(chart: Chart, allergy: Allergy, first: Visit) -> Element:
    fields: Element = {
        "clinicalStatus": bare(ALLERGY_ACTIVE),
        "verificationStatus": bare(ALLERGY_CONFIRMED),
        "type": "allergy",
        "category": [allergy.category],
        "criticality": allergy.criticality,
        "code": concept(allergy.substance),
        "patient": chart.patient,
        "recordedDate": instant(moment(first.day, 9 * 60)),
        "recorder": practitioner(first.practitioner),
        "reaction": [{"manifestation": [concept(allergy.reaction)], "severity": allergy.severity}],
    }
    return chart.resource("AllergyIntolerance", (allergy.substance.code,), fields)
