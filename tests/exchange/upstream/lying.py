"""A FHIR server that answers what a test tells it to: nothing, late, or something else."""

import json
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

Said = tuple[int, dict[str, str], bytes]
Mouth = Callable[[str, str, bytes], Said]
"""Method, path with query, and body of a request; what to answer."""


def said(body: Any, status: int = 200, **headers: str) -> Said:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"content-type": "application/fhir+json", **named}, json.dumps(body).encode()


class LyingServer:
    """Listens on loopback until the end of the block; `asked` is what it was asked."""

    def __init__(self) -> None:
        self.mouth: Mouth = lambda *_: said({"resourceType": "OperationOutcome"}, 404)
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.slow_s = 0.0
        self.closed_with: list[Callable[[], None]] = []
        liar = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                liar.asked.append((self.command, self.path))
                liar.headers.append({name.lower(): value for name, value in self.headers.items()})
                status, headers, data = liar.mouth(self.command, self.path, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                half = len(data) // 2 if liar.slow_s else len(data)
                self.wfile.write(data[:half])
                if liar.slow_s:
                    self.wfile.flush()
                    time.sleep(liar.slow_s)
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - names of http.server

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - likewise
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/fhir"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for close in self.closed_with:
            close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
