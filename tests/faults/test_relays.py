"""The links that fault tests lean on do what they say."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.node_process import free_port
from tests.faults.relays import Relays


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            while got := connection.recv(1_000):
                connection.sendall(got)

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def _ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(b"hello")
        try:
            return line.recv(1_000)
        except ConnectionError:
            return b""


def test_a_cut_link_ends_what_is_said_and_a_healed_one_carries_again(echo: int) -> None:
    port = free_port(0, 1)
    with Relays({(0, 1): port, (1, 0): port + 1}, {0: echo, 1: echo}) as relays:
        assert _ask(port) == b"hello"
        with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            line.sendall(b"hello")
            assert line.recv(1_000) == b"hello"
            relays.cut({0}, {1})
            with contextlib.suppress(ConnectionError):
                assert line.recv(1_000) == b""
        assert _ask(port) == _ask(port + 1) == b""
        relays.heal()
        assert _ask(port) == _ask(port + 1) == b"hello"
        relays.cut({0, 1})
        assert _ask(port) == b"hello"


def test_a_slow_link_is_late_both_ways_and_keeps_the_order(echo: int) -> None:
    port = free_port()
    with Relays({(0, 1): port}, {1: echo}) as relays:
        relays.slow(lambda link: 0.1)
        begun = time.monotonic()
        assert _ask(port) == b"hello"
        assert time.monotonic() - begun >= 0.2
        relays.slow(lambda link: 0)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
            sent = bytes(range(256)) * 400
            threading.Thread(target=line.sendall, args=(sent,)).start()
            got = b""
            while len(got) < len(sent):
                got += line.recv(100_000)
            assert got == sent
