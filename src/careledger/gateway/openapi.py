"""The OpenAPI document of the node API, as data."""

from careledger.gateway.openapi_words import (
    COUNT,
    HEX_32,
    PATH,
    RECEIPT,
    Json,
    an_object,
    get,
    json,
    octets,
    problem,
    query,
)

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
        "409": problem("replayed"),
        "413": problem("too large"),
        "422": problem("inadmissible: malformed, bad signature, wrong chain, outside its window"),
        "429": problem("over budget"),
        "503": problem("busy or unable to write: nothing was decided, send it again"),
    }
    single = {
        "summary": "Submit one signed transaction and wait until it is durable",
        "parameters": [query("wait", {"type": "boolean"})],
        "requestBody": {
            "required": True,
            "content": {"application/cose": {"schema": {"type": "string", "format": "binary"}}},
        },
        "responses": {
            "200": json("its receipt; `code` tells whether the rules accepted it", RECEIPT),
            "202": json("accepted, not waited for", an_object(status={"const": "accepted"})),
            "400": problem("a parameter is wrong"),
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
            "200": json("a receipt or an error for each, in order", {"type": "array"}),
            "400": problem("not a CBOR array of byte strings"),
            "413": refused["413"],
            "415": problem("not application/cbor"),
        },
    }
    return {"/v1/transactions": {"post": single}, "/v1/batch": {"post": batch}}


def _transactions() -> Json:
    algorithm = query("alg", {"enum": ["EdDSA", "ES256"]})
    return {
        "/v1/transactions/{id}": get(
            "The transaction as it was signed",
            octets("COSE_Sign1", "application/cose"),
            _ID,
            missing=True,
        ),
        "/v1/transactions/{id}/receipt": get(
            "What became of it", json("its receipt", RECEIPT), _ID, missing=True
        ),
        "/v1/transactions/{id}/receipt.cose": get(
            "Its COSE Receipt (RFC 9942)",
            octets("COSE_Sign1", "application/cose"),
            _ID,
            algorithm,
            missing=True,
        ),
        "/v1/transactions/{id}/proof": get(
            "Its .tlog-proof file (C2SP)", octets("text", "text/plain"), _ID, missing=True
        ),
    }


def _checkpoints() -> Json:
    """What auditors and other nodes ask for."""
    note = octets("signed note", "text/plain")
    tile: Json = {"name": "path", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/checkpoint": get("The newest checkpoint that enough members signed (C2SP)", note),
        "/tile/{path}": get(
            "A tile or an entry bundle (C2SP tlog-tiles): `<L>/<N>[.p/<W>]`, `entries/<N>[.p/<W>]`",
            octets("hashes or entries", "application/octet-stream"),
            tile,
            missing=True,
        ),
        "/v1/checkpoint": get(
            "The newest checkpoint, or that of a size, with every signature gathered for it",
            note,
            query("size", _SAFE),
            query("wait", {"type": "integer", "minimum": 0, "maximum": 10}),
            missing=True,
        ),
        "/v1/checkpoint/seen": get(
            "The newest checkpoint that this node has seen of a member",
            note,
            query("member", {"type": "string"}),
            missing=True,
        ),
    }


def _log() -> Json:
    return {
        **_checkpoints(),
        "/v1/log/inclusion": get(
            "Inclusion proof of a log entry (RFC 9162 2.1.3)",
            json("the path", an_object(index=COUNT, size=COUNT, path=PATH)),
            query("index", _SAFE, required=True),
            query("size", {**_SAFE, "minimum": 1}),
            missing=True,
        ),
        "/v1/log/consistency": get(
            "Consistency proof between two sizes (RFC 9162 2.1.4)",
            json("the path", an_object(first=COUNT, second=COUNT, path=PATH)),
            query("first", {**_SAFE, "minimum": 1}, required=True),
            query("second", {**_SAFE, "minimum": 1}),
            missing=True,
        ),
        "/v1/log/entries": get(
            "Up to 1,000 log entries",
            json("the entries", an_object(begin=COUNT, end=COUNT, entries={"type": "array"})),
            query("begin", _SAFE, required=True),
            query("end", _SAFE),
            missing=True,
        ),
    }


