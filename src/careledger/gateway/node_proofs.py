"""Receipts and proofs of the node API: whatever lets somebody else check this node."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from careledger.consensus.intake import Ordered, ordered_at
from careledger.gateway.node_checkpoints import believable
from careledger.gateway.node_services import NodeServices
from careledger.ledger import receipt as cose_receipt
from careledger.ledger.checkpoint import origin_of, signer_name
from careledger.ledger.entry import BlockEntry, decode_entry
from careledger.ledger.merkle import consistency_proof, inclusion_proof
from careledger.ledger.record import Digest, decode_trusted
from careledger.ledger.state import Component, Table
from careledger.ledger.tlog_proof import TlogProof
from careledger.ledger.transition import Receipt
from careledger.store.snapshot import Snapshot

MAX_ENTRIES = 1_000
MAX_DIGITS = 16

Read = Callable[[Request, Snapshot], Response]
Handler = Callable[[Request], Awaitable[Response]]


def routes(services: NodeServices) -> list[Route]:
    """Every proof route of `services`."""

    def route(path: str, read: Callable[[NodeServices, Request, Snapshot], Response]) -> Route:
        async def handler(request: Request) -> Response:
            with services.reader.snapshot() as committed:
                return read(services, request, committed)

        return Route(path, handler, methods=["GET"])

    return [
        route("/v1/transactions/{id}", _transaction),
        route("/v1/transactions/{id}/receipt", _receipt),
        route("/v1/transactions/{id}/receipt.cose", _receipt_cose),
        route("/v1/transactions/{id}/proof", _tlog_proof),
        route("/v1/log/inclusion", _inclusion),
        route("/v1/log/consistency", _consistency),
        route("/v1/log/entries", _entries),
        route("/v1/state/{table}", _state),
    ]


def receipt_json(ordered: Ordered) -> dict[str, object]:
    """A receipt for people and programs: its id in hex, its events in base64."""
    receipt = ordered.receipt
    return {
        "id": receipt.id.hex(),
        "code": receipt.code,
        "index": ordered.index,
        "height": ordered.height,
        "time": ordered.time,
        "events": events_json(receipt),
    }


def events_json(receipt: Receipt) -> list[dict[str, str]]:
    """What happened, event by event."""
    return [
        {"application": one.application, "event": base64.b64encode(one.event).decode()}
        for one in receipt.events
    ]


def _id(request: Request) -> bytes:
    try:
        return bytes.fromhex(request.path_params["id"])
    except ValueError as error:
        raise HTTPException(400, "a transaction id is 64 hex digits") from error


def _index(request: Request, committed: Snapshot) -> int:
    index = committed.index_of(_id(request))
    if index is None:
        raise _unknown(committed)
    return index


def _unknown(committed: Snapshot) -> HTTPException:
    """That there is no such transaction, unless it may be in what this node is still fetching."""
    if committed.gap:
        committed.gap.raise_absent()
    return HTTPException(404, "no such transaction is in the ledger")


def _position(
    request: Request, name: str, default: int | None, limit: int, *, least: int = 0
) -> int:
    """A log position or size from the query; one beyond the log is not there yet."""
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    if text is None or not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
        raise HTTPException(400, f"{name} is a whole number below 2**53")
    if int(text) < least:
        raise HTTPException(400, f"{name} is at least {least}")
    if int(text) > limit:
        raise HTTPException(404, f"{name} is beyond the log: at most {limit} now")
    return int(text)


def _transaction(services: NodeServices, request: Request, committed: Snapshot) -> Response:
    raw = committed.transaction_at(_index(request, committed))
    return Response(raw, media_type="application/cose")


def _receipt(services: NodeServices, request: Request, committed: Snapshot) -> Response:
    ordered = ordered_at(committed, _id(request))
    if ordered is None:
        raise _unknown(committed)
    return JSONResponse(receipt_json(ordered))


def _receipt_cose(services: NodeServices, request: Request, committed: Snapshot) -> Response:
    index, header = _index(request, committed), committed.latest()
    algorithm = request.query_params.get("alg", "EdDSA")
    key = services.receipt_keys.get(algorithm)  # type: ignore[call-overload] # any text may be asked
    if key is None:
        raise HTTPException(400, f"alg is one of {', '.join(services.receipt_keys)}")
    path = inclusion_proof(index, header.size, committed.subtree)
    services.checkpoint(header)  # a receipt says no less: no root that the node may not vouch for
    data = cose_receipt.issue_inclusion(
        key,
        signer_name(origin_of(services.chain), services.member),
        Digest(header.log_root),
        index,
        header.size,
        path,
    )
    return Response(data, media_type="application/cose")


def _tlog_proof(services: NodeServices, request: Request, committed: Snapshot) -> Response:
    index = _index(request, committed)
    checkpoint = believable(services, index)
    proof = TlogProof(
        extra=committed.entries(index, index + 1)[0],
        index=index,
        path=inclusion_proof(index, checkpoint.checkpoint.size, committed.subtree),
        checkpoint=checkpoint,
    )
    return PlainTextResponse(proof.format())


def _inclusion(services: NodeServices, request: Request, committed: Snapshot) -> Response:
    size = _position(request, "size", committed.latest().size, committed.latest().size, least=1)
    index = _position(request, "index", None, size - 1)
    path = inclusion_proof(index, size, committed.subtree)
    return JSONResponse({"index": index, "size": size, "path": [one.hex() for one in path]})


def _consistency(services: NodeServices, request: Request, committed: Snapshot) -> Response:
    size = committed.latest().size
    second = _position(request, "second", size, size, least=1)
    first = _position(request, "first", None, second, least=1)
    path = consistency_proof(first, second, committed.subtree)
    return JSONResponse({"first": first, "second": second, "path": [one.hex() for one in path]})


def _entries(services: NodeServices, request: Request, committed: Snapshot) -> Response:
    size = committed.latest().size
    begin = _position(request, "begin", None, size)
    end = max(begin, min(_position(request, "end", size, size), begin + MAX_ENTRIES))
    found = [base64.b64encode(entry).decode() for entry in committed.entries(begin, end)]
    return JSONResponse({"begin": begin, "end": end, "entries": found})


def _state(services: NodeServices, request: Request, committed: Snapshot) -> Response:
    """One row, or its absence, with the proof that leads from it to the checkpoint."""
    table = services.tables.get(request.path_params["table"])
    if table is None:
        raise HTTPException(404, f"tables: {', '.join(sorted(services.tables))}")
    at = table.at(*_key(request, table))
    row = committed.get(at)
    header = committed.latest()
    anchor = _block_entry(committed, header.size)
    proof = committed.prove_row(at)
    body: dict[str, Any] = {  # Any: a row is plain JSON of any shape
        "key": at.hex(),
        "row": None if row is None else msgspec.to_builtins(decode_trusted(row, table.row)),
        "row_bytes": None if row is None else base64.b64encode(row).decode(),
        "state_root": header.state_root.hex(),
        "proof": {"bucket": proof.bucket.hex(), "path": [one.hex() for one in proof.path]},
        "block_entry": anchor,
        "checkpoint": services.checkpoint(header).format(),
    }
    return JSONResponse(body)


def _key(request: Request, table: Table[Any]) -> list[Component]:
    """The row's key from `?key=...` repeated; bytes in hex."""
    given = request.query_params.getlist("key")
    if len(given) != len(table.key):
        kinds = ", ".join(type_.__name__ for type_ in table.key)
        raise HTTPException(400, f"give key {len(table.key)} times: {kinds} (bytes in hex)")
    key: list[Component] = []
    for text, type_ in zip(given, table.key, strict=True):
        try:
            if type_ is bytes:
                key.append(bytes.fromhex(text))
            elif type_ is int:
                key.append(int(text[:19]))
            else:
                key.append(text)
        except ValueError as error:
            raise HTTPException(400, f"not a {type_.__name__}") from error
        if key[-1:] and isinstance(key[-1], int) and key[-1] < 0:
            raise HTTPException(400, "not a negative number")
    return key


def _block_entry(committed: Snapshot, size: int) -> dict[str, object] | None:
    """The newest block entry, whose state root the row is proved against; None at genesis."""
    if size < 2:  # noqa: PLR2004 - the genesis entry alone
        return None
    index = size - 1
    entry = committed.entry(index)
    if entry is None or not isinstance(decode_entry(entry), BlockEntry):
        raise HTTPException(503, "the log does not end with a block entry")
    path = inclusion_proof(index, size, committed.subtree)
    return {
        "index": index,
        "size": size,
        "entry": base64.b64encode(entry).decode(),
        "path": [one.hex() for one in path],
    }
