"""Reading generated bundles: what the tests of this room share."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any  # a FHIR resource as JSON has any shape

from careledger.fhir.synthetic.population import GeneratedBundle, population

Resource = dict[str, Any]
SEED = 7
PATIENTS = 20


@dataclass(frozen=True)
class Read:
    """One bundle, parsed."""

    made: GeneratedBundle
    entries: list[dict[str, Any]]

    @property
    def resources(self) -> list[Resource]:
        return [entry["resource"] for entry in self.entries]

    def of(self, kind: str) -> list[Resource]:
        return [each for each in self.resources if each["resourceType"] == kind]


@cache
def bundles(seed: int = SEED, patients: int = PATIENTS) -> tuple[Read, ...]:
    return tuple(read(population(seed, patients)))


def read(made: Iterable[GeneratedBundle]) -> Iterator[Read]:
    for each in made:
        yield Read(each, json.loads(each.body, parse_float=Decimal)["entry"])


def charts(seed: int = SEED, patients: int = PATIENTS) -> list[Read]:
    return [each for each in bundles(seed, patients) if each.made.patient is not None]


def everything(kind: str) -> list[Resource]:
    return [each for chart in charts() for each in chart.of(kind)]


def chart(organisation: str, patient: int) -> Read:
    return next(
        each
        for each in charts()
        if each.made.organisation == organisation and each.made.patient == patient
    )


def labels(resource: Resource) -> list[str]:
    return [each["code"] for each in resource.get("meta", {}).get("security", ())]


def strings(value: object, name: str) -> Iterator[str]:
    """Yield every string called `name`, anywhere inside."""
    if isinstance(value, dict):
        for key, inside in value.items():
            if key == name and isinstance(inside, str):
                yield inside
            yield from strings(inside, name)
    elif isinstance(value, list):
        for inside in value:
            yield from strings(inside, name)


def dated(value: object) -> Iterator[tuple[str, str]]:
    """Yield every string that is a date or a moment, with the name it has."""
    if isinstance(value, dict):
        for key, inside in value.items():
            if isinstance(inside, str) and inside[4:5] == "-" and inside[7:8] == "-":
                yield key, inside
            else:
                yield from dated(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from dated(inside)
