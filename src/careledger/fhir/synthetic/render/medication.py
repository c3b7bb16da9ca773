"""MedicationRequests as hospitals write and pharmacies file them, and the fills that follow."""

from datetime import date, timedelta

from careledger.fhir.synthetic.content.code import UCUM, hl7
from careledger.fhir.synthetic.content.medications import Medication
from careledger.fhir.synthetic.dates import moment
from careledger.fhir.synthetic.directory import Organisation, Practitioner
from careledger.fhir.synthetic.identity import number, system
from careledger.fhir.synthetic.life import Prescription, Visit
from careledger.fhir.synthetic.render.chart import Chart
from careledger.fhir.synthetic.render.element import (
    Element,
    bare,
    concept,
    day,
    instant,
    practitioner,
    reference,
)

COMMUNITY = hl7("medicationrequest-category", "community", "Community")
ORDERED = hl7("dose-rate-type", "ordered", "Ordered")
FIRST_FILL = hl7("v3-ActCode", "FF", "First Fill")
REFILL = hl7("v3-ActCode", "RF", "Refill")


def order(chart: Chart, visit: Visit, prescription: Prescription) -> Element:
    """Return the hospital's MedicationRequest, with its visit and its reason."""
    fields = _order(chart, visit.hospital, visit.practitioner, prescription)
    fields["encounter"] = reference(chart.url("Encounter", visit.number))
    fields["authoredOn"] = instant(visit.begin)
    problem = prescription.problem
    fields["reasonReference"] = [
        reference(chart.url("Condition", problem.number), problem.course.condition.code.display)
    ]
    return chart.resource("MedicationRequest", (prescription.number,), fields, problem.labels)


def filed_order(chart: Chart, visit: Visit, prescription: Prescription) -> Element:
    """Return the pharmacy's own MedicationRequest: no visit, no diagnosis, the same number."""
    fields = _order(chart, visit.hospital, visit.practitioner, prescription)
    fields["authoredOn"] = instant(visit.begin)
    labels = prescription.problem.labels
    return chart.resource("MedicationRequest", (prescription.number,), fields, labels)


def dispense(
    chart: Chart, prescription: Prescription, pharmacist: Practitioner, turn: int, on: date
) -> Element:
    """Return one fill, handed over on that day; `turn` counts from 0."""
    medication = prescription.medication
    ready = moment(on, 9 * 60 + 7 * ((prescription.number + turn) % 60))
    fields: Element = {
        "identifier": [
            {
                "system": system(chart.organisation.id, "fill"),
                "value": f"{chart.record_number(8, 'customer')}-{prescription.number}-{turn}",
            }
        ],
        "status": "completed",
        "medicationCodeableConcept": concept(medication.code),
        "subject": chart.patient,
        "performer": [{"actor": practitioner(pharmacist)}],
        "authorizingPrescription": [reference(chart.url("MedicationRequest", prescription.number))],
        "type": bare(FIRST_FILL if turn == 0 else REFILL),
        "quantity": _amount(medication.quantity_per_fill, medication.unit),
        "daysSupply": _amount(medication.days_supply, "d"),
        "whenPrepared": instant(ready),
        "whenHandedOver": instant(ready + timedelta(minutes=40)),
        "dosageInstruction": [dosage(medication)],
    }
    labels = prescription.problem.labels
    return chart.resource("MedicationDispense", (prescription.number, turn), fields, labels)


def prescription_number(chart: Chart, hospital: Organisation, prescription: Prescription) -> str:
    """Return the number that hospital, pharmacy and payer share."""
    life = chart.life
    serial = number(9, "rx", life.seed, hospital.id, life.person.number, prescription.number)
    return f"RX{serial}"


def dosage(medication: Medication) -> Element:
    """Return the directions, in words and in structure."""
    repeat: Element = {"frequency": medication.times_a_day, "period": 1, "periodUnit": "d"}
    return {
        "sequence": 1,
        "text": medication.directions,
        "timing": {"repeat": repeat},
        "asNeededBoolean": medication.as_needed,
        "route": concept(medication.route),
        "doseAndRate": [
            {"type": bare(ORDERED), "doseQuantity": _amount(medication.dose, medication.unit)}
        ],
    }


def _order(
    chart: Chart, hospital: Organisation, requester: Practitioner, prescription: Prescription
) -> Element:
    medication = prescription.medication
    return {
        "identifier": [
            {
                "system": system(hospital.id, "prescription"),
                "value": prescription_number(chart, hospital, prescription),
            }
        ],
        "status": "active" if prescription.end > chart.life.last_day else "completed",
        "intent": "order",
        "category": [bare(COMMUNITY)],
        "medicationCodeableConcept": concept(medication.code),
        "subject": chart.patient,
        "requester": practitioner(requester),
        "dosageInstruction": [dosage(medication)],
        "dispenseRequest": {
            "validityPeriod": {"start": day(prescription.start), "end": day(prescription.end)},
            "numberOfRepeatsAllowed": medication.refills,
            "quantity": _amount(medication.quantity_per_fill, medication.unit),
            "expectedSupplyDuration": _amount(medication.days_supply, "d"),
        },
        "substitution": {"allowedBoolean": True},
    }


def _amount(value: int, unit: str) -> Element:
    shown = {"d": "days"}.get(unit, unit.strip("{}"))
    return {"value": value, "unit": shown, "system": UCUM, "code": unit}
