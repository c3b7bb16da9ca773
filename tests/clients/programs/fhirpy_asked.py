"""What fhirpy, in both its forms, makes of a FHIR server; printed as one line of JSON."""

import asyncio
import json
import sys
from typing import Any

from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import (
    ForbiddenError,
    MultipleResourcesFound,
    OperationOutcome,
    ResourceNotFound,
)

PATCH = {"Content-Type": "application/json-patch+json"}
OBSERVATION = {
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "effectiveDateTime": "2026-03-01",
    "valueQuantity": {"value": 71.5, "unit": "kg"},
}


def in_order(settings: dict[str, str]) -> dict[str, Any]:
    """The synchronous client: life of a resource, searches, operations."""
    bearer = f"Bearer {settings['token']}"
    client = SyncFHIRClient(settings["fhir"], authorization=bearer)
    found: dict[str, Any] = {}
    patient = client.reference("Patient", settings["patient"])
    weight = client.resource("Observation", subject=patient, **OBSERVATION)
    weight.save()
    found["created"] = [bool(weight.id), weight["meta"]["versionId"]]
    weight["status"] = "amended"
    weight.save()
    found["updated"] = [weight["status"], weight["meta"]["versionId"]]
    found["read"] = client.get("Observation", weight.id)["status"]
    found["refreshed"] = weight.refresh()["meta"]["versionId"]
    found["subject"] = patient.to_resource().id
    for header, name in (('W/"1"', "stale"), ('W/"2"', "fresh")):
        careful = SyncFHIRClient(settings["fhir"], bearer, extra_headers={"If-Match": header})
        try:
            careful.resource("Observation", **weight.serialize()).save()
            found[name] = "saved"
        except MultipleResourcesFound:
            found[name] = 412
    patcher = SyncFHIRClient(settings["fhir"], bearer, extra_headers=PATCH)
    said = [{"op": "replace", "path": "/status", "value": "corrected"}]
    found["patched"] = patcher.execute(f"Observation/{weight.id}", "patch", data=said)["status"]
    try:
        client.patch("Observation", weight.id, status="final")
    except OperationOutcome as error:
        found["part"] = error.resource["issue"][0]["code"]
    found["valid"] = weight.is_valid()
    unlike = client.resource("Observation", status="nonsense")
    try:
        unlike.save()
    except OperationOutcome as error:
        found["refused"] = error.resource["issue"][0]["severity"]
    weight.delete()
    try:
        client.get("Observation", weight.id)
    except ResourceNotFound as error:
        found["deleted"] = json.loads(str(error))["resourceType"]
    stranger = SyncFHIRClient(settings["fhir"], authorization=f"Bearer {settings['narrow']}")
    try:
        stranger.resource("Basic", code={"text": "x"}, subject=patient).save()
    except ForbiddenError as error:
        found["forbidden"] = json.loads(str(error))["issue"][0]["code"]
    return found


def searched(settings: dict[str, str]) -> dict[str, Any]:
    """The synchronous client: searches, pages, an operation. The patient has one weight more."""
    client = SyncFHIRClient(settings["fhir"], authorization=f"Bearer {settings['token']}")
    found: dict[str, Any] = {}
    patient = client.reference("Patient", settings["patient"])
    client.resource("Observation", subject=patient, **OBSERVATION).save()
    theirs = client.resources("Observation").search(patient=settings["patient"])
    found["count"] = theirs.count()
    found["all"] = len(theirs.limit(50).fetch_all())
    found["ids"] = sorted(one.id for one in theirs.limit(50).fetch_all())
    dates = [
        one["effectiveDateTime"]
        for one in theirs.search(date__ge="2020").sort("date").limit(30).fetch()
        if "effectiveDateTime" in one
    ]
    found["dates"] = dates
    chained = client.resources("Observation").search(subject__Patient__family=settings["family"])
    found["chained"] = chained.count()
    found["has"] = client.resources("Patient").has("Observation", "patient", code="29463-7").count()
    bundle = (
        client.resources("Encounter")
        .search(patient=settings["patient"])
        .include("Encounter", "subject")
        .limit(5)
        .fetch_raw()
    )
    found["included"] = sorted({one.resource.resource_type for one in bundle.entry})
    found["page"] = len([one for one in bundle.entry if one.search.mode == "match"])
    found["everything"] = patient.execute("$everything", "get")["resourceType"]
    return found


async def at_once(settings: dict[str, str]) -> dict[str, Any]:
    """The asynchronous client: conditional requests, a transaction, many at a time."""
    client = AsyncFHIRClient(settings["fhir"], authorization=f"Bearer {settings['token']}")
    found: dict[str, Any] = {}
    identifier = [{"system": "urn:house", "value": "north"}]
    north = client.resource("Organization", identifier=identifier, name="North Wing")
    by_identifier = client.resources("Organization").search(identifier="urn:house|north")
    _, found["new"] = await by_identifier.get_or_create(north)
    same, found["again"] = await by_identifier.get_or_create(north)
    north["name"] = "North Tower"
    renamed, _ = await by_identifier.update(north)
    found["renamed"] = [renamed["name"], renamed.id == same.id]
    found["one"] = (await by_identifier.get())["name"]
    patient = {"reference": f"Patient/{settings['patient']}"}
    request = {"method": "POST", "url": "Condition"}
    code = {"text": "Hay fever"}
    new = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    entries = [
        {
            "fullUrl": new,
            "resource": {"resourceType": "Condition", "subject": patient, "code": code},
            "request": request,
        },
        {
            "resource": {
                "resourceType": "Flag",
                "status": "active",
                "code": code,
                "subject": patient,
                "encounter": {"reference": settings["encounter"]},
            },
            "request": {"method": "POST", "url": "Flag"},
        },
        {
            "resource": {
                "resourceType": "Provenance",
                "target": [{"reference": new}],
                "recorded": "2026-03-01T00:00:00Z",
                "agent": [{"who": {"display": "somebody"}}],
            },
            "request": {"method": "POST", "url": "Provenance"},
        },
        {"request": {"method": "GET", "url": f"Patient/{settings['patient']}"}},
    ]
    bundle = client.resource("Bundle", type="transaction", entry=entries)
    done = await client.execute("", data=bundle.serialize())
    found["transaction"] = [one["response"]["status"][:3] for one in done["entry"]]
    located = done["entry"][0]["response"]["location"].split("/_history/")[0]
    condition = await client.reference(reference=located).to_resource()
    found["condition"] = condition["code"]["text"]
    provenance = (
        await client.resources("Condition")
        .search(_id=condition.id)
        .revinclude("Provenance", "target")
        .fetch_raw()
    )
    found["revincluded"] = [one.resource.resource_type for one in provenance.entry]
    weights = [client.resource("Observation", subject=patient, **OBSERVATION) for _ in range(8)]
    saved = await asyncio.gather(*(one.save() for one in weights))
    found["ids"] = len({one.id for one in saved})
    await asyncio.gather(*(one.delete() for one in saved))
    found["left"] = (
        await client.resources("Observation").search(_id=",".join(one.id for one in saved)).count()
    )
    return found


def main() -> None:
    settings = json.loads(sys.argv[1])
    found = {
        "sync": in_order(settings),
        "searched": searched(settings),
        "async": asyncio.run(at_once(settings)),
    }
    print(json.dumps(found))


main()
