"""The socket: answers in order, however requests arrive; what cannot be answered ends the node."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.envelope import frame, open_response, split_frames
from careledger.consensus.cometbft.protobuf import BadMessage, Message
from careledger.consensus.cometbft.server import MAX_FRAME_BYTES, AbciServer
from careledger.ledger.errors import CorruptStore


async def echo(requests: Sequence[Message]) -> list[Message]:
    found: list[Message] = []
    for request in requests:
        if isinstance(request, m.RequestEcho):
            if request.message == "broken":
                raise CorruptStore("the log differs")
            if request.message == "secret":
                raise ValueError("Ana Berg, born 1980")
            await asyncio.sleep(0)
            found.append(m.ResponseEcho(message=request.message))
        else:
            found.append(m.ResponseFlush())
    return found


async def responses(reader: asyncio.StreamReader) -> list[Message]:
    """Everything up to the end."""
    buffer = bytearray(await asyncio.wait_for(reader.read(), 30))
    return [open_response(one) for one in split_frames(buffer, 1 << 20)]


async def told(path: Path, data: bytes) -> tuple[list[Message], Exception | None]:
    """What the server answers to `data` until it hangs up, and what it failed with."""
    server = AbciServer(path, echo)
    await server.start()
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(data)
        found = await responses(reader)
        writer.close()
        await writer.wait_closed()
    finally:
        await server.close()
    failed = server.failed.exception() if server.failed.done() else None
    assert failed is None or isinstance(failed, Exception)
    return found, failed


def test_answers_keep_their_order_on_every_connection(tmp_path: Path) -> None:
    async def play() -> None:
        server = AbciServer(tmp_path / "s", echo)
        await server.start()
        connections = [await asyncio.open_unix_connection(str(tmp_path / "s")) for _ in range(4)]
        words = [str(number) for number in range(500)]
        data = b"".join(frame(m.RequestEcho(message=word)) for word in words)
        for _, writer in connections:
            for at in range(0, len(data), 1_001):
                writer.write(data[at : at + 1_001])
                await asyncio.sleep(0)
            writer.write_eof()
        for reader, writer in connections:
            found = await responses(reader)
            assert [one.message for one in found if isinstance(one, m.ResponseEcho)] == words
            writer.close()
            await writer.wait_closed()
        await asyncio.wait_for(server.silent.wait(), 30)
        assert (server.opened, server.connections, server.failed.done()) == (4, 0, False)
        await server.close()
        assert not (tmp_path / "s").exists()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("word", "said"), [("broken", "CorruptStore: the log differs"), ("secret", "ValueError")]
)
def test_an_error_ends_it_and_tells_the_engine(tmp_path: Path, word: str, said: str) -> None:
    data = frame(m.RequestFlush()) + frame(m.RequestEcho(message=word))
    found, failed = asyncio.run(told(tmp_path / "s", data))
    assert found[-1] == m.ResponseException(error=said)
    assert type(failed).__name__ == said.partition(":")[0]


@pytest.mark.parametrize("data", [b"\x03\x22\x01\x00", b"\xff" * 12, b"\x01\x00"])
def test_what_is_no_request_ends_it(tmp_path: Path, data: bytes) -> None:
    found, failed = asyncio.run(told(tmp_path / "s", data))
    assert isinstance(found[-1], m.ResponseException)
    assert isinstance(failed, BadMessage)


def test_a_message_beyond_bounds_is_refused_before_it_is_there(tmp_path: Path) -> None:
    size = MAX_FRAME_BYTES + 1
    head = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14 & 0x7F | 0x80])
    data = head + bytes([size >> 21])
    _, failed = asyncio.run(told(tmp_path / "s", data))
    assert isinstance(failed, BadMessage)


def test_closing_hangs_up_on_an_engine_that_waits(tmp_path: Path) -> None:
    async def play() -> None:
        server = AbciServer(tmp_path / "s", echo)
        await server.start()
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(frame(m.RequestFlush())[:1])
        while not server.connections:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
        await asyncio.wait_for(server.close(), 30)
        assert await reader.read() == b""
        writer.close()

    asyncio.run(play())
