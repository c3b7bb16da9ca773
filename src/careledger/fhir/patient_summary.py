"""The International Patient Summary: one document from what of a record is in reach.

http://hl7.org/fhir/uv/ips (IPS 1.1.0), `Patient/[id]/$summary`. The three required sections are
always there; where nothing came out for one, it says that this is no statement of absence.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final  # Any: FHIR JSON

import msgspec

from careledger.fhir.summary import summarise

IPS: Final = "http://hl7.org/fhir/uv/ips/StructureDefinition/"
LOINC: Final = "http://loinc.org"
MOST_OF_A_KIND: Final = 50
"""Resources in one section; the newest."""

Json = dict[str, Any]  # FHIR JSON


@dataclass(frozen=True, slots=True)
class Piece:
    """One resource of the record, as it will stand in the document."""

    full_url: str
    data: bytes
    order: int
    """Second of its clinical date, or of its storing."""

    @property
    def content(self) -> Json:
        """The resource, decoded."""
        found: Json = msgspec.json.decode(self.data)
        return found


@dataclass(frozen=True, slots=True)
class _Section:
    """A section: its LOINC code, and which resources belong in it."""

    title: str
    code: str
    belongs: Callable[[Json], bool]
    is_required: bool = False
    is_newest_of_each: bool = False
    """Whether of each code only the newest is told."""


def _is(*types: str) -> Callable[[Json], bool]:
    return lambda one: one["resourceType"] in types


def _codes(element: object) -> set[str]:
    concepts = element if isinstance(element, list) else [element]
    return {
        str(coding.get("code"))
        for concept in concepts
        if isinstance(concept, dict)
        for coding in concept.get("coding", ())
    }


def _is_problem(one: Json) -> bool:
    return one["resourceType"] == "Condition" and not _is_past(one)


def _is_past(one: Json) -> bool:
    past = {"inactive", "remission", "resolved"}
    return one["resourceType"] == "Condition" and bool(past & _codes(one.get("clinicalStatus")))


def _is_medication(one: Json) -> bool:
    return one["resourceType"] in {"MedicationRequest", "MedicationStatement"} and (
        one.get("status") in {"active", "intended", "on-hold", "unknown"}
    )


def _observation(*categories: str) -> Callable[[Json], bool]:
    return lambda one: (
        one["resourceType"] == "Observation" and bool(set(categories) & _codes(one.get("category")))
    )


SECTIONS: Final = (
    _Section("Medication summary", "10160-0", _is_medication, is_required=True),
    _Section("Allergies and intolerances", "48765-2", _is("AllergyIntolerance"), is_required=True),
    _Section("Problem list", "11450-4", _is_problem, is_required=True),
    _Section("Immunisations", "11369-6", _is("Immunization")),
    _Section("History of procedures", "47519-4", _is("Procedure")),
    _Section("Medical devices", "46264-8", _is("DeviceUseStatement")),
    _Section("Results", "30954-2", _observation("laboratory", "imaging"), is_newest_of_each=True),
    _Section("Vital signs", "8716-3", _observation("vital-signs"), is_newest_of_each=True),
    _Section("Past problems", "11348-0", _is_past),
    _Section("Social history", "29762-2", _observation("social-history"), is_newest_of_each=True),
    _Section("Plan of care", "18776-5", _is("CarePlan")),
)

_GONE: Final = frozenset(("entered-in-error", "not-done", "cancelled"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """What the document says of itself; `id` is a UUID, `made` a FHIR instant."""

    id: str
    made: str
    author: str
    """The organisation that holds the record."""
    notice: str


def summary_document(patient: Piece, record: Sequence[Piece], heading: Heading) -> bytes:
    """The document bundle: the composition, the patient, and what the sections refer to."""
    read = [(one, one.content) for one in sorted(record, key=lambda one: -one.order)]
    live = [(one, content) for one, content in read if content.get("status") not in _GONE]
    chosen = [(section, _chosen(section, live)) for section in SECTIONS]
    used = {one.full_url: one for _, some in chosen for one in some}
    composition = _composition(patient, chosen, heading)
    entries: list[Json] = [
        {"fullUrl": f"urn:uuid:{heading.id}", "resource": composition},
        *(
            {"fullUrl": one.full_url, "resource": msgspec.Raw(one.data)}
            for one in (patient, *used.values())
        ),
    ]
    return msgspec.json.encode(
        {
            "resourceType": "Bundle",
            "meta": {"profile": [f"{IPS}Bundle-uv-ips"]},
            "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{heading.id}"},
            "type": "document",
            "timestamp": heading.made,
            "entry": entries,
        }
    )


def _chosen(section: _Section, read: Iterable[tuple[Piece, Json]]) -> list[Piece]:
    found: list[Piece] = []
    met: set[str] = set()
    for one, content in read:
        if len(found) == MOST_OF_A_KIND:
            break
        if not section.belongs(content):
            continue
        code = msgspec.json.encode(content.get("code", {}), order="deterministic").decode()
        if section.is_newest_of_each and code in met:
            continue
        met.add(code)
        found.append(one)
    return found


def _composition(
    patient: Piece, chosen: Iterable[tuple[_Section, list[Piece]]], heading: Heading
) -> Json:
    return {
        "resourceType": "Composition",
        "id": heading.id,
        "meta": {"profile": [f"{IPS}Composition-uv-ips"]},
        "text": _narrative([heading.notice]),
        "status": "final",
        "type": _concept("60591-5", "Patient summary Document"),
        "subject": {"reference": patient.full_url},
        "date": heading.made,
        "author": [{"display": heading.author}],
        "title": "International Patient Summary",
        "section": [
            _told(section, some, heading.notice)
            for section, some in chosen
            if some or section.is_required
        ],
    }


def _told(section: _Section, some: Sequence[Piece], notice: str) -> Json:
    told: Json = {"title": section.title, "code": _concept(section.code, section.title)}
    if some:
        told["text"] = _narrative([_line(one) for one in some])
        told["entry"] = [{"reference": one.full_url} for one in some]
    else:
        told["text"] = _narrative([notice])
        system = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
        reason = {"system": system, "code": "unavailable", "display": "Unavailable"}
        told["emptyReason"] = {"coding": [reason]}
    return told


def _line(one: Piece) -> str:
    said = summarise(one.data)
    return " ".join(filter(None, (said.date[:10], said.title, said.value)))


def _narrative(lines: Iterable[str]) -> Json:
    rows = "".join(f"<li>{escape(line)}</li>" for line in lines)
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><ul>{rows}</ul></div>'
    return {"status": "generated", "div": div}


def _concept(code: str, display: str) -> Json:
    return {"coding": [{"system": LOINC, "code": code, "display": display}]}
