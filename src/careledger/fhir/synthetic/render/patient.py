"""Patients, each with the identifier that one organisation gave them."""

from careledger.fhir.synthetic.content import names
from careledger.fhir.synthetic.content.code import Code, hl7
from careledger.fhir.synthetic.identity import system
from careledger.fhir.synthetic.life import Life
from careledger.fhir.synthetic.render.chart import Chart
from careledger.fhir.synthetic.render.element import Element, bare, concept, day, organisation

RECORD_NUMBER = hl7("v2-0203", "MR", "Medical record number")
MEMBER_NUMBER = hl7("v2-0203", "MB", "Member Number")
CUSTOMER_NUMBER = hl7("v2-0203", "PI", "Patient internal identifier")
MARRIED = hl7("v3-MaritalStatus", "M", "Married")
NEVER_MARRIED = hl7("v3-MaritalStatus", "S", "Never Married")
BIRTH_SEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"
LANGUAGE = "urn:ietf:bcp:47"
ADULT_YEARS = 18


def patient(chart: Chart) -> Element:
    """Return the Patient as this organisation knows them."""
    person = chart.life.person
    fields: Element = {
        "extension": [{"url": BIRTH_SEX, "valueCode": person.gender[0].upper()}],
        "identifier": [identifier(chart)],
        "active": True,
        "name": [{"use": "official", "family": person.family, "given": [person.given]}],
        "telecom": [{"system": "phone", "value": person.phone, "use": "home"}],
        "gender": person.gender,
        "birthDate": day(person.birth),
        "deceasedDateTime": day(person.died) if person.died else None,
        "address": [
            {
                "use": "home",
                "line": [person.line],
                "city": person.town,
                "state": names.STATE,
                "postalCode": person.postal_code,
                "country": "US",
            }
        ],
        "maritalStatus": _marital_status(chart.life),
        "communication": [
            {"language": concept(Code(LANGUAGE, *person.language)), "preferred": True}
        ],
        "managingOrganization": organisation(chart.organisation),
    }
    present = {name: value for name, value in fields.items() if value is not None}
    return chart.resource("Patient", (), present)


def identifier(chart: Chart) -> Element:
    """Return the number under which this organisation files the person."""
    kind, what, prefix = {
        "hospital": (RECORD_NUMBER, "mrn", "M"),
        "payer": (MEMBER_NUMBER, "member", "U"),
        "pharmacy": (CUSTOMER_NUMBER, "customer", "C"),
    }[chart.organisation.role]
    return {
        "use": "usual",
        "type": bare(kind),
        "system": system(chart.organisation.id, what),
        "value": prefix + chart.record_number(8, what),
    }


def _marital_status(life: Life) -> Element | None:
    if life.person.age(life.last_day) < ADULT_YEARS:
        return None
    return bare(MARRIED if life.person.married else NEVER_MARRIED)
