"""The node API: submit, receipts, proofs, state, events and health over HTTP.

Everything here is public to whoever reaches the node: it holds commitments and decisions, no
clinical data. `openapi.py` describes it; errors are problem details.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careledger.consensus.intake import Ordered
from careledger.gateway import node_checkpoints, node_engine, node_history, node_proofs, node_tiles
from careledger.gateway.body import read_body
from careledger.gateway.node_feed import events
from careledger.gateway.node_metrics import PATH, Measured, metrics
from careledger.gateway.node_proofs import receipt_json
from careledger.gateway.node_services import NodeServices, PeerVoice
from careledger.gateway.openapi import document
from careledger.gateway.outcome import Refused
from careledger.gateway.problem import inadmissible, problem, unavailable
from careledger.ledger.errors import Inadmissible, LedgerError, Malformed, Refusal, Unavailable
from careledger.ledger.record import load_cbor
from careledger.ledger.transaction import MAX_TRANSACTION_BYTES

MAX_BATCH = 500
"""Most transactions in one request."""

MAX_BATCH_BYTES = 8_000_000

CBOR = "application/cbor"
COSE = "application/cose"

Handler = Callable[[Request], Awaitable[Response]]


class Engine(Measured, Protocol):
    """Whoever orders transactions."""

    def enqueue(self, raw: bytes) -> "asyncio.Future[Ordered]": ...


def node_app(services: NodeServices, engine: Engine) -> Starlette:
    """The ASGI application of one node."""
    api = _Submission(services, engine)
    routes = [
        Route("/v1/transactions", api.submit, methods=["POST"]),
        Route("/v1/batch", api.submit_batch, methods=["POST"]),
        *node_checkpoints.routes(services),
        *node_proofs.routes(services),
        *node_tiles.routes(services),
        *node_history.routes(services),
        *node_engine.routes(services),
        Route("/v1/events", events(services), methods=["GET"]),
        Route("/v1/genesis", _genesis(services), methods=["GET"]),
        Route("/v1/health", _health(services), methods=["GET"]),
        Route("/openapi.json", _openapi, methods=["GET"]),
    ]
    if services.metrics_here:
        routes.append(Route(PATH, metrics(services, engine, anyone=False), methods=["GET"]))
    handlers = {HTTPException: _http_error, LedgerError: _ledger_error}
    return Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type] # starlette's handler type is wider than either


async def _http_error(request: Request, error: HTTPException) -> Response:
    answer = problem(error.status_code, error.detail)
    answer.headers.update(error.headers or {})
    return answer


async def _ledger_error(request: Request, error: LedgerError) -> Response:
    if isinstance(error, Inadmissible):
        return inadmissible(error)
    if isinstance(error, Unavailable):
        return unavailable(error)
    if isinstance(error, Refusal):
        return problem(400, type(error).__name__, error.text(), code=error.code)
    return problem(500, type(error).__name__)


class _Submission:
    """The two ways in."""

    def __init__(self, services: NodeServices, engine: Engine) -> None:
        self._services = services
        self._engine = engine

    async def submit(self, request: Request) -> Response:
        """One transaction; `?wait=false` answers 202 at once."""
        raw = await _body(request, MAX_TRANSACTION_BYTES)
        wait = request.query_params.get("wait", "true")
        if wait not in {"true", "false"}:
            return problem(400, "wait is true or false")
        answer = self._engine.enqueue(raw)
        if wait == "false":
            answer.add_done_callback(_forget)
            return JSONResponse({"status": "accepted"}, status_code=202)
        return JSONResponse(receipt_json(await asyncio.shield(answer)))

    async def submit_batch(self, request: Request) -> Response:
        """A CBOR array of transactions; the answer has one entry each, in order."""
        if request.headers.get("content-type", "").split(";")[0] != CBOR:
            return problem(415, f"send {CBOR}")
        try:
            raws = load_cbor(await _body(request, MAX_BATCH_BYTES), most=MAX_BATCH_BYTES)
        except Malformed:
            return problem(400, "Malformed", "not plain CBOR of definite length")
        if not isinstance(raws, list) or not all(isinstance(raw, bytes) for raw in raws):
            return problem(400, "Malformed", "send an array of byte strings")
        if not 1 <= len(raws) <= MAX_BATCH:
            return problem(413, "TooLarge", f"send 1 to {MAX_BATCH} transactions at a time")
        answers = [asyncio.shield(self._try(raw)) for raw in raws]
        found = await asyncio.gather(*answers, return_exceptions=True)
        return Response(msgspec.json.encode([_outcome(one) for one in found]), media_type=JSON)

    def _try(self, raw: bytes) -> "asyncio.Future[Ordered]":
        try:
            return self._engine.enqueue(raw)
        except Unavailable as error:
            failed: asyncio.Future[Ordered] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed


JSON = "application/json"


def _outcome(found: Ordered | BaseException) -> dict[str, object]:
    if isinstance(found, Ordered):
        return receipt_json(found)
    if isinstance(found, Inadmissible):
        return {"error": type(found).__name__, "code": found.code, "detail": found.text()}
    return {"error": type(found).__name__, "detail": str(found)}


def _forget(answer: "asyncio.Future[Ordered]") -> None:
    """Take note of an outcome nobody waits for; it is in the ledger."""
    if not answer.cancelled():
        answer.exception()


async def _body(request: Request, limit: int) -> bytes:
    try:
        return await read_body(request, limit)
    except Refused as error:
        raise HTTPException(error.status, f"send at most {limit} bytes") from error


def _genesis(services: NodeServices) -> Handler:
    async def genesis(request: Request) -> Response:
        return Response(services.genesis, media_type=JSON)

    return genesis


def _health(services: NodeServices) -> Handler:
    async def health(request: Request) -> Response:
        with services.reader.snapshot() as committed:
            header, gap = committed.latest(), committed.gap
        voices = services.checkpoints.voices()
        trouble = services.trouble() or voices.fault
        age = max(0, services.clock() - header.time)
        body: dict[str, object] = {
            "status": "fail" if trouble else "pass",
            "chain": services.chain.hex(),
            "member": services.member,
            "height": header.height,
            "size": header.size,
            "block_age_s": age,
            "app_hash": header.app_hash.hex(),
            "signed_size": voices.signed_size,
            "cosigned_size": voices.cosigned_size,
            "split_views": voices.split_views,
            "peers": [_peer(one) for one in voices.peers],
            "engine": services.engine_facts(),
        }
        if trouble:
            body["trouble"] = trouble
        if gap:
            body["history"] = {"entries_here": gap.next, "of": gap.size}
        if missing := services.missing_versions():
            body["missing_versions"] = [
                {"application": one.application, "version": one.version, "height": one.height}
                for one in missing
            ]
        return JSONResponse(body, status_code=503 if trouble else 200)

    return health


def _peer(voice: PeerVoice) -> dict[str, object]:
    """A peer that agrees says no more."""
    more = {"trouble": voice.trouble} if voice.trouble else {}
    return {"url": voice.url, "size": voice.size, **more}


async def _openapi(request: Request) -> Response:
    return JSONResponse(document())
