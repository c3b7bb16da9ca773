"""The OpenAPI document of the node API, as data."""

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


def _object(**properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _json(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _bytes(description: str, media_type: str) -> Json:
    return {"description": description, "content": {media_type: {"schema": {"type": "string"}}}}


def _problem(description: str) -> Json:
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": PROBLEM}},
    }


def _query(name: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _get(summary: str, answer: Json, *parameters: Json, missing: bool = False) -> Json:
    responses = {"200": answer, "400": _problem("a parameter is wrong; `title` says which")}
    if missing:
        responses["404"] = _problem("not in the ledger, or not yet")
    responses["503"] = _problem("the node cannot answer now; try again")
    return {"get": {"summary": summary, "parameters": list(parameters), "responses": responses}}


_ID: Json = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "transaction id",
    "schema": HEX_32,
}
_SAFE: Json = {"type": "integer", "minimum": 0, "maximum": 2**53 - 1}


def _submission() -> Json:
    refused = {
        "409": _problem("replayed"),
        "413": _problem("too large"),
        "422": _problem("inadmissible: malformed, bad signature, wrong chain, outside its window"),
        "429": _problem("over budget"),
        "503": _problem("busy or unable to write: nothing was decided, send it again"),
    }
    single = {
        "summary": "Submit one signed transaction and wait until it is durable",
        "parameters": [_query("wait", {"type": "boolean"})],
        "requestBody": {
            "required": True,
            "content": {"application/cose": {"schema": {"type": "string", "format": "binary"}}},
        },
        "responses": {
            "200": _json("its receipt; `code` tells whether the rules accepted it", RECEIPT),
            "202": _json("accepted, not waited for", _object(status={"const": "accepted"})),
            "400": _problem("a parameter is wrong"),
            **refused,
        },
    }
    batch = {
        "summary": "Submit up to 500 transactions",
        "requestBody": {
            "required": True,
            "content": {"application/cbor": {"schema": {"type": "string", "format": "binary"}}},
        },
        "responses": {
            "200": _json("a receipt or an error for each, in order", {"type": "array"}),
            "400": _problem("not a CBOR array of byte strings"),
            "413": refused["413"],
            "415": _problem("not application/cbor"),
        },
    }
    return {"/v1/transactions": {"post": single}, "/v1/batch": {"post": batch}}


def _transactions() -> Json:
    algorithm = _query("alg", {"enum": ["EdDSA", "ES256"]})
    return {
        "/v1/transactions/{id}": _get(
            "The transaction as it was signed",
            _bytes("COSE_Sign1", "application/cose"),
            _ID,
            missing=True,
        ),
        "/v1/transactions/{id}/receipt": _get(
            "What became of it", _json("its receipt", RECEIPT), _ID, missing=True
        ),
        "/v1/transactions/{id}/receipt.cose": _get(
            "Its COSE Receipt (RFC 9942)",
            _bytes("COSE_Sign1", "application/cose"),
            _ID,
            algorithm,
            missing=True,
        ),
        "/v1/transactions/{id}/proof": _get(
            "Its .tlog-proof file (C2SP)", _bytes("text", "text/plain"), _ID, missing=True
        ),
    }


def _checkpoints() -> Json:
    """What auditors and other nodes ask for."""
    note = _bytes("signed note", "text/plain")
    tile: Json = {"name": "path", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/checkpoint": _get("The newest checkpoint that enough members signed (C2SP)", note),
        "/tile/{path}": _get(
            "A tile or an entry bundle (C2SP tlog-tiles): `<L>/<N>[.p/<W>]`, `entries/<N>[.p/<W>]`",
            _bytes("hashes or entries", "application/octet-stream"),
            tile,
            missing=True,
        ),
        "/v1/checkpoint": _get(
            "The newest checkpoint, or that of a size, with every signature gathered for it",
            note,
            _query("size", _SAFE),
            _query("wait", {"type": "integer", "minimum": 0, "maximum": 10}),
            missing=True,
        ),
        "/v1/checkpoint/seen": _get(
            "The newest checkpoint that this node has seen of a member",
            note,
            _query("member", {"type": "string"}),
            missing=True,
        ),
    }


def _log() -> Json:
    return {
        **_checkpoints(),
        "/v1/log/inclusion": _get(
            "Inclusion proof of a log entry (RFC 9162 2.1.3)",
            _json("the path", _object(index=COUNT, size=COUNT, path=PATH)),
            _query("index", _SAFE, required=True),
            _query("size", {**_SAFE, "minimum": 1}),
            missing=True,
        ),
        "/v1/log/consistency": _get(
            "Consistency proof between two sizes (RFC 9162 2.1.4)",
            _json("the path", _object(first=COUNT, second=COUNT, path=PATH)),
            _query("first", {**_SAFE, "minimum": 1}, required=True),
            _query("second", {**_SAFE, "minimum": 1}),
            missing=True,
        ),
        "/v1/log/entries": _get(
            "Up to 1,000 log entries",
            _json("the entries", _object(begin=COUNT, end=COUNT, entries={"type": "array"})),
            _query("begin", _SAFE, required=True),
            _query("end", _SAFE),
            missing=True,
        ),
    }


def _history() -> Json:
    """What nodes that join ask for."""
    snapshots = _object(snapshots={"type": "array", "items": _object(height=COUNT, hash=HEX_32)})
    height: Json = {"name": "height", "in": "path", "required": True, "schema": _SAFE}
    number: Json = {"name": "number", "in": "path", "required": True, "schema": _SAFE}
    octets = "application/octet-stream"
    return {
        "/v1/snapshots": _get("Snapshots of the ledger, newest first", _json("them", snapshots)),
        "/v1/snapshots/{height}": _get(
            "The manifest of one", _bytes("CBOR", "application/cbor"), height, missing=True
        ),
        "/v1/snapshots/{height}/{number}": _get(
            "One chunk of it", _bytes("entries or rows", octets), height, number, missing=True
        ),
        "/v1/engine": {
            "post": {
                "summary": "What light clients ask the engine: commit, validators, parameters",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"type": "object"}}},
                },
                "responses": {
                    "200": _json("the engine's answer (JSON-RPC 2.0)", {"type": "object"}),
                    "400": _problem("another method, or other parameters"),
                    "404": _problem("this node has no engine of its own"),
                    "413": _problem("too large"),
                    "503": _problem("the engine does not answer"),
                },
            }
        },
        "/v1/history": _get(
            "Consecutive blocks from a height on: entries, transactions, receipts",
            _bytes("CBOR array", "application/cbor"),
            _query("height", {**_SAFE, "minimum": 1}, required=True),
            missing=True,
        ),
    }


