"""The CapabilityStatement, made from a declared table: it claims what is there and no more.

FHIR R4 5.2. Whoever serves the API declares `Served`; search parameters and includes of a type are
those of the set that is indexed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import msgspec

from careledger.fhir.outcome import FHIR_JSON
from careledger.fhir.search.table import ANY, IndexSet, Parameter

Interaction = Literal[
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
]
SystemInteraction = Literal["transaction", "batch", "search-system", "history-system"]

JSON_PATCH: Final = "application/json-patch+json"

_RESOURCE: Final[Mapping[str, object]] = {
    "versioning": "versioned-update",
    "readHistory": True,
    "updateCreate": True,
    "conditionalCreate": True,
    "conditionalRead": "full-support",
    "conditionalUpdate": True,
    "conditionalDelete": "single",
    "referencePolicy": ["literal", "enforced", "local"],
}
"""The same of every type."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: its name without `$`, its definition, and on which types; none is on all."""

    name: str
    definition: str
    types: tuple[str, ...] = ()
    on_system: bool = False
    """Whether it is asked of the server itself, and of no type."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a server offers. date: a FHIR date. security: `rest.security` as it is to be said."""

    base_url: str
    software: str
    version: str
    date: str
    types: tuple[str, ...]
    indexed: IndexSet
    interactions: tuple[Interaction, ...]
    on_system: tuple[SystemInteraction, ...] = ()
    operations: tuple[Operation, ...] = ()
    compartments: tuple[str, ...] = ()
    security: Mapping[str, object] | None = None


def capability_statement(served: Served) -> bytes:
    """Return the CapabilityStatement resource of a server."""
    rest: dict[str, object] = {"mode": "server"}
    if served.security is not None:
        rest["security"] = served.security
    rest["resource"] = [_resource(served, type_) for type_ in served.types]
    rest["interaction"] = [{"code": code} for code in served.on_system]
    rest["searchParam"] = [_parameter(one) for one in served.indexed.parameters(None).values()]
    operations = _operations(one for one in served.operations if one.on_system)
    rest |= {"operation": operations} if operations else {}
    rest |= {"compartment": list(served.compartments)} if served.compartments else {}
    return msgspec.json.encode(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": served.date,
            "kind": "instance",
            "software": {"name": served.software, "version": served.version},
            "implementation": {"description": served.software, "url": served.base_url},
            "fhirVersion": "4.0.1",
            "format": [FHIR_JSON, "json"],
            "patchFormat": [JSON_PATCH, FHIR_JSON],
            "rest": [rest],
        }
    )


def _resource(served: Served, type_: str) -> dict[str, object]:
    parameters = served.indexed.parameters(type_)
    content: dict[str, object] = {
        "type": type_,
        "interaction": [{"code": code} for code in served.interactions],
        **_RESOURCE,
        "searchInclude": [f"{type_}:{one.code}" for one in _leading(served.indexed, type_)],
        "searchRevInclude": _referring(served, type_),
        "searchParam": [_parameter(one) for one in parameters.values()],
        "operation": _operations(
            one
            for one in served.operations
            if not one.on_system and (not one.types or type_ in one.types)
        ),
    }
    return {name: value for name, value in content.items() if value != []}


def _parameter(one: Parameter) -> dict[str, str]:
    return {"name": one.code, "definition": one.url, "type": one.kind}


@cache
def _leading(indexed: IndexSet, type_: str) -> tuple[Parameter, ...]:
    """The reference parameters of a type that lead somewhere."""
    found = indexed.parameters(type_).values()
    return tuple(one for one in found if one.kind == "reference" and one.targets)


def _referring(served: Served, type_: str) -> list[str]:
    """The reference parameters that name this type; of those that may lead to any, Provenance's."""
    return [
        f"{source}:{one.code}"
        for source in served.types
        for one in _leading(served.indexed, source)
        if type_ in one.targets or (source == "Provenance" and one.targets == (ANY,))
    ]


def _operations(operations: Iterable[Operation]) -> list[dict[str, str]]:
    return [{"name": one.name, "definition": one.definition} for one in operations]
