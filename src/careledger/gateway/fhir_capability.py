"""What the FHIR door claims to do: `/fhir/metadata`, public."""

from importlib.metadata import version
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.fhir.capability import (
    Interaction,
    Operation,
    Served,
    SystemInteraction,
    capability_statement,
)
from careledger.fhir.r4.registry import MODULES
from careledger.fhir.search.confinement import is_clinical
from careledger.gateway.auth_configuration import rest_security
from careledger.gateway.bulk_import import IMPORT
from careledger.gateway.fhir_http import answer, check_accept
from careledger.gateway.fhir_summary import DOCREF, SUMMARY
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.vault.deposit import NOBODYS_TYPES

_DEFINITION: Final = "http://hl7.org/fhir/OperationDefinition/"
_BULK: Final = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("everything", _DEFINITION + "Patient-everything", ("Patient",)),
    Operation("validate", _DEFINITION + "Resource-validate"),
    Operation("export", _BULK + "export", on_system=True),
    Operation("export", _BULK + "patient-export", ("Patient",)),
    Operation("export", _BULK + "group-export", ("Group",)),
    Operation("import", IMPORT, on_system=True),
    Operation("summary", SUMMARY, ("Patient",)),
    Operation("docref", DOCREF, ("DocumentReference",)),
)
"""Every operation of the FHIR door; a door that adds one adds its line here."""

COMPARTMENT: Final = "http://hl7.org/fhir/CompartmentDefinition/patient"

_DATE: Final = "2026-11-22"
_INTERACTIONS: Final[tuple[Interaction, ...]] = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
_ON_SYSTEM: Final[tuple[SystemInteraction, ...]] = (
    "transaction",
    "batch",
    "search-system",
    "history-system",
)
_OTHERS: Final = frozenset(("Binary", "Patient"))


def served_types() -> tuple[str, ...]:
    """Types whose resources belong to a patient or to the organisation."""
    return tuple(
        type_
        for type_ in sorted(MODULES)
        if type_ in _OTHERS or type_ in NOBODYS_TYPES or is_clinical(type_)
    )


def routes(services: GatewayServices) -> list[Route]:
    """Where clients learn what there is."""
    statement = capability_statement(_served(services))

    async def metadata(request: Request) -> Response:
        check_accept(request)
        return answer(request, statement)

    return [Route(FHIR_PATH + "/metadata", metadata, methods=["GET"])]


def _served(services: GatewayServices) -> Served:
    return Served(
        base_url=services.fhir_url,
        software="CareLedger",
        version=version("careledger"),
        date=_DATE,
        types=served_types(),
        indexed=services.organisation.indexed,
        interactions=_INTERACTIONS,
        on_system=_ON_SYSTEM,
        operations=OPERATIONS,
        compartments=(COMPARTMENT,),
        security=rest_security(services),
    )
