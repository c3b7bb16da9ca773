"""What a node that joins asks of one that is there: snapshots, and blocks of the past."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careledger.gateway.node_services import NodeServices
from careledger.ledger.record import encode
from careledger.store.sync.past import read_past

PAST_BYTES = 1_000_000
"""An answer with blocks ends behind the one that makes it longer."""

_DIGITS = 16
_LISTED = 100

Handler = Callable[[Request], Awaitable[Response]]


def routes(services: NodeServices) -> list[Route]:
    """The routes for joining, of `services`."""
    return [
        Route("/v1/snapshots", _snapshots(services), methods=["GET"]),
        Route("/v1/snapshots/{height}", _manifest(services), methods=["GET"]),
        Route("/v1/snapshots/{height}/{number}", _chunk(services), methods=["GET"]),
        Route("/v1/history", _history(services), methods=["GET"]),
    ]


def _snapshots(services: NodeServices) -> Handler:
    async def snapshots(request: Request) -> Response:
        kept = services.snapshots
        heights = kept.heights()[:_LISTED] if kept else []
        found = [(height, kept.load(height, services.chain)) for height in heights if kept]
        return JSONResponse(
            {
                "snapshots": [
                    {"height": height, "hash": manifest.hash.hex()}
                    for height, manifest in found
                    if manifest is not None
                ]
            }
        )

    return snapshots


def _manifest(services: NodeServices) -> Handler:
    async def manifest(request: Request) -> Response:
        height = _number(request.path_params["height"])
        data = services.snapshots.manifest(height) if services.snapshots else None
        if data is None:
            raise HTTPException(404, "no snapshot of that height is kept")
        return Response(data, media_type="application/cbor")

    return manifest


def _chunk(services: NodeServices) -> Handler:
    async def chunk(request: Request) -> Response:
        height = _number(request.path_params["height"])
        number = _number(request.path_params["number"])
        kept = services.snapshots
        data = await asyncio.to_thread(kept.chunk, height, number) if kept else None
        if data is None:
            raise HTTPException(404, "no such chunk is kept")
        return Response(data, media_type="application/octet-stream")

    return chunk


def _history(services: NodeServices) -> Handler:
    """`GET /v1/history?height=`: blocks from there on, as `read_past` has them."""

    def read(height: int) -> bytes | None:
        with services.reader.snapshot() as committed:
            if height > committed.latest().height:
                return None
            return encode(tuple(read_past(committed, height, PAST_BYTES)))

    async def history(request: Request) -> Response:
        height = _number(request.query_params.get("height", ""))
        if height == 0:
            raise HTTPException(400, "height is at least 1: the first block is the genesis file's")
        data = await asyncio.to_thread(read, height)
        if data is None:
            raise HTTPException(404, "the ledger has no such block yet")
        return Response(data, media_type="application/cbor")

    return history


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise HTTPException(400, "heights and chunks are whole numbers below 2**53")
    return int(text)
