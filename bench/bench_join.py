"""A new node with a million rows is serving in 60 s, in 700 MB of its own: both are goals.

A node that holds the rows keeps a snapshot and answers over HTTP; a second home, empty but for its
keys, runs `careledger node join` and then `careledger node run`, each a process of its own as an
operator starts them. The clock runs from the first to the first good answer about a row. Memory is
RssAnon, looked at all the time, the highest of either process.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import httpx2
import msgspec

from bench.bench_state_growth import grow
from bench.measure import Signer, trial_network
from careledger.apps import installed
from careledger.ledger.genesis import active_applications, load_genesis
from careledger.node.config import NODE_FILE, NodeConfig, format_toml, load_node
from careledger.node.founding import Network
from careledger.store.layout import data_file
from careledger.store.store import Store
from tests.faults.node_process import free_port

ROWS = 1_000_000
TIME_GOAL_S, MEMORY_GOAL_MB = 60.0, 700
PATIENCE_S = 600

ROW = "/v1/state/ledger.signers?key=riverside"


class Memory:
    """The most that the processes it was told of had for themselves, in MB."""

    def __init__(self) -> None:
        self.most: dict[str, float] = {}
        self._process: tuple[str, int] | None = None
        self._ended = Event()
        self._thread = Thread(target=self._look)
        self._thread.start()

    def of(self, name: str, process: int) -> None:
        self._process = (name, process)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            if self._process is None:
                continue
            name, process = self._process
            try:
                status = Path(f"/proc/{process}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            for line in status.splitlines():
                if line.startswith("RssAnon:"):
                    now = int(line.split()[1]) / 1024
                    self.most[name] = max(now, self.most.get(name, 0.0))


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "careledger.cli", *map(str, arguments)]


def until(what: Callable[[], bool]) -> None:
    end = time.perf_counter() + PATIENCE_S
    while not what():
        if time.perf_counter() > end:
            raise TimeoutError
        time.sleep(0.02)


def answers(url: str, path: str) -> bool:
    try:
        return httpx2.get(url + path, timeout=5.0).status_code == httpx2.codes.OK
    except httpx2.HTTPError:
        return False


@contextmanager
def running(home: Path, memory: Memory | None = None) -> Iterator[str]:
    """The URL of the node in `home`, run as an operator does."""
    config = load_node(home)
    process = subprocess.Popen(command("node", "run", home), stdout=subprocess.DEVNULL)
    if memory:
        memory.of("run", process.pid)
    try:
        yield f"http://{config.host}:{config.port}"
    finally:
        process.terminate()
        process.wait()


def configure(home: Path, **changed: object) -> NodeConfig:
    config: NodeConfig = msgspec.structs.replace(load_node(home), **changed)
    (home / NODE_FILE).write_text(format_toml(config))
    return config


def prepare(network: Network) -> None:
    """A ledger with the rows, before its node begins."""
    home = network.node_home
    config = configure(home, snapshot_every=1)
    genesis_file = (home / config.genesis).read_bytes()
    applications = active_applications(load_genesis(genesis_file)[1], installed(), 0)
    with Store.create(home / config.ledger, genesis_file, applications) as store:
        grow(store, ROWS)


def newcomer(network: Network, url: str) -> Path:
    """The same member's home after its disk was lost."""
    source = network.node_home
    home = source.parent / "new"
    home.mkdir()
    for path in source.iterdir():
        if path.is_file():
            shutil.copy(path, home / path.name)
        elif path.name == "keys":
            shutil.copytree(path, home / path.name)
    configure(home, port=free_port(), cosigners=(url,), snapshot_every=0)
    return home


def take_snapshot(url: str, signer: Signer, ledger: Path) -> tuple[float, float]:
    """Seconds from a block to its snapshot's being there, and how much the ledger's file grew."""
    size = data_file(ledger).stat().st_size
    started = time.perf_counter()
    answer = httpx2.post(
        url + "/v1/transactions",
        content=signer.sign(),
        headers={"content-type": "application/cose"},
    )
    assert answer.is_success, answer.text
    until(lambda: bool(httpx2.get(url + "/v1/snapshots").json()["snapshots"]))
    return time.perf_counter() - started, (data_file(ledger).stat().st_size - size) / 1e6


def join(home: Path, trust: Path, memory: Memory) -> tuple[float, float]:
    """Seconds until the ledger was there, and until the node served."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command("node", "join", home, "--trust", trust), stdout=subprocess.DEVNULL
    )
    memory.of("join", process.pid)
    assert process.wait() == 0
    joined = time.perf_counter() - started
    with running(home, memory) as url:
        until(lambda: answers(url, "/v1/health") and answers(url, ROW))
        return joined, time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        network, keys = trial_network(Path(place) / "network", free_port())
        prepare(network)
        ledger = network.node_home / load_node(network.node_home).ledger
        trust = Path(place) / "trust.json"
        genesis = network.node_home / load_node(network.node_home).genesis
        subprocess.run(
            command("trust", "--genesis", genesis, "--threshold", 1, "--out", trust),
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with running(network.node_home) as url:
            until(lambda: answers(url, "/v1/health"))
            taking, grown = take_snapshot(url, Signer(network, keys), ledger)
            kept = network.node_home / "snapshots"
            size = sum(path.stat().st_size for path in kept.rglob("chunk-*")) / 1e6
            memory = Memory()
            try:
                joined, served = join(newcomer(network, url), trust, memory)
            finally:
                memory.close()
    most = max(memory.most.values())
    print(
        f"{ROWS:,} rows, a snapshot of {size:.0f} MB, taken in {taking:.1f} s; file +{grown:.0f} MB"
    )
    print(f"serving / goal of {TIME_GOAL_S:.0f} s: {served / TIME_GOAL_S:.2f} ({served:.1f} s)")
    print(
        f"  fetched, checked, in place: {joined:.1f} s; "
        f"start-up to first answer: {served - joined:.1f} s"
    )
    print(f"memory / goal of {MEMORY_GOAL_MB} MB: {most / MEMORY_GOAL_MB:.2f} ({most:.0f} MB)")
    for name, value in memory.most.items():
        print(f"  {name}: {value:.0f} MB")


if __name__ == "__main__":
    main()
