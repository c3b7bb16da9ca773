"""What fhirclient, SMART's own client for Python, makes of a gateway; two steps of one sign-in.

Without `callback` it prints where it would send a browser, and its state. With both it goes on
where it stopped, and prints what it read.
"""

import json
import sys
from typing import Any

from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient


def begin(settings: dict[str, Any]) -> dict[str, Any]:
    client = FHIRClient(
        settings={
            "app_id": "chart",
            "api_base": settings["fhir"],
            "redirect_uri": settings["back"],
            "scope": "openid fhirUser offline_access patient/*.read",
        }
    )
    client.prepare()
    statement = client.server.capabilityStatement
    return {
        "url": client.authorize_url,
        "state": client.state,
        "version": statement.fhirVersion,
        "types": len(statement.rest[0].resource),
    }


def go_on(settings: dict[str, Any]) -> dict[str, Any]:
    client = FHIRClient(state=settings["state"])
    client.prepare()
    client.handle_callback(settings["callback"])
    patient = client.patient
    asked = {"patient": client.patient_id, "_count": "20"}
    observations = list(Observation.where(asked).perform_resources_iter(client.server))
    bundle: Bundle = Observation.where(asked).perform(client.server)
    missing = Patient.where({"_id": "nobody"}).perform_resources(client.server)
    refreshed = client.reauthorize()
    again = Patient.read(client.patient_id, client.server)
    return {
        "patient": patient.id,
        "name": client.human_name(patient.name[0]),
        "observations": len(observations),
        "of": sorted({one.subject.reference for one in observations}),
        "first": len(bundle.entry),
        "relations": [one.relation for one in bundle.link],
        "total": bundle.total,
        "missing": len(missing),
        "refreshed": refreshed,
        "again": again.id,
        "context": sorted(client.launch_context),
    }


def main() -> None:
    settings = json.loads(sys.argv[1])
    print(json.dumps(go_on(settings) if "callback" in settings else begin(settings)))


main()
