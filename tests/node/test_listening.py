import asyncio
import signal
import socket
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from careledger.node.config import NODE_FILE
from careledger.node.listening import PortTaken, serve
from tests.faults.node_process import NodeProcess, found_trial, free_port
from tests.ledger.world import NOW


def test_a_taken_port_is_said_so_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port} cannot be opened .*choose another"):
            asyncio.run(serve(Starlette(), "127.0.0.1", port, lambda: None))


def test_a_proxy_on_this_machine_says_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no environment variable has anything to say about it."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "192.0.2.1")

    async def whoever(request: Request) -> Response:
        return PlainTextResponse("" if request.client is None else request.client.host)

    async def story() -> None:
        port, is_open = free_port(), asyncio.Event()
        app = Starlette(routes=[Route("/", whoever)])
        serving = asyncio.create_task(serve(app, "127.0.0.1", port, is_open.set))
        await is_open.wait()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/")).text == "127.0.0.1"
            asked = {"x-forwarded-for": "203.0.113.7, 192.0.2.1"}
            assert (await client.get("/", headers=asked)).text == "192.0.2.1", "the last in line"
        signal.raise_signal(signal.SIGTERM)
        await serving

    asyncio.run(asyncio.wait_for(story(), 30))


def test_a_second_door_answers_its_own_and_closes_with_the_first(tmp_path: Path) -> None:
    """As `metrics_port` has it: a real node, until SIGTERM."""
    network = found_trial(tmp_path / "net", time=NOW)
    home, port = tmp_path / "net" / "node", free_port()
    with (home / NODE_FILE).open("a") as file:
        file.write(f"metrics_port = {port}\n")
    with NodeProcess(home) as node:
        found = httpx2.get(f"http://127.0.0.1:{port}/metrics")
        assert "careledger_height 0.0" in found.text or "careledger_height 1.0" in found.text
        assert httpx2.get(f"http://127.0.0.1:{port}/v1/health").status_code == 404
        assert httpx2.get(f"{network.node_url}/metrics").status_code == 404
        assert httpx2.get(f"{network.node_url}/v1/health").status_code == 200
        assert node.stop() == 0
