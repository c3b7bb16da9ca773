import asyncio
import socket
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from careledger.node.config import NODE_FILE
from careledger.node.listening import PortTaken, serve
from tests.faults.node_process import NodeProcess, found_trial, free_port
from tests.ledger.world import NOW


def test_a_taken_port_is_said_so_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port} cannot be opened .*choose another"):
            asyncio.run(serve(Starlette(), "127.0.0.1", port, lambda: None))


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
