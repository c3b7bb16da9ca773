"""Opening an application from the chart of a patient (EHR launch, SMART App Launch 2.2, 2.0.7)."""

from typing import Annotated, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careledger.gateway.auth_bearer import caller_of, insufficient_scope, require_scope
from careledger.gateway.auth_flow import LAUNCH_S, Launch
from careledger.gateway.auth_patients import PatientPicker
from careledger.gateway.auth_tokens import owner_of
from careledger.gateway.body import read_body
from careledger.gateway.problem import problem
from careledger.gateway.services import GatewayServices

LAUNCHES: Final = "/desk/launches"

_MAX_BODY: Final = 4_096
_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]{1,64}\Z")]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is on the screen, and for which application and person the launch is."""

    patient: _Id | None = None
    encounter: _Id | None = None
    client: _Name | None = None
    subject: _Name | None = None


def routes(services: GatewayServices) -> list[Route]:
    """Where launches are prepared."""
    return [Route(LAUNCHES, _Launches(services).prepare, methods=["POST"])]


class _Launches:
    def __init__(self, services: GatewayServices) -> None:
        self._services, self._picker = services, PatientPicker(services.exchange)

    async def prepare(self, request: Request) -> Response:
        """A launch token: for the person who asks; for anyone of the staff if the house does."""
        caller = caller_of(request, self._services)
        if caller.identity.kind not in {"member", "staff"}:
            raise insufficient_scope()
        require_scope(caller, "Patient", "r")
        try:
            body = msgspec.json.decode(await read_body(request, _MAX_BODY), type=_Body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return problem(400, "not a launch", "patient, encounter, client and subject, as text")
        if body.encounter is not None and body.patient is None:
            return problem(400, "an encounter is a patient's: name the patient")
        subject = body.subject
        if caller.identity.kind == "staff":
            subject = caller.identity.subject
            if body.patient is not None and not await run_in_threadpool(
                self._picker.find, caller.asker, body.patient
            ):
                return problem(404, "no such patient, or you may not see it")
        launch = Launch(
            patient=body.patient, encounter=body.encounter, client=body.client, subject=subject
        )
        now = self._services.organisation.clock()
        token = self._services.sign_ins.prepare(launch, now, owner_of(caller))
        said = {"launch": token, "iss": self._services.fhir_url, "expires_in": LAUNCH_S}
        return JSONResponse(said, 201, headers={"Cache-Control": "no-store"})
