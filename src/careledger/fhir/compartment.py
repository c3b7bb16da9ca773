"""Whose data a resource is: the patient compartment of FHIR R4.

http://hl7.org/fhir/R4/compartmentdefinition-patient.html. The patient a resource is
about (`subject`, `patient`, `beneficiary`) comes before those who only take part in it.
"""

from functools import cache
from re import compile as regex
from typing import TYPE_CHECKING, Final

from careledger.fhir.paths import Read, reader
from careledger.fhir.r4.search import ELEMENTS

if TYPE_CHECKING:
    from careledger.fhir.resource import Resource

ROSTERS: Final = frozenset({"Group"})
"""Lists of patients that an organisation keeps: they are in the record of none of them."""

_PATIENT: Final = regex(r"Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


def patients(resource: "Resource") -> tuple[str, ...]:
    """Return the ids of the local patients in whose compartment the resource is, its subject first.

    A patient is in their own. References to other servers (`https://...`) lead to no local patient.
    """
    if resource.type in ROSTERS:
        return ()
    found = [resource.id] if resource.type == "Patient" and resource.id is not None else []
    for target in _whose(resource.type)(resource.model):
        match = _PATIENT.fullmatch(getattr(target, "reference", None) or "")
        if match is not None and match[1] not in found:
            found.append(match[1])
    return tuple(found)


@cache
def _whose(type_: str) -> Read:
    if type_ == "Binary":  # R4 2.42.3: whoever may see its context may see it
        return reader(("securityContext",))
    return reader(ELEMENTS[type_].patient)
