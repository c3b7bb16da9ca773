"""Observations, and the reports that gather those of a panel."""

from collections.abc import Iterator
from decimal import Decimal

from careledger.fhir.synthetic.content import measures as m
from careledger.fhir.synthetic.content.code import Code, hl7
from careledger.fhir.synthetic.content.measures import Measure
from careledger.fhir.synthetic.life import Finding, Measurement, PanelResult, Visit
from careledger.fhir.synthetic.render.chart import Chart
from careledger.fhir.synthetic.render.element import (
    Element,
    bare,
    coding,
    concept,
    instant,
    later,
    organisation,
    practitioner,
    quantity,
    reference,
)

INTERPRETATION = "v3-ObservationInterpretation"
LOW = hl7(INTERPRETATION, "L", "Low")
HIGH = hl7(INTERPRETATION, "H", "High")
NORMAL = hl7(INTERPRETATION, "N", "Normal")
LAB_SECTION = hl7("v2-0074", "LAB", "Laboratory")
LAB_DELAY_MINUTES = 180


def observations(chart: Chart, visit: Visit) -> Iterator[Element]:
    """Yield the observations of a visit; systolic and diastolic pressure are one of them."""
    pressure = [each for each in visit.measurements if each.measure in (m.SYSTOLIC, m.DIASTOLIC)]
    for each in visit.measurements:
        if each.measure is m.SYSTOLIC:
            yield _blood_pressure(chart, visit, pressure)
        elif each.measure is not m.DIASTOLIC:
            yield _measured(chart, visit, each)
    for finding in visit.findings:
        yield _found(chart, visit, finding)
    for panel in visit.panels:
        for each in panel.results:
            yield _measured(chart, visit, each, panel.panel.code.code)


def reports(chart: Chart, visit: Visit) -> Iterator[Element]:
    """Yield one laboratory report for each panel."""
    for panel in visit.panels:
        yield _report(chart, visit, panel)


def _head(chart: Chart, visit: Visit, category: Code, code: Code) -> Element:
    laboratory = category is m.LABORATORY
    fields: Element = {
        "status": "final",
        "category": [bare(category)],
        "code": concept(code),
        "subject": chart.patient,
        "encounter": reference(chart.url("Encounter", visit.number)),
        "effectiveDateTime": instant(later(visit.begin, 5)),
        "issued": instant(later(visit.begin, LAB_DELAY_MINUTES if laboratory else 5)),
        "performer": [
            organisation(visit.hospital) if laboratory else practitioner(visit.practitioner)
        ],
    }
    return fields


def _measured(chart: Chart, visit: Visit, measurement: Measurement, panel: str = "") -> Element:
    measure = measurement.measure
    fields = _head(chart, visit, measure.category, measure.code)
    fields["valueQuantity"] = quantity(measurement.value, measure)
    fields |= _judged(measurement)
    names = (visit.number, panel, measure.code.code)
    return chart.resource("Observation", names, fields, visit.labels)


def _judged(measurement: Measurement) -> Element:
    """Return the reference range and on which side of it the value is, where there is one."""
    measure = measurement.measure
    bounds = {"low": measure.low, "high": measure.high}
    given = {
        side: quantity(_decimal(bound, measure), measure)
        for side, bound in bounds.items()
        if bound is not None
    }
    if not given:
        return {}
    side = NORMAL
    if measure.low is not None and measurement.value < _decimal(measure.low, measure):
        side = LOW
    if measure.high is not None and measurement.value > _decimal(measure.high, measure):
        side = HIGH
    return {"interpretation": [bare(side)], "referenceRange": [given]}


def _decimal(value: float, measure: Measure) -> Decimal:
    return Decimal(round(value * 10**measure.places)).scaleb(-measure.places)


def _blood_pressure(chart: Chart, visit: Visit, parts: list[Measurement]) -> Element:
    fields = _head(chart, visit, m.VITAL_SIGNS, m.BLOOD_PRESSURE)
    fields["component"] = [
        {
            "code": concept(each.measure.code),
            "valueQuantity": quantity(each.value, each.measure),
            **_judged(each),
        }
        for each in parts
    ]
    names = (visit.number, m.BLOOD_PRESSURE.code)
    return chart.resource("Observation", names, fields, visit.labels)


def _found(chart: Chart, visit: Visit, finding: Finding) -> Element:
    category = m.SOCIAL_HISTORY if finding.code is m.SMOKING else m.LABORATORY
    fields = _head(chart, visit, category, finding.code)
    fields["valueCodeableConcept"] = concept(finding.value)
    return chart.resource("Observation", (visit.number, finding.code.code), fields, visit.labels)


def _report(chart: Chart, visit: Visit, panel: PanelResult) -> Element:
    code = panel.panel.code
    fields: Element = {
        "status": "final",
        "category": [{"coding": [coding(LAB_SECTION)]}],
        "code": concept(code),
        "subject": chart.patient,
        "encounter": reference(chart.url("Encounter", visit.number)),
        "effectiveDateTime": instant(later(visit.begin, 5)),
        "issued": instant(later(visit.begin, LAB_DELAY_MINUTES)),
        "performer": [organisation(visit.hospital)],
        "result": [
            reference(
                chart.url("Observation", visit.number, code.code, each.measure.code.code),
                each.measure.code.display,
            )
            for each in panel.results
        ],
    }
    return chart.resource("DiagnosticReport", (visit.number, code.code), fields, visit.labels)
