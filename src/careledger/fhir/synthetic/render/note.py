"""Clinical notes: plain text written from what happened at a visit, kept inline."""

import base64

from careledger.fhir.synthetic.content.code import Code, loinc
from careledger.fhir.synthetic.content.labels import PSY
from careledger.fhir.synthetic.dates import moment
from careledger.fhir.synthetic.life import Visit
from careledger.fhir.synthetic.render.chart import Chart
from careledger.fhir.synthetic.render.element import (
    Element,
    bare,
    coding,
    instant,
    organisation,
    period,
    practitioner,
    reference,
)

CLINICAL_NOTE = Code(
    "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
    "clinical-note",
    "Clinical Note",
)
FORMAT = Code(
    "http://ihe.net/fhir/ValueSet/IHE.FormatCode.codesystem",
    "urn:ihe:iti:xds:2017:mimeTypeSufficient",
    "mimeType Sufficient",
)
HISTORY_AND_PHYSICAL = loinc("34117-2", "History and physical note")
PROGRESS = loinc("11506-3", "Progress note")
PSYCHIATRY = loinc("34788-0", "Psychiatry Consult note")
EMERGENCY = loinc("34111-5", "Emergency department Note")
DISCHARGE = loinc("18842-5", "Discharge summary")


def note(chart: Chart, visit: Visit) -> Element:
    """Return the DocumentReference of a visit; it is as sensitive as the visit."""
    code = kind(visit)
    text = "\n".join(_lines(chart, visit, code)) + "\n"
    fields: Element = {
        "status": "current",
        "docStatus": "final",
        "type": {"coding": [coding(code)], "text": code.display},
        "category": [bare(CLINICAL_NOTE)],
        "subject": chart.patient,
        "date": instant(max(visit.end, moment(visit.day, 0))),
        "author": [practitioner(visit.practitioner)],
        "custodian": organisation(visit.hospital),
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain; charset=utf-8",
                    "language": "en",
                    "data": base64.b64encode(text.encode()).decode(),
                    "title": code.display,
                    "creation": instant(visit.end),
                },
                "format": coding(FORMAT),
            }
        ],
        "context": {
            "encounter": [reference(chart.url("Encounter", visit.number))],
            "period": period(visit.begin, visit.end),
        },
    }
    return chart.resource("DocumentReference", (visit.number,), fields, visit.labels)


def kind(visit: Visit) -> Code:
    """Return what the note of a visit is called in LOINC."""
    if PSY in visit.labels:
        return PSYCHIATRY
    by_class = {"EMER": EMERGENCY, "IMP": DISCHARGE}
    first = HISTORY_AND_PHYSICAL if visit.step == 0 else PROGRESS
    return by_class.get(visit.kind.encounter_class.code, first)


def _lines(chart: Chart, visit: Visit, code: Code) -> list[str]:
    person = chart.life.person
    who = {"female": "woman", "male": "man"}[person.gender]
    age = person.age(visit.day)
    lines = [code.display, visit.day.isoformat(), "", "SUBJECTIVE"]
    if visit.problem is None:
        lines.append(f"{person.name}, {age}-year-old {who}, here for a check-up. No complaints.")
    elif visit.step == 0:
        lines.append(f"{person.name}, {age}-year-old {who}: {visit.problem.course.complaint}.")
    else:
        lines.append(
            f"{person.name}, {age}-year-old {who}, follow-up visit {visit.step} "
            f"for {visit.problem.course.condition.code.display}."
        )
    allergies = ", ".join(each.substance.display for each in chart.life.allergies)
    lines += [f"Allergies: {allergies or 'none known'}.", "", "OBJECTIVE"]
    lines += _objective(visit) or ["No measurements at this visit."]
    lines += ["", "PLAN", visit.problem.course.plan if visit.problem else "Seen again in a year."]
    lines += [
        f"Prescribed: {each.medication.code.display}. {each.medication.directions}."
        for each in visit.prescriptions
    ]
    return [*lines, "", visit.practitioner.display]


def _objective(visit: Visit) -> list[str]:
    taken = [*visit.measurements, *(each for panel in visit.panels for each in panel.results)]
    lines = [f"{each.measure.code.display}: {each.value} {each.measure.unit}" for each in taken]
    return lines + [f"{each.code.display}: {each.value.display}" for each in visit.findings]
