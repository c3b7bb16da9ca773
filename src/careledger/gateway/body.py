"""Request bodies, read up to a bound: nobody fills the memory by sending for ever, or slowly."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request

from careledger.gateway.outcome import Refused

SILENT_S: Final = 30.0
WITHIN_S: Final = 300.0
"""How long a client may say nothing in the middle of a body, and how long all of it may take."""

_GZIP = 16 + zlib.MAX_WBITS
_PLAIN = frozenset(("", "identity"))
_ZIPPED = frozenset(("gzip", "x-gzip"))


async def read_body(request: Request, limit: int) -> bytes:
    """The body, unpacked if it came as gzip (RFC 9110 8.4).

    Raises:
        Refused: 413, over `limit` bytes as sent or unpacked: what comes after them is neither read
            nor unpacked; 415, packed in another way; 400, not gzip though it says so; 408, too
            slow.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared[:18]) > limit:
        raise _too_large(limit)
    packed = request.headers.get("content-encoding", "").strip().lower()
    if packed not in _PLAIN | _ZIPPED:
        raise Refused(415, "not-supported", "send gzip, or nothing packed", _ACCEPTED)
    unpack = _Gzip(limit) if packed in _ZIPPED else None
    parts, total = list[bytes](), 0
    async for part in _in_time(request):
        total += len(part)
        if total > limit:
            raise _too_large(limit)
        parts.append(part if unpack is None else unpack(part))
    if unpack is not None:
        unpack.end()
    return b"".join(parts)


async def _in_time(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes.

    Raises:
        Refused: 408, it comes too slowly.
    """
    parts, loop = aiter(request.stream()), asyncio.get_running_loop()
    end = loop.time() + WITHIN_S
    while True:
        try:
            async with asyncio.timeout_at(min(end, loop.time() + SILENT_S)):
                part = await anext(parts, None)
        except TimeoutError:
            raise Refused(408, "timeout", "send the body faster", {"Connection": "close"}) from None
        if part is None:
            return
        yield part


class _Gzip:
    """Unpacks one gzip member (RFC 1952), to `limit` bytes at the most."""

    def __init__(self, limit: int) -> None:
        self._limit, self._left = limit, limit
        self._stream = zlib.decompressobj(_GZIP)

    def __call__(self, part: bytes) -> bytes:
        """What `part` unpacks to."""
        try:
            found = self._stream.decompress(part, self._left + 1)
        except zlib.error:
            raise _not_gzip() from None
        self._left -= len(found)
        if self._left < 0:
            raise _too_large(self._limit)
        if self._stream.unused_data:
            raise _not_gzip()
        return found

    def end(self) -> None:
        """Refuse what stopped halfway."""
        if not self._stream.eof:
            raise _not_gzip()


_ACCEPTED = {"Accept-Encoding": "gzip"}


def _too_large(limit: int) -> Refused:
    return Refused(413, "too-long", f"send at most {limit} bytes", {"Connection": "close"})


def _not_gzip() -> Refused:
    return Refused(400, "structure", "the body is not one gzip stream")
