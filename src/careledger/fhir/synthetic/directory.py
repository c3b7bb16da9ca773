"""Organisations and the practitioners who work for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from careledger.fhir.synthetic.chance import Chance
from careledger.fhir.synthetic.content import names, specialties
from careledger.fhir.synthetic.content.course import Sex
from careledger.fhir.synthetic.content.specialties import Specialty
from careledger.fhir.synthetic.identity import npi

Role = Literal["hospital", "payer", "pharmacy"]

DEMO: Mapping[str, Role] = {
    "riverside": "hospital",
    "lakeview": "hospital",
    "unity-health": "payer",
    "corner-pharmacy": "pharmacy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Practitioner:
    npi: str
    given: str
    family: str
    gender: Sex
    specialty: Specialty
    organisation: str

    @property
    def display(self) -> str:
        return f"Dr. {self.given} {self.family}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    id: str
    role: Role
    name: str
    npi: str
    practitioners: tuple[Practitioner, ...]

    def one_of(self, specialty: Specialty, turn: int) -> Practitioner:
        """Return the practitioner of a specialty whose turn it is, or the first of all."""
        staff = [each for each in self.practitioners if each.specialty == specialty]
        return staff[turn % len(staff)] if staff else self.practitioners[0]


def directory(organisations: Mapping[str, Role]) -> tuple[Organisation, ...]:
    """Return the organisations with their staff, in the order given.

    Names and NPIs depend on the organisation only, not on a seed. Dr Grace Cho, internist, works
    at `lakeview`, or where there is none at the last hospital.
    """
    hospitals = [each for each, role in organisations.items() if role == "hospital"]
    if not hospitals:
        raise ValueError("expected at least one hospital, actual: none")
    cho = "lakeview" if "lakeview" in hospitals else hospitals[-1]
    return tuple(_organisation(each, role, cho=each == cho) for each, role in organisations.items())


def grace_cho(organisations: Mapping[str, Role] = DEMO) -> Practitioner:
    """Return Dr Grace Cho, whom the demonstration follows."""
    return next(
        each
        for member in directory(organisations)
        for each in member.practitioners
        if (each.given, each.family) == ("Grace", "Cho")
    )


def _organisation(organisation: str, role: Role, *, cho: bool) -> Organisation:
    title = organisation.replace("-", " ").title()
    staff = {"hospital": specialties.HOSPITAL, "pharmacy": specialties.PHARMACY, "payer": ()}[role]
    return Organisation(
        id=organisation,
        role=role,
        name=f"{title} Hospital" if role == "hospital" else title,
        npi=npi(organisation),
        practitioners=tuple(_staff(organisation, staff, cho=cho)),
    )


def _staff(organisation: str, staff: tuple[Specialty, ...], *, cho: bool) -> list[Practitioner]:
    found: list[Practitioner] = []
    for specialty in staff:
        for turn in range(specialty.practitioners):
            chance = Chance(0, organisation, specialty.code.code, turn)
            gender: Sex = "female" if chance.happens(0.5) else "male"
            given = chance.choice(names.FEMALE if gender == "female" else names.MALE)
            family = chance.choice(names.FAMILY)
            if cho and not found:
                given, family, gender = "Grace", "Cho", "female"
            found.append(
                Practitioner(
                    npi=npi(organisation, specialty.code.code, turn),
                    given=given,
                    family=family,
                    gender=gender,
                    specialty=specialty,
                    organisation=organisation,
                )
            )
    return found
