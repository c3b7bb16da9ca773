"""The application's side of the socket: whole frames in, answers out, strictly in order.

The engine opens four connections and sends without waiting; whatever has arrived on one is answered
together. Whoever answers decides in which thread. An answer that cannot be given ends everything:
the engine is told so, for it would wait for ever otherwise.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from careledger.consensus.cometbft.envelope import frame, open_request, split_frames
from careledger.consensus.cometbft.messages import ResponseException
from careledger.consensus.cometbft.protobuf import Message
from careledger.ledger.errors import LedgerError

MAX_FRAME_BYTES = 32 * 1024 * 1024
"""More than a block or a chunk of a snapshot can have."""

READ_BYTES = 1 << 20

Answer = Callable[[Sequence[Message]], Awaitable[Sequence[Message]]]

_log = logging.getLogger(__name__)


class AbciServer:
    """Answers an engine over a unix socket; owns the socket and its connections until `close`."""

    def __init__(self, path: Path, answer: Answer) -> None:
        """Listen at `path`, once started; `answer` has one response for each request."""
        self._path = path
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.silent = asyncio.Event()
        """Set while nobody is connected."""
        self.opened = 0
        """How many connections there have been; it grows when an engine begins."""
        self.failed: asyncio.Future[None]
        """Fails with the error that made an answer impossible."""

    @property
    def connections(self) -> int:
        """How many the engine has open: four while it runs."""
        return len(self._connections)

    async def start(self) -> None:
        """Listen. What a node that was killed left behind at the path is removed."""
        self.failed = asyncio.get_running_loop().create_future()
        self.failed.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(
            self._serve, str(self._path), limit=READ_BYTES
        )

    async def close(self) -> None:
        """Stop listening and hang up; an answer that is being worked out is worked out first."""
        if self._server:
            self._server.close()
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError
        self._connections.add(task)
        self.opened += 1
        self.silent.clear()
        try:
            await self._converse(reader, writer)
        except (asyncio.CancelledError, ConnectionError):
            pass  # hung up, on either side
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine may not wait for ever
            self._fail(error, writer)
        finally:
            self._connections.discard(task)
            if not self._connections:
                self.silent.set()
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer = bytearray()
        while data := await reader.read(READ_BYTES):
            buffer += data
            frames = split_frames(buffer, MAX_FRAME_BYTES)
            if not frames:
                continue
            requests = [open_request(one) for one in frames]
            writer.writelines(map(frame, await self._answer(requests)))
            await writer.drain()

    def _fail(self, error: Exception, writer: asyncio.StreamWriter) -> None:
        reason = type(error).__name__
        if isinstance(error, LedgerError):  # any other might quote what nobody should read
            reason += f": {error}"
        _log.critical("the engine cannot be answered: %s", reason)
        writer.write(frame(ResponseException(error=reason)))
        if not self.failed.done():
            self.failed.set_exception(error)
