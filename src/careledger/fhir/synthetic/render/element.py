"""Small FHIR data types: codings, quantities, references, money and moments."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from careledger.fhir.synthetic.content.code import NPI, UCUM, Code
from careledger.fhir.synthetic.content.labels import RESTRICTED, Labels
from careledger.fhir.synthetic.content.measures import Measure
from careledger.fhir.synthetic.directory import Organisation, Practitioner
from careledger.fhir.synthetic.identity import system

Element = dict[str, object]


def coding(code: Code) -> Element:
    """Return a Coding."""
    return {"system": code.system, "code": code.code, "display": code.display}


def concept(code: Code) -> Element:
    """Return a CodeableConcept with its display as text."""
    return {"coding": [coding(code)], "text": code.display}


def bare(code: Code) -> Element:
    """Return a concept without text, as HL7's own small code systems are written."""
    return {"coding": [coding(code)]}


def meta(labels: Labels) -> Element:
    """Return the security labels, restricted confidentiality first."""
    return {"security": [coding(label) for label in (RESTRICTED, *labels)]}


def quantity(value: Decimal | int, measure: Measure) -> Element:
    """Return a Quantity in the unit of the measure."""
    return {"value": value, "unit": measure.unit, "system": UCUM, "code": measure.ucum}


def dollars(cents: int) -> Element:
    """Return Money, always with two decimals."""
    return {"value": Decimal(cents).scaleb(-2), "currency": "USD"}


def day(value: date) -> str:
    """Return a FHIR date."""
    return value.isoformat()


def instant(value: datetime) -> str:
    """Return a FHIR dateTime or instant, to the second."""
    return value.isoformat(timespec="seconds")


def period(begin: datetime, end: datetime) -> Element:
    """Return a Period."""
    return {"start": instant(begin), "end": instant(end)}


def later(value: datetime, minutes: int) -> datetime:
    """Return the moment so many minutes later."""
    return value + timedelta(minutes=minutes)


def reference(url: str, display: str = "") -> Element:
    """Return a literal Reference."""
    return {"reference": url, "display": display} if display else {"reference": url}


def practitioner(who: Practitioner) -> Element:
    """Return a conditional reference (FHIR R4 3.1.0.11.2) by NPI."""
    return reference(f"Practitioner?identifier={NPI}|{who.npi}", who.display)


def organisation(which: Organisation) -> Element:
    """Return a conditional reference by the identifier of the organisation."""
    where, value = organisation_identifier(which)
    return reference(f"Organization?identifier={where}|{value}", which.name)


def organisation_identifier(which: Organisation) -> tuple[str, str]:
    """Return the NPI of an organisation, or its own number: a payer has no NPI."""
    if which.role == "payer":
        return system(which.id, "payer-id"), f"P{which.npi[1:6]}"
    return NPI, which.npi
