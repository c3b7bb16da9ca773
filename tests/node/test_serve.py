import asyncio
import socket

import pytest
from starlette.applications import Starlette

from careledger.node.serve import PortTaken, serve


def test_a_taken_port_is_said_so_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port} cannot be opened .*choose another"):
            asyncio.run(serve(Starlette(), "127.0.0.1", port, lambda: None))
