"""Other gateways over real sockets: one that never ends, one that drips, one that is no gateway."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from careledger.exchange.transport import HttpTransport
from careledger.ledger.errors import Unavailable
from tests.faults.node_process import free_port

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n\r\n"
PIECE = bytes(1_000_000)

Speaks = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def post_to(speaks: Speaks, within_s: float) -> bytes:
    """What comes of posting to a server that begins well and then only `speaks`."""
    talking: list[asyncio.Task[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD)
            while True:
                await speaks(writer)
                await writer.drain()
        except ConnectionError:
            pass  # it was left
        finally:
            writer.close()

    def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.append(asyncio.create_task(talk(reader, writer)))

    port, transport = free_port(), HttpTransport()
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    try:
        async with asyncio.timeout(within_s):
            return await transport(f"http://127.0.0.1:{port}/exchange/ask", b"sealed")
    finally:
        await transport.close()
        for task in talking:
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)
        server.close()
        await server.wait_closed()


def test_a_stream_without_end_is_cut_off() -> None:
    async def floods(writer: asyncio.StreamWriter) -> None:
        writer.write(PIECE)

    with pytest.raises(Unavailable, match="too long"):
        asyncio.run(post_to(floods, 60))


def test_one_that_drips_is_left_at_the_deadline() -> None:
    """A byte now and then never lets a socket's own time-out run out."""

    async def drips(writer: asyncio.StreamWriter) -> None:
        writer.write(b".")
        await asyncio.sleep(0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(post_to(drips, 0.5))


def test_one_that_is_not_there_does_not_answer() -> None:
    async def post() -> None:
        transport = HttpTransport()
        try:
            await transport(f"http://127.0.0.1:{free_port()}/exchange/ask", b"sealed")
        finally:
            await transport.close()

    with pytest.raises(Unavailable):
        asyncio.run(post())
