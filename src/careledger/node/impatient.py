"""HTTP connections that end when their head does not: too long, or too slow in coming.

The server underneath bounds neither, so anybody could fill the memory or hold all connections.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S: Final = 30.0
"""How long the request line and headers may take, from the opening or from their first byte."""

MOST_HEAD_BYTES: Final = 65_536
"""How much of them is taken; the last piece that comes may go beyond."""


class Impatient(HttpToolsProtocol):
    """One connection. Mutable: it knows how far the head of the present request is."""

    _ends: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_in_head = False

    def connection_made(  # type: ignore[override] # as uvicorn's own has it
        self, transport: asyncio.Transport
    ) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The head of a request begins: whether it has to be waited for shows in a moment."""
        super().on_message_begin()
        self._came()
        self._is_in_head = True

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._came()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take a piece, and leave if the head is too long. Most heads come in one."""
        super().data_received(data)
        if self._is_in_head and self._ends is None:
            self._wait()
        if self._ends is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self.transport.abort()

    def _wait(self) -> None:
        self._ends = asyncio.get_running_loop().call_later(HEAD_S, self.transport.abort)

    def _came(self) -> None:
        self._head_bytes, self._is_in_head = 0, False
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None
