"""A small world to search: resources as a client would write them, and a graph of those to be seen.

`worlds` generates populations, `questions` searches on them, each with what it means in plain
Python: the engine is held against that.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from careledger.fhir.index import extract
from careledger.fhir.resource import parse_resource
from careledger.fhir.search.extract import values
from careledger.fhir.search.graph import Node, Test
from careledger.fhir.search.table import ALL
from careledger.fhir.search.values import encode_values

Json = dict[str, Any]  # Any: FHIR JSON of any type
LOINC = "http://loinc.org"


def node(resource: Json, stored: int = 0) -> Node:
    """A node as the vault would give it."""
    read = parse_resource(json.dumps(resource).encode())
    facts = replace(extract(read), values=encode_values(values(read, ALL)))
    return Node(read.type, str(read.id), 1, stored, stored, facts)


class World:
    """A graph that holds these nodes and no others."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = {(one.type, one.id): one for one in nodes}

    def get(self, type_: str, id_: str) -> Node | None:
        return self.nodes.get((type_, id_))

    def of_type(
        self, type_: str | None, patients: frozenset[str] | None, test: Test
    ) -> Iterator[Node]:
        for one in self.nodes.values():
            mine = patients is None or not patients.isdisjoint(one.facts.patients)
            if type_ in (None, one.type) and mine and test(one):
                yield one


class Permitted(World):
    """A graph that shows a part of a larger world; it tests before it knows, as a vault does."""

    def __init__(self, whole: World, seen: Callable[[Node], bool]) -> None:
        super().__init__(whole.nodes.values())
        self._seen = seen

    def get(self, type_: str, id_: str) -> Node | None:
        found = super().get(type_, id_)
        return found if found is not None and self._seen(found) else None

    def of_type(
        self, type_: str | None, patients: frozenset[str] | None, test: Test
    ) -> Iterator[Node]:
        return filter(self._seen, super().of_type(type_, patients, test))


# --- a population --------------------------------------------------------------------------------

GENDERS = ("female", "male")
CODES = ("8302-2", "29463-7", "718-7")
DAYS = ("2020-01-31", "2020-02-01", "2020-02-29", "2021-02-01")
NAMES = ("Ánna", "Anneke", "Ben")
UNITS = ("cm", "kg")
STATUSES = ("finished", "planned")


def _patient(number: int, draw: st.DrawFn) -> Json:
    found: Json = {
        "resourceType": "Patient",
        "id": f"p{number}",
        "gender": draw(st.sampled_from(GENDERS)),
        "name": [{"given": [draw(st.sampled_from(NAMES))]}],
    }
    if draw(st.booleans()):
        found["generalPractitioner"] = [{"reference": f"Practitioner/d{draw(st.integers(0, 1))}"}]
    return found


def _observation(number: int, draw: st.DrawFn) -> Json:
    found: Json = {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": draw(st.sampled_from(CODES))}]},
        "subject": {"reference": f"Patient/p{draw(st.integers(0, 3))}"},
    }
    if draw(st.booleans()):
        found["effectiveDateTime"] = draw(st.sampled_from(DAYS))
    if draw(st.booleans()):
        unit = draw(st.sampled_from(UNITS))
        found["valueQuantity"] = {"value": draw(st.integers(0, 4)), "unit": unit}
    if draw(st.booleans()):
        found["encounter"] = {"reference": f"Encounter/e{draw(st.integers(0, 2))}"}
    return found


@st.composite
def populations(draw: st.DrawFn) -> list[Json]:
    """Patients, doctors, visits and results that refer to one another, and to some not there."""
    found = [_patient(number, draw) for number in range(draw(st.integers(1, 3)))]
    found += [
        {"resourceType": "Practitioner", "id": f"d{number}", "name": [{"family": name}]}
        for number, name in enumerate(draw(st.lists(st.sampled_from(NAMES), max_size=2)))
    ]
    found += [
        {
            "resourceType": "Encounter",
            "id": f"e{number}",
            "status": draw(st.sampled_from(STATUSES)),
            "class": {"code": "AMB"},
            "subject": {"reference": f"Patient/p{draw(st.integers(0, 2))}"},
        }
        for number in range(draw(st.integers(0, 3)))
    ]
    found += [_observation(number, draw) for number in range(draw(st.integers(0, 12)))]
    return found


# --- questions -----------------------------------------------------------------------------------

Meaning = Callable[[Json, dict[str, Json]], bool]


@dataclass(frozen=True)
class Question:
    """A parameter with its value, and what it means of a resource in a world."""

    name: str
    value: str
    meaning: Meaning


def _end(one: Json | None, *path: str) -> str:
    for name in path:
        one = (one or {}).get(name)
    return str(one) if one is not None else ""


def _to(world: dict[str, Json], one: Json, name: str) -> Json:
    return world.get(_end(one, name, "reference"), {})


