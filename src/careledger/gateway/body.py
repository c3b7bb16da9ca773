"""Request bodies, read up to a bound: nobody fills the memory by sending for ever."""

from starlette.requests import Request

from careledger.gateway.outcome import Refused


async def read_body(request: Request, limit: int) -> bytes:
    """The body.

    Raises:
        Refused: 413, over `limit` bytes; what comes after them is not read.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared[:18]) > limit:
        raise _too_large(limit)
    parts, total = list[bytes](), 0
    async for part in request.stream():
        total += len(part)
        if total > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _too_large(limit: int) -> Refused:
    return Refused(413, "too-long", f"send at most {limit} bytes", {"Connection": "close"})
