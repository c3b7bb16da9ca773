"""Bills and what a plan pays of them: deductible first, then a share, year by year."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from careledger.fhir.synthetic.content.code import Code, hl7, icd10
from careledger.fhir.synthetic.content.labels import Labels
from careledger.fhir.synthetic.dates import moment
from careledger.fhir.synthetic.directory import Organisation, Practitioner
from careledger.fhir.synthetic.identity import number
from careledger.fhir.synthetic.life import Life, Visit
from careledger.fhir.synthetic.people import ADULT

DEDUCTIBLE_CENTS = 150_000
PATIENT_PERCENT = 20
ALLOWED_PERCENT = 72
PROFESSIONAL = hl7("claim-type", "professional", "Professional")
INSTITUTIONAL = hl7("claim-type", "institutional", "Institutional")
PHARMACY = hl7("claim-type", "pharmacy", "Pharmacy")
ADULT_CHECK_UP = icd10("Z00.00", "Encounter for general adult medical examination")
CHILD_CHECK_UP = icd10("Z00.129", "Encounter for routine child health examination")
VACCINATION = icd10("Z23", "Encounter for immunization")


@dataclass(frozen=True, slots=True)
class Line:
    """One service on a bill, and how its price is shared."""

    service: Code
    price_cents: int
    allowed_cents: int = 0
    deductible_cents: int = 0
    copay_cents: int = 0

    @property
    def paid_cents(self) -> int:
        return self.allowed_cents - self.deductible_cents - self.copay_cents


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One claim, and the day the payer decided it."""

    names: tuple[str | int, ...]
    type: Code
    provider: Organisation
    practitioner: Practitioner
    diagnosis: Code
    labels: Labels
    begin: datetime
    end: datetime
    sent: date
    decided: date
    lines: tuple[Line, ...]

    @property
    def has_claim(self) -> bool:
        """A pharmacy asks while the customer waits; only the answer is kept."""
        return self.type is not PHARMACY


def bills(life: Life, pharmacy: Organisation | None) -> list[Bill]:
    """Return the bills of a life in the order in which they were sent, prices shared out."""
    found = [_visit(life, visit) for visit in life.visits]
    if pharmacy:
        found += _fills(life, pharmacy)
    found.sort(key=lambda bill: (bill.sent, bill.begin, str(bill.names)))
    left: dict[int, int] = {}
    return [_shared(bill, left) for bill in found]


def _visit(life: Life, visit: Visit) -> Bill:
    services = [(visit.kind.billing, visit.kind.price_cents)]
    services += [(each.code, each.price_cents) for each in visit.procedures if each.price_cents]
    services += [(each.panel.code, each.panel.price_cents) for each in visit.panels]
    services += [(each.code, each.price_cents) for each in visit.vaccines]
    hospital = visit.kind.any_hour
    sent = visit.end.date() + timedelta(
        days=1 + int(number(1, "sent", life.seed, visit.number)) // 3
    )
    return Bill(
        names=("visit", visit.number),
        type=INSTITUTIONAL if hospital else PROFESSIONAL,
        provider=visit.hospital,
        practitioner=visit.practitioner,
        diagnosis=_diagnosis(life, visit),
        labels=visit.labels,
        begin=visit.begin,
        end=visit.end,
        sent=sent,
        decided=sent + timedelta(days=6 + int(number(1, "decided", life.seed, visit.number))),
        lines=tuple(Line(code, cents) for code, cents in services),
    )


def _diagnosis(life: Life, visit: Visit) -> Code:
    if visit.problem:
        return visit.problem.course.condition.billing
    if not visit.check_up:
        return VACCINATION
    return CHILD_CHECK_UP if life.person.age(visit.day) < ADULT else ADULT_CHECK_UP


def _fills(life: Life, pharmacy: Organisation) -> Iterator[Bill]:
    """Yield one bill for each fill; a pharmacy claim is decided while the customer waits."""
    for visit in life.visits:
        for prescription in visit.prescriptions:
            for turn, day in enumerate(prescription.fills(life.last_day)):
                begin = moment(day, 9 * 60)
                medication = prescription.medication
                yield Bill(
                    names=("fill", prescription.number, turn),
                    type=PHARMACY,
                    provider=pharmacy,
                    practitioner=visit.practitioner,
                    diagnosis=prescription.problem.course.condition.billing,
                    labels=prescription.problem.labels,
                    begin=begin,
                    end=begin,
                    sent=day,
                    decided=day,
                    lines=(Line(medication.code, medication.price_cents),),
                )


def _shared(bill: Bill, left: dict[int, int]) -> Bill:
    """Return the bill with its prices shared; `left` is what remains of each year's deductible."""
    year = bill.begin.year
    lines = []
    for line in bill.lines:
        allowed = line.price_cents * (100 if bill.type is PHARMACY else ALLOWED_PERCENT) // 100
        remaining = left.get(year, DEDUCTIBLE_CENTS)
        deductible = min(allowed, remaining)
        left[year] = remaining - deductible
        copay = (allowed - deductible) * PATIENT_PERCENT // 100
        lines.append(Line(line.service, line.price_cents, allowed, deductible, copay))
    return replace(bill, lines=tuple(lines))
