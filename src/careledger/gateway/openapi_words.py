"""The words that the OpenAPI document of the node API is made of: schemas, answers, operations."""

from typing import Any

Json = dict[str, Any]  # Any: JSON Schema

HEX_32: Json = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
COUNT: Json = {"type": "integer", "minimum": 0}
BASE64: Json = {"type": "string", "contentEncoding": "base64"}
PATH: Json = {"type": "array", "items": HEX_32}

EVENTS: Json = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["application", "event"],
        "properties": {"application": {"type": "string"}, "event": BASE64},
    },
}

RECEIPT: Json = {
    "type": "object",
    "required": ["id", "code", "index", "height", "time", "events"],
    "properties": {
        "id": HEX_32,
        "code": {**COUNT, "description": "0, or the number of the refusal"},
        "index": {**COUNT, "description": "position in the log"},
        "height": COUNT,
        "time": {**COUNT, "description": "block time, seconds since 1970"},
        "events": EVENTS,
    },
}

PROBLEM: Json = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "integer"},
    },
}


def an_object(**properties: Json) -> Json:
    """An object with all of these members."""
    return {"type": "object", "required": list(properties), "properties": properties}


def json(description: str, schema: Json) -> Json:
    """An answer in JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def octets(description: str, media_type: str) -> Json:
    """An answer of another media type."""
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}


def problem(description: str) -> Json:
    """An error (RFC 9457)."""
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": PROBLEM}},
    }


def query(name: str, schema: Json, *, required: bool = False) -> Json:
    """A query parameter."""
    return {"name": name, "in": "query", "required": required, "schema": schema}


def get(summary: str, answer: Json, *parameters: Json, missing: bool = False) -> Json:
    """A path that is read; `missing` says that what is asked for may not be there."""
    responses = {"200": answer, "400": problem("a parameter is wrong; `title` says which")}
    if missing:
        responses["404"] = problem("not in the ledger, or not yet")
    responses["503"] = problem("the node cannot answer now; try again")
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": responses}}
