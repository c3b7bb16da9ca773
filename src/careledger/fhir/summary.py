"""One line about a resource, for people: when it was, what it is, what it says.

Read from the JSON itself, because a reader may hold resources that nobody validated here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

Json = dict[str, Any]  # Any: FHIR JSON of any type

_KINDS = {
    "AllergyIntolerance": "Allergy",
    "CarePlan": "Care plan",
    "Claim": "Claim",
    "Condition": "Condition",
    "Coverage": "Coverage",
    "DiagnosticReport": "Report",
    "DocumentReference": "Document",
    "Encounter": "Visit",
    "ExplanationOfBenefit": "Benefit",
    "Immunization": "Immunisation",
    "MedicationDispense": "Dispensed",
    "MedicationRequest": "Medication",
    "MedicationStatement": "Medication",
    "Observation": "Result",
    "Patient": "Person",
    "Procedure": "Procedure",
}

_DATES = (
    "effectiveDateTime",
    "effectivePeriod",
    "authoredOn",
    "occurrenceDateTime",
    "performedDateTime",
    "performedPeriod",
    "onsetDateTime",
    "whenHandedOver",
    "period",
    "billablePeriod",
    "recordedDate",
    "date",
    "created",
    "issued",
    "birthDate",
)

_TITLES = (
    "medicationCodeableConcept",
    "vaccineCode",
    "code",
    "type",
    "category",
    "class",
)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a timeline shows of one resource; `date` is as written, "" if it has none."""

    type: str
    id: str
    kind: str
    date: str
    title: str
    value: str


def kind_of(type_: str) -> str:
    """What people call a resource type; the type itself where there is no word."""
    return _KINDS.get(type_, type_)


def summarise(data: bytes) -> Summary:
    """Summarise a resource; whatever is not understood is left out.

    Raises:
        ValueError: not a JSON object.
    """
    resource = msgspec.json.decode(data)
    if not isinstance(resource, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - wrong content, not a wrong type
    type_ = str(resource.get("resourceType", ""))
    return Summary(
        type=type_,
        id=str(resource.get("id", "")),
        kind=kind_of(type_),
        date=_date(resource),
        title=_name(resource) if type_ == "Patient" else _title(resource),
        value=_value(resource),
    )


def _date(resource: Json) -> str:
    for name in _DATES:
        found = resource.get(name)
        if isinstance(found, dict):
            found = found.get("start")
        if isinstance(found, str):
            return found
    return ""


def _title(resource: Json) -> str:
    return next(filter(None, (_concept(resource.get(name)) for name in _TITLES)), "")


def _concept(value: object) -> str:
    """The words of a CodeableConcept, a Coding, or the first of several."""
    if isinstance(value, list):
        return next(filter(None, map(_concept, value)), "")
    if not isinstance(value, dict):
        return ""
    found = value.get("text") or value.get("display")
    return str(found) if found else _concept(value.get("coding"))


def _name(resource: Json) -> str:
    for name in _objects(resource.get("name")):
        given = " ".join(map(str, name.get("given") or ()))
        return " ".join(filter(None, (given, str(name.get("family") or ""))))
    return ""


def _value(resource: Json) -> str:
    quantity = resource.get("valueQuantity")
    if isinstance(quantity, dict):
        return _quantity(quantity)
    if isinstance(resource.get("valueString"), str):
        return str(resource["valueString"])
    parts = [
        f"{_concept(part.get('code'))} {_quantity(part.get('valueQuantity') or {})}".strip()
        for part in _objects(resource.get("component"))
    ]
    dosage = [
        str(one["text"]) for one in _objects(resource.get("dosageInstruction")) if "text" in one
    ]
    return (
        _concept(resource.get("valueCodeableConcept"))
        or "; ".join(parts)
        or "; ".join(dosage)
        or _concept(resource.get("clinicalStatus"))
        or str(resource.get("status") or "")
    )


def _quantity(quantity: Json) -> str:
    unit = quantity.get("unit") or quantity.get("code") or ""
    return f"{quantity.get('value', '')} {unit}".strip()


def _objects(value: object) -> Iterable[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
