"""A node that lies: it passes on what a real one answers, altered as the test says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2

Alter = Callable[[str, int, bytes], tuple[int, bytes]]
"""(path, status, body) of the honest answer -> what is answered instead."""


@contextmanager
def lying(honest: str, alter: Alter) -> Iterator[str]:
    """The URL of a liar in front of the node at `honest`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = httpx2.get(honest + self.path)
            status, body = alter(self.path, answer.status_code, answer.content)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
