"""What the CapabilityStatement declares is answered as declared, whatever is asked: schemathesis.

The statement becomes an OpenAPI document: one operation for each declared interaction of some
types, with each search parameter that is declared. Every answer is FHIR JSON, with a status that
is fit for the interaction; there is no 5xx.
"""

import json
import random
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.clients.house import House
from tests.e2e.network import Json

FHIR = "application/fhir+json"
ALWAYS = ("Observation", "Patient")
BAD = (400, 404)
ANSWERS = {
    "read": (200, *BAD),
    "vread": (200, *BAD),
    "history-instance": (200, *BAD),
    "history-type": (200, 400),
    "search-type": (200, 400),
    "create": (200, 201, 400, 409, 412, 422),
    "update": (200, 201, *BAD, 409, 412, 422),
    "patch": (200, *BAD, 409, 412, 415, 422),
    "delete": (200, 204, *BAD, 409, 412),
    "search-system": (200, 400),
    "history-system": (200, 400),
    "transaction": (200, 400, 412, 422),
}
PLACES = {
    "read": ("get", "/{type}/{id}"),
    "vread": ("get", "/{type}/{id}/_history/{version}"),
    "history-instance": ("get", "/{type}/{id}/_history"),
    "history-type": ("get", "/{type}/_history"),
    "search-type": ("get", "/{type}"),
    "create": ("post", "/{type}"),
    "update": ("put", "/{type}/{id}"),
    "patch": ("patch", "/{type}/{id}"),
    "delete": ("delete", "/{type}/{id}"),
    "search-system": ("get", "/"),
    "history-system": ("get", "/_history"),
    "transaction": ("post", "/"),
}
PATCH = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "op": {"enum": ["add", "remove", "replace", "test"]},
            "path": {"enum": ["/status", "/id", "/code/text", "/nothing", ""]},
            "value": {"type": "string"},
        },
        "required": ["op", "path"],
    },
}


def document(statement: Json, types: list[str], ids: dict[str, str]) -> Json:
    """An OpenAPI document of what the statement declares of these types and of the system."""
    [rest] = statement["rest"]
    paths: dict[str, Json] = {}
    for one in rest["interaction"]:
        if one["code"] in PLACES:
            _add(paths, one["code"], "Bundle", ids, [])
    for resource in rest["resource"]:
        if resource["type"] in types:
            for one in resource["interaction"]:
                searched = resource["searchParam"] if one["code"] == "search-type" else []
                _add(paths, one["code"], resource["type"], ids, searched)
    return {
        "openapi": "3.1.0",
        "info": {"title": "FHIR", "version": statement["fhirVersion"]},
        "paths": paths,
    }


def _add(
    paths: dict[str, Json], code: str, type_: str, ids: dict[str, str], searched: list[Json]
) -> None:
    method, place = PLACES[code]
    known = [ids[type_]] if type_ in ids else []
    anything = {"type": "string", "pattern": r"\A[A-Za-z0-9\-.]{1,64}\Z"}
    schemas = {
        "id": {"anyOf": [{"enum": known}, anything]} if known else anything,
        "version": {"type": "string", "pattern": r"\A[0-9]{1,4}\Z"},
    }
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in schemas.items()
        if f"{{{name}}}" in place
    ]
    text: Json = {"type": "string", "maxLength": 30}
    parameters += [{"name": one["name"], "in": "query", "schema": text} for one in searched]
    operation: Json = {
        "parameters": parameters,
        "responses": {
            str(status): {"description": "", "content": {FHIR: {}}} for status in ANSWERS[code]
        },
    }
    if method in {"post", "put"}:
        body = {
            "type": "object",
            "properties": {
                "resourceType": {"const": type_},
                "status": {"enum": ["final", "active", "nonsense"]},
                "type": {"enum": ["batch", "transaction"]},
                "entry": {"type": "array", "items": {"type": "object"}},
            },
            "required": ["resourceType"],
        }
        operation["requestBody"] = {"required": True, "content": {FHIR: {"schema": body}}}
    if method == "patch":
        media = "application/json-patch+json"
        operation["requestBody"] = {"required": True, "content": {media: {"schema": PATCH}}}
    paths.setdefault(place.replace("{type}", type_), {})[method] = operation


@schemathesis.serializer("application/json-patch+json")
def _as_json(ctx: schemathesis.SerializationContext, value: Any) -> Any:
    return json.dumps(value).encode()


@pytest.fixture(scope="module")
def token(house: House) -> str:
    return house.token()


@pytest.fixture(scope="module")
def api(house: House, seed: int, token: str) -> Any:
    statement = httpx2.get(house.fhir + "/metadata", timeout=30).json()
    [rest] = statement["rest"]
    others = sorted({one["type"] for one in rest["resource"]} - set(ALWAYS))
    types = [*ALWAYS, *random.Random(seed).sample(others, 2)]
    ids = {one["resourceType"]: str(one["id"]) for one in house.loaded}
    made = schemathesis.openapi.from_dict(document(statement, types, ids))
    made.config.generation.update(modes=[schemathesis.GenerationMode.POSITIVE])
    return made


def test_it_answers_as_declared(api: Any, house: House, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"}
    operations = [one.ok() for one in api.get_all_operations()]
    assert len(operations) == 3 + 9 * 4
    for operation in operations:
        asking(operation, house.fhir, headers)()


def asking(operation: Any, fhir: str, headers: dict[str, str]) -> Any:
    """A property of one operation: whatever is asked, the answer is one of those declared."""
    declared = set(operation.definition.raw["responses"])

    @settings(max_examples=6, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        answer = case.call(base_url=fhir, headers=headers)
        asked = (case.method, answer.request.url, answer.status_code)
        assert str(answer.status_code) in declared, (asked, answer.text)
        if answer.content:
            assert answer.headers["content-type"][0].startswith(FHIR), asked
            assert "resourceType" in answer.json(), asked
        elif answer.status_code != 204:
            assert case.method in {"POST", "PUT", "PATCH"}, asked

    return ask
