"""Whether a resource may be about nobody: a device in stock, a calendar, a calibration.

Such a resource is the organisation's own. It must not be a way around a patient's consent, so it
may not refer to a person, by no element, extension or contained resource, nor leave open whether
it does where R4 expects the patient.
"""

from collections.abc import Iterator
from functools import cache
from re import compile as regex
from typing import TYPE_CHECKING, Any, Final  # Any: a JSON document

import msgspec

from careledger.fhir.compartment import ROSTERS
from careledger.fhir.paths import Read, reader
from careledger.fhir.r4.search import ELEMENTS
from careledger.fhir.references import references

if TYPE_CHECKING:
    from careledger.fhir.resource import Resource

OWN_TYPES: Final = frozenset(
    (
        "Account",
        "Appointment",
        "AppointmentResponse",
        "AuditEvent",
        "Basic",
        "BiologicallyDerivedProduct",
        "CareTeam",
        "CatalogEntry",
        "Communication",
        "CommunicationRequest",
        "Composition",
        "Contract",
        "DetectedIssue",
        "Device",
        "DeviceMetric",
        "DeviceRequest",
        "DiagnosticReport",
        "DocumentManifest",
        "DocumentReference",
        "Flag",
        "GuidanceResponse",
        "Invoice",
        "Linkage",
        "List",
        "MeasureReport",
        "Media",
        "MolecularSequence",
        "Observation",
        "PaymentNotice",
        "PaymentReconciliation",
        "Provenance",
        "QuestionnaireResponse",
        "RequestGroup",
        "Schedule",
        "ServiceRequest",
        "Slot",
        "Specimen",
        "SupplyDelivery",
        "SupplyRequest",
        "Task",
        "VerificationResult",
    )
)
"""Types whose patient R4 leaves out, or lets be a place, a device, a substance, staff.

All others are of a patient or of the directory; those are a patient's wherever one is named.
"""

_PEOPLE: Final = frozenset(("Patient", "Person", "RelatedPerson"))
_NAMED: Final = regex(
    r"(?:[a-z][a-z0-9+.\-]*://\S*/)?(Patient|Person|RelatedPerson|Group)/[A-Za-z0-9\-.]{1,64}"
    r"(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
_LITERAL: Final = regex(
    r"(?:\S*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
_LOCAL: Final = regex(r"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


def nobodys(resource: "Resource") -> tuple[str, ...] | None:
    """Return what a resource about nobody refers to here; None if it may be about a person.

    By `Type/id`. A group counts as people, except to what an organisation publishes of itself.
    """
    people = _PEOPLE if resource.type not in OWN_TYPES else _PEOPLE | ROSTERS
    if any(_is_open(one) for one in _whose(resource.type)(resource.model)):
        return None
    for value in _objects(msgspec.json.decode(resource.raw)):
        if _names(value, people):
            return None
    local = map(_LOCAL.fullmatch, references(resource.raw))
    return tuple(dict.fromkeys(match[1] for match in local if match is not None))


@cache
def _whose(type_: str) -> Read:
    return reader(ELEMENTS[type_].patient)


def _is_open(reference: object) -> bool:
    """Whether a reference where the patient is expected does not say that it is no person's."""
    text = getattr(reference, "reference", None)
    if text is not None and (literal := _LITERAL.fullmatch(text)) is not None:
        return literal[1] in _PEOPLE
    said = getattr(reference, "type", None)
    return said is None or said.rpartition("/")[2] in _PEOPLE


def _names(value: dict[str, Any], people: frozenset[str]) -> bool:
    """Whether one JSON object is a person, or a reference to one."""
    if value.get("resourceType") in people:
        return True
    said = value.get("type")
    if isinstance(said, str) and said.rpartition("/")[2] in people and _is_reference(value):
        return True
    texts = (one for one in value.values() if isinstance(one, str))
    matches = map(_NAMED.fullmatch, texts)
    return any(match is not None and match[1] in people for match in matches)


def _is_reference(value: dict[str, Any]) -> bool:
    return not value.keys().isdisjoint(("reference", "identifier", "display"))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a document, the document itself first; depth is bounded on the way in.

    Strings in an array count as those of an object.
    """
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        yield {str(at): one for at, one in enumerate(value) if isinstance(one, str)}
        for inner in value:
            if not isinstance(inner, str):
                yield from _objects(inner)
