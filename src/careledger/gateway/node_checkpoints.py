"""Signed checkpoints over HTTP: the node's own, and with everything that others cosigned."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from careledger.gateway.node_services import NodeServices
from careledger.ledger.checkpoint import SignedCheckpoint

LONGEST_WAIT_S = 10

Handler = Callable[[Request], Awaitable[Response]]


def routes(services: NodeServices) -> list[Route]:
    """The checkpoint routes of `services`."""
    return [
        Route("/checkpoint", _tlog(services), methods=["GET"]),
        Route("/v1/checkpoint", _checkpoint(services), methods=["GET"]),
        Route("/v1/checkpoint/seen", _seen(services), methods=["GET"]),
    ]


def newest(services: NodeServices) -> SignedCheckpoint:
    """The newest checkpoint, with whatever signatures have been gathered for it."""
    with services.reader.snapshot() as committed:
        header = committed.latest()
    return services.checkpoint(header)


def believable(services: NodeServices, index: int = -1) -> SignedCheckpoint:
    """The newest that enough members signed, if it covers log entry `index`; else the newest."""
    cosigned = services.checkpoints.cosigned()
    if cosigned is not None and cosigned.checkpoint.size > index:
        return cosigned
    return newest(services)


def _tlog(services: NodeServices) -> Handler:
    """`GET /checkpoint` (C2SP tlog-tiles): what auditors follow."""

    async def checkpoint(request: Request) -> Response:
        return _note(believable(services))

    return checkpoint


def _checkpoint(services: NodeServices) -> Handler:
    """`GET /v1/checkpoint?size=&wait=`: the newest, or the one at a size.

    With `wait`, at most so many seconds are spent until enough members signed what is newest now.
    """

    async def checkpoint(request: Request) -> Response:
        size, wait = _number(request, "size"), _number(request, "wait")
        if size is not None:
            found = services.checkpoints.old(size) if size else None
            if found is None:
                raise HTTPException(404, "size is from 1 to that of the log")
            return _note(found)
        if not wait:
            return _note(newest(services))
        if wait > LONGEST_WAIT_S:
            raise HTTPException(400, f"wait is at most {LONGEST_WAIT_S}")
        least = newest(services).checkpoint.size
        await services.checkpoints.wait_cosigned(least, float(wait))
        return _note(believable(services, least - 1))

    return checkpoint


def _seen(services: NodeServices) -> Handler:
    """`GET /v1/checkpoint/seen?member=`: the newest that this node saw of another.

    Whoever lost its disk learns here what it signed before.
    """

    async def seen(request: Request) -> Response:
        found = services.checkpoints.seen(request.query_params.get("member", ""))
        if found is None:
            raise HTTPException(404, "this node has seen no checkpoint of that member")
        return _note(found)

    return seen


def _note(signed: SignedCheckpoint) -> Response:
    return PlainTextResponse(signed.format(), headers={"cache-control": "no-cache"})


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 16:  # noqa: PLR2004 - below 2**53
        raise HTTPException(400, f"{name} is a whole number below 2**53")
    return int(text)
