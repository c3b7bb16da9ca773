"""The log as C2SP tlog-tiles: what anybody needs to mirror it, with any client of that format."""

import gzip

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.gateway.node_services import NodeServices
from careledger.ledger.errors import Malformed
from careledger.ledger.tile import ENTRIES, parse_place
from careledger.store.tile_files import content

IMMUTABLE = "public, max-age=31536000, immutable"
"""A path of tlog-tiles has one content for ever, a partial tile's as well (its width is in it)."""

_FAST = 1


def routes(services: NodeServices) -> list[Route]:
    """`/tile/...` of `services`; the checkpoint is in `node_checkpoints`."""

    async def tile(request: Request) -> Response:
        try:
            place = parse_place("tile/" + request.path_params["path"])
        except Malformed as error:
            raise HTTPException(404, "no path of tlog-tiles") from error
        with services.reader.snapshot() as committed:
            data = content(committed, place)
            if data is None and committed.gap and place.needs <= committed.latest().size:
                committed.gap.raise_absent()
        if data is None:
            raise HTTPException(404, "the log is not that long")
        headers = {"cache-control": IMMUTABLE}
        if place.level == ENTRIES:
            headers["vary"] = "accept-encoding"
            if "gzip" in request.headers.get("accept-encoding", ""):
                data = gzip.compress(data, _FAST, mtime=0)
                headers["content-encoding"] = "gzip"
        return Response(data, media_type="application/octet-stream", headers=headers)

    return [Route("/tile/{path:path}", tile, methods=["GET"])]
