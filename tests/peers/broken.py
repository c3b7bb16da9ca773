"""R4's official examples, and what is wrong with them once one thing was broken.

Each variant breaks one rule in one place at the top of a resource: how often an element comes, what
its type is, which codes it may have; and invariants, in resources made for that.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from careledger.fhir.validate.library import Element, library

Json = dict[str, Any]  # Any: FHIR JSON of any type

CODE = {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]}
OBSERVATION: Json = {"resourceType": "Observation", "status": "final", "code": CODE}
PATIENT: Json = {"resourceType": "Patient", "active": True}

INVARIANTS: dict[str, Json] = {
    "obs-6": OBSERVATION | {"valueString": "x", "dataAbsentReason": {"text": "y"}},
    "obs-7": OBSERVATION | {"valueString": "x", "component": [{"code": CODE, "valueString": "x"}]},
    "obs-3": OBSERVATION | {"referenceRange": [{"type": {"text": "x"}}]},
    "pat-1": PATIENT | {"contact": [{"gender": "female"}]},
    "per-1": PATIENT | {"name": [{"text": "x", "period": {"start": "2020", "end": "2019"}}]},
    "qty-3": OBSERVATION | {"valueQuantity": {"value": 1, "code": "mg"}},
    "rng-2": OBSERVATION | {"valueRange": {"low": {"value": 2}, "high": {"value": 1}}},
    "cpt-2": PATIENT | {"telecom": [{"value": "555"}]},
    "ref-1": OBSERVATION | {"device": {"reference": "#nowhere"}},
    "dom-3": OBSERVATION | {"contained": [{"resourceType": "Device", "id": "d"}]},
    "dom-2": OBSERVATION
    | {
        "device": {"reference": "#d"},
        "contained": [
            {
                "resourceType": "Device",
                "id": "d",
                "owner": {"reference": "#o"},
                "contained": [{"resourceType": "Organization", "id": "o", "name": "x"}],
            }
        ],
    },
    "ext-1": PATIENT
    | {
        "extension": [
            {"url": "urn:x", "valueString": "x", "extension": [{"url": "y", "valueString": "y"}]}
        ]
    },
    "con-3": {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/1"},
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/condition-category",
                        "code": "problem-list-item",
                    }
                ]
            }
        ],
    },
    "con-5": {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/1"},
        "clinicalStatus": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
                    "code": "active",
                }
            ]
        },
        "verificationStatus": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
                    "code": "entered-in-error",
                }
            ]
        },
    },
    "org-1": {"resourceType": "Organization"},
    "bdl-1": {"resourceType": "Bundle", "type": "collection", "total": 3},
    "tim-1": {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/1"},
        "occurrenceTiming": {"repeat": {"duration": 3}},
    },
    "txt-1": PATIENT
    | {
        "text": {
            "status": "generated",
            "div": '<div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div>',
        }
    },
    "txt-2": PATIENT
    | {"text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"> </div>'}},
}
"""By the invariant that each of them breaks."""


class Document(NamedTuple):
    """One resource to be judged."""

    name: str
    broken: str
    """What was done to it: `as is`, or a kind of fault, a colon and the place."""
    content: Json

    @property
    def line(self) -> str:
        """As one line of JSON."""
        return json.dumps(self.content, separators=(",", ":"))


def documents(folder: Path) -> Iterator[Document]:
    """Every example as it is, then with one thing broken after the other, then invariants."""
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text())
        yield Document(path.stem, "as is", content)
        profile = library().of_type(content["resourceType"])
        for element in () if profile is None else profile.elements[1:]:
            if element.id.count(".") == 1:
                yield from _broken(path.stem, content, element)
        yield Document(path.stem, "unknown: unicorn", content | {"unicorn": 1})
    for key, content in INVARIANTS.items():
        yield Document(key, f"invariant: {key}", content)


def _broken(name: str, content: Json, element: Element) -> Iterator[Document]:
    member = element.name
    if member not in content or member in {"id", "resourceType"}:
        return

    def changed(fault: str, value: Any) -> Document:
        other = copy.deepcopy(content)
        if value is None:
            del other[member]
        else:
            other[member] = value
        return Document(name, f"{fault}: {element.id}", other)

    value = content[member]
    if element.least:
        yield changed("missing", None)
    if element.most == 1:
        yield changed("twice", [value, value])
    else:
        yield changed("no array", value[0])
        yield changed("empty", [])
    if isinstance(value, dict | list):
        yield changed("a text", "x")
    else:
        yield changed("an object", {"a": 1})
    if element.binding is not None and element.binding[0] == "required" and value != "":
        yield from _other_codes(changed, value)


def _other_codes(changed: Any, value: Any) -> Iterator[Document]:
    """With a code that no value set has."""
    match value:
        case str():
            yield changed("code", "no-such-code")
        case [str(), *_]:
            yield changed("code", ["no-such-code"])
        case {"coding": [{"system": system}, *_]}:
            yield changed("code", {"coding": [{"system": system, "code": "no-such-code"}]})
        case _:
            pass