def _named(one: Json, text: str) -> bool:
    folded = {"Ánna": "anna", "Anneke": "anneke", "Ben": "ben"}
    written = [word for name in one.get("name", ()) for word in _words(name)]
    return any(folded[word].startswith(text) for word in written)


def _words(name: Json) -> list[str]:
    return [*name.get("given", ()), *([name["family"]] if "family" in name else [])]


def _days(prefix: str, day: str) -> Meaning:
    tests: dict[str, Callable[[str], bool]] = {
        "": lambda at: at == day,
        "ne": lambda at: at != day,
        "gt": lambda at: at > day,
        "ge": lambda at: at >= day,
        "lt": lambda at: at < day,
        "le": lambda at: at <= day,
        "sa": lambda at: at > day,
        "eb": lambda at: at < day,
    }
    return lambda one, _: "effectiveDateTime" in one and tests[prefix](one["effectiveDateTime"])


def _amounts(prefix: str, number: int, unit: str) -> Meaning:
    tests: dict[str, Callable[[int], bool]] = {
        "": lambda value: value == number,
        "ne": lambda value: value != number,
        "gt": lambda value: value > number,
        "ge": lambda value: value >= number,
        "lt": lambda value: value < number,
        "le": lambda value: value <= number,
    }
    return lambda one, _: (
        "valueQuantity" in one
        and tests[prefix](one["valueQuantity"]["value"])
        and unit in ("", one["valueQuantity"]["unit"])
    )


PREFIXES = ("", "ne", "gt", "ge", "lt", "le")


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """A question about observations."""
    code, other = draw(st.sampled_from(CODES)), draw(st.sampled_from(CODES))
    number, day = draw(st.integers(0, 4)), draw(st.sampled_from(DAYS))
    prefix, gender = draw(st.sampled_from(PREFIXES)), draw(st.sampled_from(GENDERS))
    text, unit = draw(st.sampled_from(("ann", "ANNA", "b", "x"))), draw(st.sampled_from(UNITS))
    days, status = draw(st.sampled_from((*PREFIXES, "sa", "eb"))), draw(st.sampled_from(STATUSES))

    def code_of(one: Json) -> str:
        return str(one["code"]["coding"][0]["code"])

    every = [
        Question("code", f"{LOINC}|{code}", lambda one, _: code_of(one) == code),
        Question("code", f"{code},{other}", lambda one, _: code_of(one) in (code, other)),
        Question("code", f"|{code}", lambda *_: False),
        Question("code:not", f"{code},{other}", lambda one, _: code_of(one) not in (code, other)),
        Question("date", f"{days}{day}", _days(days, day)),
        Question("date:missing", "true", lambda one, _: "effectiveDateTime" not in one),
        Question("value-quantity", f"{prefix}{number}", _amounts(prefix, number, "")),
        Question("value-quantity", f"{prefix}{number}||{unit}", _amounts(prefix, number, unit)),
        Question(
            "code-value-quantity",
            f"{code}${prefix}{number}",
            lambda one, w: code_of(one) == code and _amounts(prefix, number, "")(one, w),
        ),
        Question("_id", f"o{number},o9", lambda one, _: one["id"] in (f"o{number}", "o9")),
        Question("_id:not", f"o{number}", lambda one, _: one["id"] != f"o{number}"),
        Question("patient", f"p{number}", lambda one, _: _whose(one) == f"Patient/p{number}"),
        Question(
            "subject",
            f"Patient/p{number},Patient/p1",
            lambda one, _: _whose(one) in (f"Patient/p{number}", "Patient/p1"),
        ),
        Question("encounter:missing", "false", lambda one, _: "encounter" in one),
        Question(
            "subject:Patient.gender",
            gender,
            lambda one, w: _to(w, one, "subject").get("gender") == gender,
        ),
        Question(
            "patient.gender:not",
            gender,
            lambda one, w: _end(_to(w, one, "subject"), "gender") not in ("", gender),
        ),
        Question("subject.name", text, lambda one, w: _named(_to(w, one, "subject"), text.lower())),
        Question(
            "encounter.status",
            status,
            lambda one, w: _to(w, one, "encounter").get("status") == status,
        ),
        Question(
            "encounter.subject:Patient.name",
            text,
            lambda one, w: _named(_to(w, _to(w, one, "encounter"), "subject"), text.lower()),
        ),
        Question(
            "patient.general-practitioner:Practitioner.name",
            text,
            lambda one, w: any(
                _named(w.get(doctor["reference"], {}), text.lower())
                for doctor in _to(w, one, "subject").get("generalPractitioner", ())
            ),
        ),
        Question(
            "encounter._has:Observation:encounter:code",
            code,
            lambda one, w: any(
                _end(near, "encounter", "reference") == _end(one, "encounter", "reference")
                for near in w.values()
                if near["resourceType"] == "Observation"
                and code_of(near) == code
                and _to(w, near, "encounter")
            ),
        ),
    ]
    return draw(st.sampled_from(every))


def _whose(one: Json) -> str:
    return _end(one, "subject", "reference")