def _rest() -> Json:
    table: Json = {"name": "table", "in": "path", "required": True, "schema": {"type": "string"}}
    key = _query("key", {"type": "array", "items": {"type": "string"}}, required=True)
    health = _object(status={"enum": ["pass", "fail"]}, chain=HEX_32, height=COUNT, size=COUNT)
    health["properties"] |= {
        "signed_size": {**COUNT, "description": "largest log that this node signed"},
        "cosigned_size": {**COUNT, "description": "largest log that enough members signed"},
        "split_views": {**COUNT, "description": "how often another history was met"},
        "peers": {"type": "array", "description": "url, size, and trouble where there is any"},
        "history": {"type": "object", "description": "how much of the past is here, if not all"},
        "engine": {"type": "object", "description": "name, and of cometbft its peers and starts"},
        "trouble": {"type": "string", "description": "why it cannot commit"},
    }
    feed = _object(events={"type": "array"}, next=COUNT, size=COUNT)
    wait: Json = {"type": "integer", "minimum": 0, "maximum": 30}
    limit: Json = {"type": "integer", "minimum": 1, "maximum": 1_000}
    return {
        "/v1/state/{table}": _get(
            "A row, or its absence, with proof",
            _json("row and proof", {"type": "object"}),
            table,
            key,
            missing=True,
        ),
        "/v1/events": _get(
            "What happened since a log position; as it happens, for `Accept: text/event-stream`",
            _events(feed),
            {"name": "Last-Event-ID", "in": "header", "schema": _SAFE},
            _query("after", _SAFE),
            _query("limit", limit),
            _query("wait", wait),
            missing=True,
        ),
        "/v1/genesis": _get("The genesis file", _json("genesis", {"type": "object"})),
        "/metrics": _metrics(),
        "/v1/health": _get("Whether this node can commit", _json("health", health)),
    }


def _metrics() -> Json:
    answer = _bytes("the text format of Prometheus", "text/plain")
    refused = _problem("asked from another machine")
    metrics = _get(
        "Figures for Prometheus, unless node.toml gives them a door of their own", answer
    )
    metrics["get"]["responses"]["403"] = refused
    return metrics


def _events(page: Json) -> Json:
    """A page, or a stream of events, each with its log position and what follows from it."""
    answer = _json("events and where to continue", page)
    stream = "server-sent events `genesis`, `transaction`, `block`; each id is the next `after`"
    answer["content"]["text/event-stream"] = {"schema": {"type": "string", "description": stream}}
    return answer


def document() -> Json:
    """The whole document (OpenAPI 3.1)."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "CareLedger node API", "version": "1"},
        "paths": {**_submission(), **_transactions(), **_log(), **_history(), **_rest()},
    }
