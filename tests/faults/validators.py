"""Four members' nodes, each the real program with its real engine, over links that can be cut.

Started by the public command line, as four hospitals would; what a test does to them, it does to
processes, files and links.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import permutations
from pathlib import Path
from typing import Self

import httpx2
from msgspec.structs import replace

from careledger.ledger.membership import NetworkParameters
from careledger.node.config import NODE_FILE, format_toml, load_node
from careledger.node.consortium import found_consortium, founder
from careledger.node.founding import Founder, Network
from careledger.store.layout import data_file
from tests.conftest import ROOT
from tests.faults.node_process import free_port
from tests.faults.relays import Link, Relays

MEMBERS = ("hospital", "clinic", "payer", "pharmacy")
FAR = 40
"""Ports of the links begin so far above those of the nodes."""

PATIENCE_S = 240.0
"""For what must happen on a machine that others use too; nothing is expected to take so long."""

_HTTP = httpx2.Client(timeout=5, trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))
"""One for all: each client reads all certificate authorities first, and health is asked often."""


class Validator:
    """One member's node and engine, as processes."""

    def __init__(self, home: Path, url: str) -> None:
        self.home, self.url = home, url
        self._process: subprocess.Popen[bytes] | None = None
        self._paused: list[int] = []

    @property
    def ledger(self) -> Path:
        return self.home / load_node(self.home).ledger

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """`careledger node run`; what it says goes to a file in its home."""
        self._start(Path(sys.executable).with_name("careledger"), "node", "run", self.home)

    def start_with_wrong_clock(self, engine: Path) -> None:
        """The same node by another clock, as is that of `engine`."""
        self._configure(engine_program=str(engine))
        self._start(Path(sys.executable), "-m", "tests.faults.wrong_clock", self.home)

    def set_clock_right(self) -> None:
        """From the next start on."""
        self._configure(engine_program=None)

    def _configure(self, engine_program: str | None) -> None:
        config = replace(load_node(self.home), engine_program=engine_program)
        (self.home / NODE_FILE).write_text(format_toml(config))

    def _start(self, *command: str | Path) -> None:
        assert not self.is_running
        with (self.home / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT
            )

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        """End it without a word; the kernel ends its engine with it."""
        if self._process is not None:
            engine = self.engine
            self.resume()
            self._process.kill()
            self._process.wait()
            until(lambda: engine is None or not _lives(engine), "the engine outlived its node")

    @property
    def engine(self) -> int | None:
        """The process id of its engine, if one runs now."""
        assert self._process is not None
        with suppress(OSError):
            for child in _children(self._process.pid):
                if b"cometbft" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return child
        return None

    def kill_engine(self) -> None:
        """End the engine alone."""
        until(lambda: self.engine is not None, "no engine to kill")
        engine = self.engine
        assert engine is not None
        os.kill(engine, signal.SIGKILL)

    def pause(self) -> None:
        """Stop both where they are."""
        assert self._process is not None
        pids = [self._process.pid, self.engine]
        self._paused = [pid for pid in pids if pid is not None]
        for pid in self._paused:
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let both go on."""
        for pid in self._paused:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._paused = []

    def lose_disk(self) -> None:
        """Lose all that a node can get back from others: keys and configuration stay."""
        shutil.rmtree(self.ledger)
        for name in (load_node(self.home).engine_home, "vouched"):
            shutil.rmtree(self.home / name, ignore_errors=True)

    def fill_disk(self, spare: int) -> None:
        """Let its files grow by no more than `spare` bytes; `free_disk` takes it back."""
        assert self._process is not None
        most = data_file(self.ledger).stat().st_size + spare
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def free_disk(self) -> None:
        assert self._process is not None
        forever = resource.RLIM_INFINITY
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (forever, forever))

    def health(self) -> dict[str, object]:
        """What its health page says; empty if it does not answer."""
        try:
            found: dict[str, object] = _HTTP.get(f"{self.url}/v1/health").json()
        except (httpx2.HTTPError, ValueError):
            return {}
        return found

    @property
    def height(self) -> int:
        """Of its newest block; -1 if it does not answer."""
        found = self.health().get("height", -1)
        assert isinstance(found, int)
        return found

    @property
    def is_well(self) -> bool:
        return self.health().get("status") == "pass"


class Validators:
    """The network: all nodes, and the links between their engines."""

    def __init__(
        self,
        folder: Path,
        parameters: NetworkParameters | None = None,
        founders: Sequence[Founder] = tuple(map(founder, MEMBERS)),
    ) -> None:
        offsets = (*range(40), *range(FAR, FAR + 12))
        first = free_port(*offsets)
        self.network: Network = found_consortium(
            folder,
            founders,
            name="fault trial",
            time=int(time.time()) - 60,
            parameters=parameters,
            first_port=first,
        )
        self.nodes = [
            Validator(home, self.network.nodes[member])
            for member, home in self.network.node_homes.items()
        ]
        self.relays = self._relay(first + FAR)
        self._owned = ExitStack()

    def _relay(self, first: int) -> Relays:
        """Let every engine reach each other one by a link of theirs alone."""
        links: dict[Link, int] = {
            link: first + number
            for number, link in enumerate(permutations(range(len(self.nodes)), 2))
        }
        configs = [load_node(node.home) for node in self.nodes]
        ports = [int(config.engine_listen.rpartition(":")[2]) for config in configs]
        for number, (node, config) in enumerate(zip(self.nodes, configs, strict=True)):
            peers = tuple(self._through(peer, number, ports, links) for peer in config.engine_peers)
            (node.home / NODE_FILE).write_text(format_toml(replace(config, engine_peers=peers)))
        return Relays(links, dict(enumerate(ports)))

    @staticmethod
    def _through(peer: str, number: int, ports: Sequence[int], links: dict[Link, int]) -> str:
        name, _, port = peer.rpartition(":")
        return f"{name}:{links[number, ports.index(int(port))]}"

    def __enter__(self) -> Self:
        self._owned.enter_context(self.relays)
        for node in self.nodes:
            self._owned.callback(node.kill)
            node.start()
        self.until_well()
        return self

    def __exit__(self, *_: object) -> None:
        self._owned.close()

    def hand_over(self, to: Validator) -> None:
        """Let a member's node be run in another way; the member's own has been stopped."""
        [number] = [n for n, node in enumerate(self.nodes) if node.home == to.home]
        assert not self.nodes[number].is_running
        self.nodes[number] = to
        self._owned.callback(to.kill)
        to.start()

    def until_well(self, *, without: Sequence[Validator] = ()) -> None:
        """Wait until every node, but for some, is healthy and has what any of them has now."""
        nodes = [node for node in self.nodes if node not in without]
        newest = max(node.height for node in nodes)
        until(
            lambda: all(node.is_well and node.height >= newest for node in nodes),
            lambda: f"not well at {newest}: {[node.health() for node in nodes]}",
        )

    def until_progress(self, *, without: Sequence[Validator] = ()) -> None:
        """Wait until blocks are made beyond what any node has now."""
        nodes = [node for node in self.nodes if node not in without]
        before = max(node.height for node in nodes)
        until(
            lambda: max(node.height for node in nodes) > before + 1,
            lambda: f"no progress: {[node.health() for node in nodes]}",
        )

    @contextmanager
    def stopped(self) -> Iterator[list[Path]]:
        """End all in order; their ledgers, to be looked at."""
        for node in self.nodes:
            assert node.stop() == 0
        yield [node.ledger for node in self.nodes]


def until(condition: Callable[[], bool], otherwise: str | Callable[[], str]) -> None:
    """Wait for what must become true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(otherwise if isinstance(otherwise, str) else otherwise())
        time.sleep(0.1)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a thread that has ended
            found += map(int, (thread / "children").read_text().split())
    return found


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
