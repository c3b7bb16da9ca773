"""Organizations, practitioners and their roles: the batch each organisation loads first."""

from collections.abc import Iterator, Sequence

from careledger.fhir.synthetic.content import names
from careledger.fhir.synthetic.content.code import NPI, hl7
from careledger.fhir.synthetic.directory import Organisation, Practitioner
from careledger.fhir.synthetic.identity import derived_uuid, number, system
from careledger.fhir.synthetic.render.element import (
    Element,
    bare,
    coding,
    concept,
    organisation_identifier,
)

PROVIDER = hl7("organization-type", "prov", "Healthcare Provider")
PAYER = hl7("organization-type", "pay", "Payer")
PROVIDER_NUMBER = hl7("v2-0203", "NPI", "National provider identifier")


def staff(own: Organisation, everyone: Sequence[Organisation]) -> Iterator[Element]:
    """Yield who this organisation knows: a hospital its own, payer and pharmacy everybody."""
    known = (own,) if own.role == "hospital" else everyone
    for each in known:
        yield _organization(own, each)
    for each in known:
        for practitioner in each.practitioners:
            yield _practitioner(own, practitioner)
    for practitioner in own.practitioners:
        yield _role(own, practitioner)


def _organization(own: Organisation, which: Organisation) -> Element:
    where, value = organisation_identifier(which)
    town, postal_code = names.TOWNS[int(number(3, which.id)) % len(names.TOWNS)]
    return {
        "resourceType": "Organization",
        "id": derived_uuid(own.id, "Organization", which.id),
        "identifier": [{"system": where, "value": value}],
        "active": True,
        "type": [concept(PAYER if which.role == "payer" else PROVIDER)],
        "name": which.name,
        "telecom": [{"system": "phone", "value": f"555-01{number(2, which.id, 'phone')}"}],
        "address": [
            {
                "line": [f"1 {which.name} Plaza"],
                "city": town,
                "state": names.STATE,
                "postalCode": postal_code,
                "country": "US",
            }
        ],
    }


def _practitioner(own: Organisation, who: Practitioner) -> Element:
    return {
        "resourceType": "Practitioner",
        "id": derived_uuid(own.id, "Practitioner", who.npi),
        "identifier": [{"type": bare(PROVIDER_NUMBER), "system": NPI, "value": who.npi}],
        "active": True,
        "name": [{"family": who.family, "given": [who.given], "prefix": ["Dr."]}],
        "telecom": [
            {
                "system": "email",
                "value": f"{who.given}.{who.family}@{who.organisation}.example".lower(),
                "use": "work",
            }
        ],
        "gender": who.gender,
        "qualification": [{"code": concept(who.specialty.code)}],
    }


def _role(own: Organisation, who: Practitioner) -> Element:
    """Return a role; entries of a batch may not refer to each other, so it names by identifier."""
    where, value = organisation_identifier(own)
    return {
        "resourceType": "PractitionerRole",
        "id": derived_uuid(own.id, "PractitionerRole", who.npi),
        "identifier": [{"system": system(own.id, "staff"), "value": who.npi}],
        "active": True,
        "practitioner": {
            "identifier": {"system": NPI, "value": who.npi},
            "display": who.display,
        },
        "organization": {
            "identifier": {"system": where, "value": value},
            "display": own.name,
        },
        "code": [{"coding": [coding(who.specialty.code)]}],
        "specialty": [concept(who.specialty.code)],
    }
