"""Connections whose head does not come, comes for ever, or is all there."""

import asyncio
import contextlib
import signal

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from careledger.node import impatient
from careledger.node.listening import serve
from tests.faults.node_process import free_port

HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n"


async def answer_to(*pieces: bytes) -> bytes:
    """What is said to whoever sends these pieces, until the connection ends."""

    async def slow(request: Request) -> PlainTextResponse:
        await asyncio.sleep(3 * impatient.HEAD_S if impatient.HEAD_S < 1 else 0)
        return PlainTextResponse("here")

    port, open_ = free_port(), asyncio.Event()
    app = Starlette(routes=[Route("/", slow)])
    serving = asyncio.create_task(serve(app, "127.0.0.1", port, open_.set))
    await open_.wait()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionError):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                return await reader.read()
            return b""
    finally:
        writer.close()
        signal.raise_signal(signal.SIGTERM)
        await serving


@pytest.mark.parametrize("pieces", [(), (b"GET",), (HEAD, b"x: ")])
def test_a_head_that_does_not_come_ends_the_connection(
    pieces: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(impatient, "HEAD_S", 0.3)
    assert asyncio.run(answer_to(*pieces)) == b""


def test_a_head_that_has_no_end_ends_the_connection() -> None:
    assert asyncio.run(answer_to(HEAD + b"x: ", *[b"x" * 100_000] * 200)) == b""


def test_a_head_that_is_there_has_its_answer_however_long_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(impatient, "HEAD_S", 0.3)
    said = asyncio.run(answer_to(HEAD + b"x: " + b"y" * 8_000 + b"\r\nconnection: close\r\n\r\n"))
    assert said.endswith(b"here")
