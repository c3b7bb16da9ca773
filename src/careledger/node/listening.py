"""Doors of a process: HTTP or HTTPS on one address or more, until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette

from careledger.ledger.errors import LedgerError
from careledger.node.doors import Tls
from careledger.node.impatient import Impatient

GRACE_S = 30
"""How long whoever is being answered may take once the process stops."""


class PortTaken(LedgerError):
    """Another program answers at the address that this one was given."""


@dataclass(frozen=True)
class Door:
    """What is answered at one more address."""

    app: Starlette
    host: str
    port: int


class _Server(uvicorn.Server):
    """A server that says when it begins to close, so that endless answers can end."""

    def __init__(self, config: uvicorn.Config, closing: Callable[[], None]) -> None:
        super().__init__(config)
        self._closing = closing

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`, which has them for all doors."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say so, then take no more and wait for what is being answered."""
        self._closing()
        await super().shutdown(sockets)


async def serve(
    app: Starlette,
    host: str,
    port: int,
    ready: Callable[[], None],
    tls: Tls | None = None,
    *,
    closing: Callable[[], None] = lambda: None,
    beside: Sequence[Door] = (),
) -> None:
    """Answer HTTP, or with `tls` HTTPS, until SIGINT or SIGTERM; the doors `beside` without TLS.

    The signal once more drops whoever is still being answered.

    `ready` is called once the doors are open, `closing` once they are being closed.

    Raises:
        PortTaken: somebody else answers there.
    """
    for door_host, door_port in [(host, port), *((one.host, one.port) for one in beside)]:
        check_free(door_host, door_port)
    servers = [_Server(_config(app, host, port, tls), closing)]
    servers += [_Server(_config(one.app, one.host, one.port), lambda: None) for one in beside]

    def stop() -> None:
        for server in servers:
            server.should_exit, server.force_exit = True, server.should_exit

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    serving = [asyncio.create_task(server.serve()) for server in servers]
    try:
        if await _are_open(servers, serving):
            ready()
        await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*serving)
    except asyncio.CancelledError:
        for one in serving:
            one.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        raise


async def _are_open(servers: list[_Server], serving: "list[asyncio.Task[None]]") -> bool:
    """Wait until all are open; False if one of them gave up."""
    while not all(one.started for one in servers):
        if any(one.done() for one in serving):
            return False
        await asyncio.sleep(0.01)  # uvicorn has no event for it
    return True


def check_free(host: str, port: int, setting: str = "port") -> None:
    """Try the door first: whoever opens it would end the process without a word for people.

    Raises:
        PortTaken: somebody else answers there; the message names the `setting` to change.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = f"{host}:{port} cannot be opened ({error.strerror}): choose another `{setting}`"
        raise PortTaken(reason) from error


def _config(app: Starlette, host: str, port: int, tls: Tls | None = None) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        http=Impatient,
        forwarded_allow_ips=["127.0.0.1", "::1"],  # a proxy on this machine says who asks
        timeout_graceful_shutdown=GRACE_S,
    )
    if tls is not None:
        config.ssl_certfile, config.ssl_keyfile = tls.certificate, tls.key
        if tls.client_authorities is not None:
            config.ssl_ca_certs = str(tls.client_authorities)
            config.ssl_cert_reqs = ssl.CERT_REQUIRED
    return config
