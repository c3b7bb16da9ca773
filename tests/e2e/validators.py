"""Four members' nodes and engines, processes of their own, as the command line starts them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from careledger.node.config import load_node
from tests.cli.running import done
from tests.engine import engine_program
from tests.faults.node_process import free_port

MEMBERS = ("hospital", "clinic", "payer", "pharmacy")
PORTS = (1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23)
PATIENCE_S = 120

_HTTP = httpx2.Client(
    timeout=10, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0)
)
"""One for all: each client reads all certificate authorities first, and health is asked often."""


class Validators:
    """The network's homes, and the nodes that run."""

    def __init__(self, folder: Path) -> None:
        engine_program()
        self.folder, self.port = folder, free_port(*PORTS)
        self.said = done(
            *("network", "init", folder),
            *("--members", ",".join(MEMBERS), "--port", self.port),
        )
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}

    def home(self, member: str) -> Path:
        return self.folder / "members" / member / "node"

    def url(self, member: str) -> str:
        return f"http://127.0.0.1:{load_node(self.home(member)).port}"

    def start(self, *members: str) -> None:
        for member in members:
            with (self.folder / f"{member}.log").open("ab") as log:
                command = [sys.executable, "-m", "careledger.cli", "node", "run"]
                self.nodes[member] = subprocess.Popen(
                    [*command, self.home(member)], stdout=log, stderr=subprocess.STDOUT
                )

    def end(self, member: str, how: signal.Signals) -> int:
        node = self.nodes.pop(member)
        node.send_signal(how)
        return node.wait(PATIENCE_S)

    def close(self) -> None:
        for node in self.nodes.values():
            node.terminate()
        for node in self.nodes.values():
            node.wait(PATIENCE_S)
        self.nodes.clear()

    def health(self, member: str) -> dict[str, Any]:
        """What the node says of itself; nothing if it does not answer."""
        try:
            found: dict[str, Any] = _HTTP.get(f"{self.url(member)}/v1/health").json()
        except httpx2.HTTPError:
            return {}
        return found

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(path.read_text()[-2_000:] for path in self.folder.glob("*.log"))
                raise AssertionError(f"{[self.health(member) for member in MEMBERS]}\n{logs}")
            time.sleep(0.1)

    def until_they_commit(self, *members: str) -> None:
        self.until(lambda: all(self.health(one).get("status") == "pass" for one in members))

    def engine(self, member: str) -> int:
        """The process of its engine, found among all by its home; 0 if there is none."""
        own = os.fsencode(self.home(member).resolve() / "engine")
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if own in path.read_bytes().split(b"\0"):
                    return int(path.parent.name)
            except OSError:
                continue
        return 0
