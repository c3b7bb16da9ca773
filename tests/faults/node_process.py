"""A real node in a process of its own, which a test may kill at any moment."""

import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

from careledger.node.founding import Founder, Network, found

_RUN = """
import asyncio, sys
from pathlib import Path
from typing import Self
from careledger.node.serve import run_node
if __name__ == "__main__":
    asyncio.run(run_node(Path(sys.argv[1]), lambda node: print("ready", flush=True)))
"""

START_S = 30


def free_port(*also: int) -> int:
    """A port that nothing listens on just now, nor on those that lie `also` so far above it.

    Below the ephemeral range: no connection of anybody's comes to sit on it meanwhile.
    """
    for _ in range(1_000):
        port = secrets.randbelow(11_000) + 20_000
        if all(_is_free(port + offset) for offset in (0, *also)):
            return port
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def found_trial(folder: Path, *, time: int) -> Network:
    """A network of one member, whose node any test may run."""
    founders = [Founder(id="riverside", name="Riverside Hospital", roles=("provider",))]
    return found(folder, founders, name="trial", time=time, first_port=free_port())


class NodeProcess:
    """One run of a node; it is ended with the `with` block, one way or the other."""

    def __init__(self, home: Path) -> None:
        self.said = ""
        """Its log, once it was stopped."""
        script = home / "run.py"
        script.write_text(_RUN)  # a file, because spawned workers import the main module
        self._process = subprocess.Popen(
            [sys.executable, str(script), str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line.strip() != "ready":
            self._process.kill()
            _, errors = self._process.communicate()
            raise AssertionError(f"the node did not start: {errors[-2000:]}")
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it without a word, as `kill -9` does."""
        self._process.kill()
        self._process.communicate(timeout=START_S)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self._process.terminate()
        _, self.said = self._process.communicate(timeout=START_S)
        return self._process.returncode