def _history() -> Json:
    """What nodes that join ask for."""
    snapshots = an_object(
        snapshots={"type": "array", "items": an_object(height=COUNT, hash=HEX_32)}
    )
    height: Json = {"name": "height", "in": "path", "required": True, "schema": _SAFE}
    number: Json = {"name": "number", "in": "path", "required": True, "schema": _SAFE}
    media = "application/octet-stream"
    return {
        "/v1/snapshots": get("Snapshots of the ledger, newest first", json("them", snapshots)),
        "/v1/snapshots/{height}": get(
            "The manifest of one", octets("CBOR", "application/cbor"), height, missing=True
        ),
        "/v1/snapshots/{height}/{number}": get(
            "One chunk of it", octets("entries or rows", media), height, number, missing=True
        ),
        "/v1/engine": {
            "post": {
                "summary": "What light clients ask the engine: commit, validators, parameters",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"type": "object"}}},
                },
                "responses": {
                    "200": json("the engine's answer (JSON-RPC 2.0)", {"type": "object"}),
                    "400": problem("another method, or other parameters"),
                    "404": problem("this node has no engine of its own"),
                    "413": problem("too large"),
                    "503": problem("the engine does not answer"),
                },
            }
        },
        "/v1/history": get(
            "Consecutive blocks from a height on: entries, transactions, receipts",
            octets("CBOR array", "application/cbor"),
            query("height", {**_SAFE, "minimum": 1}, required=True),
            missing=True,
        ),
    }


def _rest() -> Json:
    table: Json = {"name": "table", "in": "path", "required": True, "schema": {"type": "string"}}
    key = query("key", {"type": "array", "items": {"type": "string"}}, required=True)
    health = an_object(status={"enum": ["pass", "fail"]}, chain=HEX_32, height=COUNT, size=COUNT)
    health["properties"] |= {
        "signed_size": {**COUNT, "description": "largest log that this node signed"},
        "cosigned_size": {**COUNT, "description": "largest log that enough members signed"},
        "split_views": {**COUNT, "description": "how often another history was met"},
        "peers": {"type": "array", "description": "url, size, and trouble where there is any"},
        "history": {"type": "object", "description": "how much of the past is here, if not all"},
        "engine": {"type": "object", "description": "name, and of cometbft its peers and starts"},
        "trouble": {"type": "string", "description": "why it cannot commit"},
    }
    feed = an_object(events={"type": "array"}, next=COUNT, size=COUNT)
    wait: Json = {"type": "integer", "minimum": 0, "maximum": 30}
    limit: Json = {"type": "integer", "minimum": 1, "maximum": 1_000}
    return {
        "/v1/state/{table}": get(
            "A row, or its absence, with proof",
            json("row and proof", {"type": "object"}),
            table,
            key,
            missing=True,
        ),
        "/v1/events": get(
            "What happened since a log position; as it happens, for `Accept: text/event-stream`",
            _events(feed),
            {"name": "Last-Event-ID", "in": "header", "schema": _SAFE},
            query("after", _SAFE),
            query("limit", limit),
            query("wait", wait),
            missing=True,
        ),
        "/v1/genesis": get("The genesis file", json("genesis", {"type": "object"})),
        "/metrics": _metrics(),
        "/v1/health": get("Whether this node can commit", json("health", health)),
    }


def _metrics() -> Json:
    answer = octets("the text format of Prometheus", "text/plain")
    refused = problem("asked from another machine")
    metrics = get("Figures for Prometheus, unless node.toml gives them a door of their own", answer)
    metrics["get"]["responses"]["403"] = refused
    return metrics


def _events(page: Json) -> Json:
    """A page, or a stream of events, each with its log position and what follows from it."""
    answer = json("events and where to continue", page)
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
