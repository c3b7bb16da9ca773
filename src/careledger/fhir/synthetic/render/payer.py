"""The record a payer holds: the member, the coverage, the claims and what was paid."""

from collections.abc import Iterator, Sequence
from datetime import date

from careledger.fhir.synthetic.accounts import bills
from careledger.fhir.synthetic.content.code import ACT_CODE, Code, hl7
from careledger.fhir.synthetic.directory import Organisation
from careledger.fhir.synthetic.life import Life
from careledger.fhir.synthetic.people import ADULT
from careledger.fhir.synthetic.render.chart import Chart
from careledger.fhir.synthetic.render.claim import claim, explanation
from careledger.fhir.synthetic.render.element import (
    Element,
    bare,
    concept,
    day,
    organisation,
)
from careledger.fhir.synthetic.render.patient import identifier, patient
from careledger.fhir.synthetic.schedule import ANAS_RECORD_YEARS

HEALTH_POLICY = Code(ACT_CODE, "EHCPOL", "extended healthcare")
SELF = hl7("subscriber-relationship", "self", "Self")
CHILD = hl7("subscriber-relationship", "child", "Child")
GROUP = hl7("coverage-class", "group", "Group")
PLAN = hl7("coverage-class", "plan", "Plan")


def payer_record(
    payer: Organisation, life: Life, pharmacies: Sequence[Organisation]
) -> Iterator[Element]:
    """Yield the resources; what was sent or decided after `as_of` is not there yet."""
    chart = Chart(payer, life)
    yield patient(chart)
    yield _coverage(chart)
    for bill in bills(life, pharmacies[0] if pharmacies else None):
        if bill.has_claim and bill.sent <= life.as_of:
            yield claim(chart, bill)
        if bill.decided <= life.as_of:
            yield explanation(chart, bill)


def _coverage(chart: Chart) -> Element:
    life = chart.life
    child = life.person.age(life.last_day) < ADULT
    start = max(date(life.as_of.year - ANAS_RECORD_YEARS - 1, 1, 1), life.person.birth)
    member = identifier(chart)
    fields: Element = {
        "identifier": [member],
        "status": "cancelled" if life.person.died else "active",
        "type": concept(HEALTH_POLICY),
        "subscriberId": member["value"],
        "beneficiary": chart.patient,
        "relationship": bare(CHILD if child else SELF),
        "period": {"start": day(start)}
        | ({"end": day(life.person.died)} if life.person.died else {}),
        "payor": [organisation(chart.organisation)],
        "class": [
            {"type": bare(GROUP), "value": f"G{chart.record_number(3, 'group')}"},
            {"type": bare(PLAN), "value": "choice-1500", "name": "Choice 1500"},
        ],
    }
    return chart.resource("Coverage", (), fields)
