"""Claims as providers send them, and the payer's explanations of benefit."""

from careledger.fhir.synthetic.accounts import Bill, Line
from careledger.fhir.synthetic.content.code import Code, hl7
from careledger.fhir.synthetic.dates import moment
from careledger.fhir.synthetic.identity import system
from careledger.fhir.synthetic.render.chart import Chart
from careledger.fhir.synthetic.render.element import (
    Element,
    bare,
    concept,
    day,
    dollars,
    instant,
    organisation,
    period,
    practitioner,
    reference,
)

NORMAL = hl7("processpriority", "normal", "Normal")
PRIMARY = hl7("claimcareteamrole", "primary", "Primary provider")
PRINCIPAL = hl7("ex-diagnosistype", "principal", "Principal Diagnosis")
SUBMITTED = hl7("adjudication", "submitted", "Submitted Amount")
ELIGIBLE = hl7("adjudication", "eligible", "Eligible Amount")
DEDUCTIBLE = hl7("adjudication", "deductible", "Deductible")
COPAY = hl7("adjudication", "copay", "CoPay")
BENEFIT = hl7("adjudication", "benefit", "Benefit Amount")
COMPLETE = hl7("ex-paymenttype", "complete", "Complete")


def claim(chart: Chart, bill: Bill) -> Element:
    """Return the Claim as the provider sent it."""
    fields: Element = {
        "identifier": [
            {"system": system(bill.provider.id, "claim"), "value": _number(chart, bill)}
        ],
        **_head(chart, bill),
        "created": instant(moment(bill.sent, 20 * 60)),
        "insurer": organisation(chart.organisation),
        "provider": organisation(bill.provider),
        "priority": bare(NORMAL),
        **_care(bill),
        "insurance": [{"sequence": 1, "focal": True, "coverage": reference(chart.url("Coverage"))}],
        "item": [_item(bill, sequence, line) for sequence, line in enumerate(bill.lines, 1)],
        "total": dollars(sum(line.price_cents for line in bill.lines)),
    }
    return chart.resource("Claim", bill.names, fields, bill.labels)


def explanation(chart: Chart, bill: Bill) -> Element:
    """Return the ExplanationOfBenefit: what the plan paid, and what it left to the patient."""
    paid = sum(line.paid_cents for line in bill.lines)
    fields: Element = {
        "identifier": [
            {"system": system(chart.organisation.id, "eob"), "value": f"E{_number(chart, bill)}"}
        ],
        **_head(chart, bill),
        "created": instant(moment(bill.decided, 21 * 60)),
        "insurer": organisation(chart.organisation),
        "provider": organisation(bill.provider),
        **_answered(chart, bill),
        "outcome": "complete",
        **_care(bill),
        "insurance": [{"focal": True, "coverage": reference(chart.url("Coverage"))}],
        "item": [
            {**_item(bill, sequence, line), "adjudication": _shares((line,))}
            for sequence, line in enumerate(bill.lines, 1)
        ],
        "total": _shares(bill.lines),
        "payment": {"type": bare(COMPLETE), "date": day(bill.decided), "amount": dollars(paid)},
    }
    return chart.resource("ExplanationOfBenefit", bill.names, fields, bill.labels)


def _answered(chart: Chart, bill: Bill) -> Element:
    return {"claim": reference(chart.url("Claim", *bill.names))} if bill.has_claim else {}


def _number(chart: Chart, bill: Bill) -> str:
    return "-".join([chart.record_number(8, "claim"), *(str(name) for name in bill.names[1:])])


def _head(chart: Chart, bill: Bill) -> Element:
    return {
        "status": "active",
        "type": bare(bill.type),
        "use": "claim",
        "patient": chart.patient,
        "billablePeriod": period(bill.begin, bill.end),
    }


def _care(bill: Bill) -> Element:
    return {
        "careTeam": [
            {"sequence": 1, "provider": practitioner(bill.practitioner), "role": bare(PRIMARY)}
        ],
        "diagnosis": [
            {
                "sequence": 1,
                "diagnosisCodeableConcept": concept(bill.diagnosis),
                "type": [bare(PRINCIPAL)],
            }
        ],
    }


def _item(bill: Bill, sequence: int, line: Line) -> Element:
    return {
        "sequence": sequence,
        "careTeamSequence": [1],
        "diagnosisSequence": [1],
        "productOrService": concept(line.service),
        "servicedDate": day(bill.begin.date()),
        "quantity": {"value": 1},
        "unitPrice": dollars(line.price_cents),
        "net": dollars(line.price_cents),
    }


def _shares(lines: tuple[Line, ...]) -> list[Element]:
    """Return how the price is shared, as FHIR's adjudication categories name the parts."""
    parts: list[tuple[Code, int]] = [
        (SUBMITTED, sum(line.price_cents for line in lines)),
        (ELIGIBLE, sum(line.allowed_cents for line in lines)),
        (DEDUCTIBLE, sum(line.deductible_cents for line in lines)),
        (COPAY, sum(line.copay_cents for line in lines)),
        (BENEFIT, sum(line.paid_cents for line in lines)),
    ]
    return [{"category": bare(code), "amount": dollars(cents)} for code, cents in parts]
