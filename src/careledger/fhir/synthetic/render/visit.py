"""Encounters, and the procedures and immunizations that happen at them."""

from collections.abc import Iterator
from datetime import timedelta

from careledger.fhir.synthetic.content.code import hl7
from careledger.fhir.synthetic.content.procedures import Procedure
from careledger.fhir.synthetic.content.vaccines import Vaccine
from careledger.fhir.synthetic.identity import number, system
from careledger.fhir.synthetic.life import Visit
from careledger.fhir.synthetic.render.chart import Chart
from careledger.fhir.synthetic.render.element import (
    Element,
    bare,
    coding,
    concept,
    day,
    instant,
    later,
    organisation,
    period,
    practitioner,
    reference,
)

PERFORMER = hl7("v3-ParticipationType", "PPRF", "primary performer")
HOME = hl7("discharge-disposition", "home", "Home")
INTRAMUSCULAR = hl7("v3-RouteOfAdministration", "IM", "Injection, intramuscular")
LEFT_ARM = hl7("v3-ActSite", "LA", "left arm")


def encounter(chart: Chart, visit: Visit) -> Element:
    """Return the Encounter of a visit."""
    fields: Element = {
        "identifier": [
            {
                "use": "official",
                "system": system(chart.organisation.id, "visit"),
                "value": f"{chart.record_number(8, 'mrn')}-{visit.number}",
            }
        ],
        "status": "finished",
        "class": coding(visit.kind.encounter_class),
        "type": [concept(visit.kind.type)],
        "subject": chart.patient,
        "participant": [
            {
                "type": [bare(PERFORMER)],
                "period": period(visit.begin, visit.end),
                "individual": practitioner(visit.practitioner),
            }
        ],
        "period": period(visit.begin, visit.end),
    }
    if visit.problem:
        fields["reasonCode"] = [concept(visit.problem.course.condition.code)]
        fields["diagnosis"] = [
            {"condition": reference(chart.url("Condition", visit.problem.number)), "rank": 1}
        ]
    if visit.kind.encounter_class.code == "IMP":
        fields["hospitalization"] = {"dischargeDisposition": bare(HOME)}
    fields["serviceProvider"] = organisation(visit.hospital)
    return chart.resource("Encounter", (visit.number,), fields, visit.labels)


def procedures(chart: Chart, visit: Visit) -> Iterator[Element]:
    """Yield what was done, five minutes apart."""
    for turn, each in enumerate(visit.procedures):
        yield _procedure(chart, visit, turn, each)


def _procedure(chart: Chart, visit: Visit, turn: int, procedure: Procedure) -> Element:
    begin = later(visit.begin, 5 + 5 * turn)
    fields: Element = {
        "status": "completed",
        "code": concept(procedure.code),
        "subject": chart.patient,
        "encounter": reference(chart.url("Encounter", visit.number)),
        "performedPeriod": period(begin, min(visit.end, later(begin, 10))),
        "performer": [{"actor": practitioner(visit.practitioner)}],
    }
    if visit.problem:
        fields["reasonReference"] = [reference(chart.url("Condition", visit.problem.number))]
    return chart.resource("Procedure", (visit.number, turn), fields, visit.labels)


def immunizations(chart: Chart, visit: Visit) -> Iterator[Element]:
    """Yield the vaccines given."""
    for vaccine in visit.vaccines:
        yield _immunization(chart, visit, vaccine)


def _immunization(chart: Chart, visit: Visit, vaccine: Vaccine) -> Element:
    lot = number(5, vaccine.code.code, visit.day.year, visit.day.month)
    fields: Element = {
        "status": "completed",
        "vaccineCode": concept(vaccine.code),
        "patient": chart.patient,
        "encounter": reference(chart.url("Encounter", visit.number)),
        "occurrenceDateTime": instant(later(visit.begin, 5)),
        "primarySource": True,
        "lotNumber": f"{vaccine.lot_prefix}{lot}",
        "expirationDate": day(visit.day + timedelta(days=270)),
        "site": concept(LEFT_ARM),
        "route": concept(INTRAMUSCULAR),
        "performer": [{"actor": practitioner(visit.practitioner)}],
    }
    return chart.resource("Immunization", (visit.number, vaccine.code.code), fields)
