"""The event feed: everything that happened, in order, from any position on.

The cursor is the log position to continue from, so a follower that stops resumes where it was.
"""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from careledger.gateway.node_proofs import events_json
from careledger.gateway.node_services import NodeServices

MAX_EVENTS = 1_000
LONGEST_WAIT_S = 30


def events(services: NodeServices) -> Callable[[Request], Awaitable[Response]]:
    """`GET /v1/events?after=&limit=&wait=`: wait is how many seconds to stay for something new."""

    async def feed(request: Request) -> Response:
        after = _query(request, "after", 0, (0, 2**53 - 1))
        limit = _query(request, "limit", 100, (1, MAX_EVENTS))
        wait = _query(request, "wait", 0, (0, LONGEST_WAIT_S))
        found = _read(services, after, limit)
        if wait and not found["events"]:
            await services.wait_for_block(float(wait))
            found = _read(services, after, limit)
        return JSONResponse(found)

    return feed


def _query(request: Request, name: str, default: int, between: tuple[int, int]) -> int:
    text = request.query_params.get(name, str(default))
    low, high = between
    if not text.isascii() or not text.isdigit() or not low <= int(text[:20]) <= high:
        raise HTTPException(400, f"{name} is a whole number from {low} to {high}")
    return int(text)


def _read(services: NodeServices, after: int, limit: int) -> dict[str, object]:
    found: list[dict[str, object]] = []
    with services.reader.snapshot() as committed:
        size = committed.latest().size
        if after > size:
            raise HTTPException(404, f"after is beyond the log: at most {size} now")
        following = size
        for index, receipt in committed.receipts(after):
            if len(found) == limit:
                following = index
                break
            found.append(
                {
                    "index": index,
                    "transaction": receipt.id.hex(),
                    "code": receipt.code,
                    "events": events_json(receipt),
                }
            )
    return {"events": found, "next": following, "size": size}
