"""What the FHIR door claims to do: `/fhir/metadata`, public."""

from importlib.metadata import version
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.fhir.capability import Interaction, Served, ServedType, capability_statement
from careledger.fhir.query import parameters
from careledger.fhir.r4.registry import MODULES
from careledger.gateway.fhir_http import check_accept
from careledger.gateway.outcome import fhir_response
from careledger.gateway.services import FHIR_PATH, GatewayServices
from careledger.vault.deposit import DIRECTORY_TYPES

EVERYTHING: Final = "http://hl7.org/fhir/OperationDefinition/Patient-everything"

_DATE: Final = "2026-11-22"
_INTERACTIONS: Final[tuple[Interaction, ...]] = (
    "read",
    "vread",
    "update",
    "delete",
    "create",
    "search-type",
)


def patient_types() -> tuple[str, ...]:
    """Types whose resources belong to a patient, `Patient` itself among them."""
    return tuple(
        type_ for type_ in sorted(MODULES) if type_ == "Patient" or "patient" in parameters(type_)
    )


def routes(services: GatewayServices) -> list[Route]:
    """Where clients learn what there is."""
    statement = capability_statement(_served(services))

    async def metadata(request: Request) -> Response:
        check_accept(request)
        return fhir_response(statement)

    return [Route(FHIR_PATH + "/metadata", metadata, methods=["GET"])]


def _served(services: GatewayServices) -> Served:
    names = sorted({*patient_types(), *(name for name in DIRECTORY_TYPES if name in MODULES)})
    return Served(
        base_url=services.fhir_url,
        software="CareLedger",
        version=version("careledger"),
        date=_DATE,
        types=tuple(
            ServedType(
                type=name,
                interactions=_INTERACTIONS,
                operations=(("everything", EVERYTHING),) if name == "Patient" else (),
                conditional_create=name in DIRECTORY_TYPES,
            )
            for name in names
        ),
        interactions=("transaction", "batch"),
        token_url=services.token_url,
    )
