"""The CapabilityStatement, made from a declared table: it claims what is there and no more.

FHIR R4 5.2. Whoever serves the API declares `Served`; the search parameters of a type come from
what the search of this room answers.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

from careledger.fhir.outcome import FHIR_JSON
from careledger.fhir.query import parameters

Interaction = Literal["read", "vread", "update", "delete", "create", "search-type"]
SystemInteraction = Literal["transaction", "batch"]


@dataclass(frozen=True, slots=True)
class ServedType:
    """A resource type with what can be done to it, and operations: name -> canonical definition."""

    type: str
    interactions: tuple[Interaction, ...]
    operations: tuple[tuple[str, str], ...] = ()
    conditional_create: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """What a server offers. date: a FHIR date. token_url: where SMART clients get tokens."""

    base_url: str
    software: str
    version: str
    date: str
    types: tuple[ServedType, ...]
    interactions: tuple[SystemInteraction, ...] = ()
    token_url: str | None = None


def capability_statement(served: Served) -> bytes:
    """Return the CapabilityStatement resource of a server."""
    rest: dict[str, object] = {"mode": "server"}
    if served.token_url is not None:
        rest["security"] = _security(served.token_url)
    rest["resource"] = [_resource(one) for one in served.types]
    if served.interactions:
        rest["interaction"] = [{"code": code} for code in served.interactions]
    return msgspec.json.encode(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": served.date,
            "kind": "instance",
            "software": {"name": served.software, "version": served.version},
            "implementation": {"description": served.software, "url": served.base_url},
            "fhirVersion": "4.0.1",
            "format": [FHIR_JSON],
            "rest": [rest],
        }
    )


def _resource(served: ServedType) -> dict[str, object]:
    content: dict[str, object] = {
        "type": served.type,
        "interaction": [{"code": code} for code in served.interactions],
        "versioning": "versioned",
    }
    if served.conditional_create:
        content["conditionalCreate"] = True
    if "search-type" in served.interactions:
        content["searchParam"] = [
            {"name": name, "type": kind}
            for name, kind in parameters(served.type).items()
            if name != "_count"
        ]
    if served.operations:
        content["operation"] = [
            {"name": name, "definition": url} for name, url in served.operations
        ]
    return content


def _security(token_url: str) -> dict[str, object]:
    """Return the SMART declaration (SMART App Launch 2.1, Backend Services)."""
    return {
        "extension": [
            {
                "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                "extension": [{"url": "token", "valueUri": token_url}],
            }
        ],
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ]
            }
        ],
    }
