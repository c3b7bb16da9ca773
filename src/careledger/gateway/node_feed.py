"""The event feed: everything that happened, in order, from any position on.

The cursor is the log position to continue from, so a follower that stops resumes where it was.
Whoever accepts `text/event-stream` gets it as it happens, over one open connection.
"""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from careledger.gateway.node_proofs import events_json
from careledger.gateway.node_services import NodeServices
from careledger.gateway.node_stream import MEDIA_TYPE, EventStream
from careledger.store.gap import HistoryAbsent

MAX_EVENTS = 1_000
LONGEST_WAIT_S = 30


def events(services: NodeServices) -> Callable[[Request], Awaitable[Response]]:
    """`GET /v1/events?after=&limit=&wait=`: wait is how many seconds to stay for something new."""

    async def feed(request: Request) -> Response:
        after = _cursor(request)
        limit = _query(request, "limit", 100, (1, MAX_EVENTS))
        wait = _query(request, "wait", 0, (0, LONGEST_WAIT_S))
        if _wants_stream(request):
            _check_reached(services, after)
            return EventStream(services, after)
        found = _read(services, after, limit)
        if wait and not found["events"]:
            await services.wait_for_block(float(wait))
            found = _read(services, after, limit)
        return JSONResponse(found)

    return feed


def _wants_stream(request: Request) -> bool:
    accepted = request.headers.get("accept", "").split(",")
    return any(one.partition(";")[0].strip().lower() == MEDIA_TYPE for one in accepted)


def _cursor(request: Request) -> int:
    """Where to begin; what a browser's EventSource got last counts before the address it opened."""
    between = 0, 2**53 - 1
    after = _query(request, "after", 0, between)
    last = request.headers.get("last-event-id")
    return after if last is None else _whole("Last-Event-ID", last, between)


def _query(request: Request, name: str, default: int, between: tuple[int, int]) -> int:
    return _whole(name, request.query_params.get(name, str(default)), between)


def _whole(name: str, text: str, between: tuple[int, int]) -> int:
    low, high = between
    if not text.isascii() or not text.isdigit() or not low <= int(text[:20]) <= high:
        raise HTTPException(400, f"{name} is a whole number from {low} to {high}")
    return int(text)


def _check_reached(services: NodeServices, after: int) -> None:
    with services.reader.snapshot() as committed:
        size = committed.latest().size
        if committed.gap is not None:
            committed.gap.check_receipts(after, after + 1)
    if after > size:
        raise HTTPException(404, _beyond(size))


def _beyond(size: int) -> str:
    return f"after is beyond the log: at most {size} now"


def _read(services: NodeServices, after: int, limit: int) -> dict[str, object]:
    found: list[dict[str, object]] = []
    with services.reader.snapshot() as committed:
        size = committed.latest().size
        if after > size:
            raise HTTPException(404, _beyond(size))
        following = size
        try:
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
        except HistoryAbsent:  # what is here of the past is told as far as it goes
            if not found or committed.gap is None:
                raise
            following = committed.gap.next
    return {"events": found, "next": following, "size": size}
