"""Other gateways over real sockets: one that never ends, one that drips, one that is no gateway."""

import ast
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import careledger
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


def test_no_proxy_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes to another gateway goes there: the environment changes nothing."""
    proxied: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        proxied.append(await reader.readline())
        writer.close()

    async def story() -> None:
        port = free_port()
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        transport = HttpTransport()
        async with await asyncio.start_server(proxy, "127.0.0.1", port):
            with pytest.raises(Unavailable):
                await transport(f"http://127.0.0.1:{free_port()}/exchange/ask", b"sealed")
        await transport.close()

    asyncio.run(story())
    assert proxied == []


def test_no_client_that_we_make_heeds_the_environment() -> None:
    """Each says so itself, for the library's default is to heed it."""
    made = 0
    for path in Path(careledger.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "httpx2.Client",
                "httpx2.AsyncClient",
            }:
                made += 1
                said = {one.arg: ast.unparse(one.value) for one in node.keywords}
                assert said.get("trust_env") == "False", f"{path}:{node.lineno}"
    assert made > 5
