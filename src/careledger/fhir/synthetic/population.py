"""The population: one bundle for each organisation's staff, then one for each chart it holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from careledger.fhir.synthetic.dates import AS_OF
from careledger.fhir.synthetic.directory import DEMO, Organisation, Role, directory
from careledger.fhir.synthetic.history import life
from careledger.fhir.synthetic.life import Life
from careledger.fhir.synthetic.people import person
from careledger.fhir.synthetic.render.bundle import batch, transaction
from careledger.fhir.synthetic.render.chart import Chart
from careledger.fhir.synthetic.render.element import Element
from careledger.fhir.synthetic.render.hospital import hospital_record
from careledger.fhir.synthetic.render.patient import identifier
from careledger.fhir.synthetic.render.payer import payer_record
from careledger.fhir.synthetic.render.pharmacy import pharmacy_record
from careledger.fhir.synthetic.render.staff import staff


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedBundle:
    """One FHIR Bundle as JSON, for one organisation to load.

    `patient` counts from 1 and is None for the batch of staff, which must be loaded first.
    `name` is a file name without its ending, unique within the organisation.
    """

    organisation: str
    name: str
    patient: int | None
    resources: int
    body: bytes


def population(
    seed: int,
    patients: int,
    organisations: Mapping[str, Role] = DEMO,
    *,
    as_of: date = AS_OF,
) -> Iterator[GeneratedBundle]:
    """Yield every bundle: all staff first, then patient by patient, organisation by organisation.

    The same arguments give the same bytes. Patient 1 is Ana Rivera. What a patient has does not
    depend on how many patients there are.

    Raises:
        ValueError: there is no hospital among the organisations.
    """
    members = directory(organisations)
    for member in members:
        resources = list(staff(member, members))
        yield GeneratedBundle(
            organisation=member.id,
            name="0-practitioners",
            patient=None,
            resources=len(resources),
            body=batch(resources),
        )
    hospitals = [each for each in members if each.role == "hospital"]
    digits = max(2, len(str(patients)))
    for number in range(1, patients + 1):
        lived = life(seed, person(seed, number, as_of), hospitals, as_of)
        slug = lived.person.name.lower().replace(" ", "-")
        for member in members:
            resources = list(_record(member, lived, members))
            if resources:
                yield GeneratedBundle(
                    organisation=member.id,
                    name=f"{number:0{digits}}-{slug}",
                    patient=number,
                    resources=len(resources),
                    body=transaction(resources),
                )


def patient_identifier(
    seed: int,
    number: int,
    organisation: str,
    organisations: Mapping[str, Role] = DEMO,
    *,
    as_of: date = AS_OF,
) -> tuple[str, str]:
    """Return the system and value under which one organisation files a patient."""
    members = directory(organisations)
    member = next(each for each in members if each.id == organisation)
    hospitals = [each for each in members if each.role == "hospital"]
    lived = life(seed, person(seed, number, as_of), hospitals, as_of)
    found = identifier(Chart(member, lived))
    return str(found["system"]), str(found["value"])


def _record(
    member: Organisation, lived: Life, members: Sequence[Organisation]
) -> Iterator[Element]:
    match member.role:
        case "hospital":
            return hospital_record(member, lived)
        case "payer":
            pharmacies = [each for each in members if each.role == "pharmacy"]
            return payer_record(member, lived, pharmacies)
        case "pharmacy":
            return pharmacy_record(member, lived)
