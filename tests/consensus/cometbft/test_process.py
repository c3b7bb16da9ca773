"""The engine as a process: started, watched, started again, and never left behind.

It really is the engine, over the application that it brings along.
"""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from careledger.consensus.cometbft import process as module
from careledger.consensus.cometbft.home import (
    EngineHome,
    EngineSettings,
    peer_id,
    write_home,
)
from careledger.consensus.cometbft.process import EngineProcess, KeyInTwoHomes
from careledger.consensus.cometbft.standing import Standing
from careledger.ledger.record import digest
from careledger.ledger.signature import SigningKey
from tests.engine import engine_program
from tests.faults.node_process import free_port

WAIT_S = 60
FAILURE = '{"level":"error","_msg":"CONSENSUS FAILURE!!!","err":"wrong app hash"}'


def validator(consensus: SigningKey) -> dict[str, object]:
    public = base64.b64encode(consensus.public.public).decode()
    return {"pub_key": {"type": "tendermint/PubKeyEd25519", "value": public}, "power": "10"}


class Alone:
    """The home of a validator whose vote is enough."""

    def __init__(self, folder: Path, name: str = "hospital", chain: str = "careledger-one") -> None:
        self.home = EngineHome(folder)
        self.consensus = SigningKey("EdDSA", digest(name.encode()))
        self.peer = SigningKey("EdDSA", digest(f"{name} connects".encode()))
        self.port = free_port()
        self.peers: tuple[str, ...] = ()
        self.chain = chain
        self.validators = [self.consensus]

    @property
    def address(self) -> str:
        return f"{peer_id(self.peer)}@127.0.0.1:{self.port}"

    def write(self) -> None:
        genesis = {
            "genesis_time": "2026-11-01T00:00:00Z",
            "chain_id": self.chain,
            "validators": [validator(key) for key in self.validators],
        }
        settings = EngineSettings(
            name="hospital", listen=f"127.0.0.1:{self.port}", peers=self.peers
        )
        write_home(
            self.home,
            settings,
            genesis=json.dumps(genesis).encode(),
            consensus=self.consensus,
            peer=self.peer,
        )

    def process(self, program: Path | None = None) -> EngineProcess:
        made = EngineProcess(program or engine_program(), self.home, self.write)
        if program is None:
            made.arguments += ("--proxy_app", "kvstore")
        return made


@asynccontextmanager
async def running(alone: Alone, program: Path | None = None) -> AsyncIterator[EngineProcess]:
    process = alone.process(program)
    process.start()
    try:
        yield process
    finally:
        await process.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - another process has no event for it
            await asyncio.sleep(0.05)


def rpc(alone: Alone) -> httpx2.AsyncClient:
    transport = httpx2.AsyncHTTPTransport(uds=str(alone.home.rpc_socket))
    return httpx2.AsyncClient(transport=transport, base_url="http://engine")


async def height(alone: Alone) -> int:
    async with rpc(alone) as client:
        try:
            answer = (await client.get("/status")).json()
        except httpx2.HTTPError:
            return 0
    return int(answer["result"]["sync_info"]["latest_block_height"])


async def until_height(alone: Alone, wanted: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while await height(alone) < wanted:  # noqa: ASYNC110 - another process has no event for it
            await asyncio.sleep(0.1)


def alive(pid: int | None) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def alone(tmp_path: Path) -> Alone:
    return Alone(tmp_path / "engine")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT_S", 0.05)
    caplog.set_level("DEBUG")  # a line that is filtered out hides what is wrong with it


async def _killed_and_stopped(alone: Alone) -> None:
    async with running(alone) as process:
        await until_height(alone, 1)
        first = process.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: process.starts == 2)
        assert process.ended == "was killed by SIGKILL"
        await until_height(alone, 2)
        process.runs_well()
        assert process.ended is None
        second = process.pid
    assert not alive(first)
    assert not alive(second)
    assert b'"level":"info"' in alone.home.log.read_bytes()


def test_an_engine_that_is_killed_is_started_again_and_goes_on(alone: Alone) -> None:
    asyncio.run(_killed_and_stopped(alone))


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!{sys.executable}\nimport time\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("", "ended with status 0"),
        ("print('panic: no disk'); raise SystemExit(2)", "ended with status 2: panic: no disk"),
        (
            f"print({FAILURE!r}, flush=True); time.sleep(60)",
            "was killed by SIGTERM: CONSENSUS FAILURE!!!: wrong app hash",
        ),
    ],
    ids=["a quiet exit", "a panic", "consensus failure"],
)
def test_no_end_of_it_is_a_good_one(alone: Alone, tmp_path: Path, text: str, how: str) -> None:
    async def tried() -> None:
        async with running(alone, script(tmp_path / "cometbft", text)) as process:
            await until(lambda: process.starts >= 2)
            assert process.ended == how

    asyncio.run(tried())


def test_no_variable_of_a_shell_changes_its_settings(
    alone: Alone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CMT_CONSENSUS_TIMEOUT_COMMIT", "1h")
    monkeypatch.setenv("CMTHOME", "/nowhere")
    monkeypatch.setenv("CARELEDGER_TEST", "stays")
    tells = (
        "import os; print('panic:', *sorted(x for x in os.environ if 'CMT' in x or 'CARE' in x))"
    )

    async def tried() -> None:
        async with running(alone, script(tmp_path / "cometbft", tells)) as process:
            await until(lambda: process.starts >= 2)
            assert str(process.ended).endswith("panic: CARELEDGER_TEST")

    asyncio.run(tried())


def test_an_engine_that_cannot_be_started_is_tried_again(alone: Alone, tmp_path: Path) -> None:
    async def tried() -> None:
        async with running(alone, tmp_path / "nothing") as process:
            await until(lambda: process.starts >= 2)
            assert "ended with status 1" in str(process.ended)

    asyncio.run(tried())


def second_home(first: Alone, folder: Path) -> Alone:
    """A home with the same validator's key."""
    second = Alone(folder)
    second.consensus, second.validators = first.consensus, first.validators
    second.peer = SigningKey("EdDSA", digest(b"another connects"))
    return second


def test_a_key_that_votes_from_two_homes_is_told_and_one_stops_for_good(
    alone: Alone, tmp_path: Path
) -> None:
    second = second_home(alone, tmp_path / "second")
    second.peers = (alone.address,)

    async def tried() -> None:
        async with running(alone) as one, running(second) as two:
            await until(lambda: one.failed.done() or two.failed.done())
            [stopped, *_] = [process for process in (one, two) if process.failed.done()]
            with pytest.raises(KeyInTwoHomes, match="another home votes"):
                await stopped.failed
            await until(lambda: stopped.pid is None)
            assert stopped.starts == 1

    asyncio.run(tried())


def test_a_home_that_does_not_know_of_its_key_s_last_votes_waits(alone: Alone) -> None:
    """Its blocks were brought back without it; votes may have been given from elsewhere."""

    async def tried() -> None:
        async with running(alone):
            await until_height(alone, 2)
        nothing = {"height": "0", "round": 0, "step": 0}
        alone.home.validator_state.write_text(json.dumps(nothing))
        async with running(alone) as process:
            await until(lambda: process.ended)
            assert "its validator's key voted in the last blocks" in str(process.ended)
            assert not process.failed.done()
            assert not alone.home.has_voted()

    asyncio.run(tried())


def test_another_chain_s_peer_is_told_and_not_listened_to(alone: Alone, tmp_path: Path) -> None:
    stranger = Alone(tmp_path / "stranger", "stranger", "careledger-other")
    stranger.peers = (alone.address,)

    async def tried() -> None:
        async with running(alone) as here, running(stranger) as there:
            await until(lambda: here.strangers or there.strangers)
            await until_height(alone, 1)
            await until_height(stranger, 1)

    asyncio.run(tried())


async def _standing(alone: Alone) -> None:
    blocks = asyncio.Condition()
    async with running(alone) as process, rpc(alone) as client:
        standing = Standing(process, client, (f"{'ab' * 20}@127.0.0.1:{free_port()}",))
        assert standing.trouble == "the engine is starting"
        standing.start(blocks)
        try:
            await until(lambda: "no block" in (standing.trouble or ""))
            assert "connected to 0 of 1 other engines" in str(standing.trouble)
            await until_height(alone, 1)
            async with blocks:
                blocks.notify_all()
            await until(lambda: standing.trouble is None)
            assert standing.facts() == {
                "name": "cometbft",
                "version": "0.38.25",
                "starts": 1,
                "peers": 0,
                "peers_configured": 1,
                "peers_of_another_chain": 0,
            }
            os.kill(process.pid or 0, signal.SIGKILL)
            await until(lambda: "was killed by SIGKILL" in (standing.trouble or ""))
        finally:
            await standing.close()


def test_health_is_what_the_engine_does_not_that_it_answers(alone: Alone) -> None:
    asyncio.run(_standing(alone))


_ORPHAN = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.consensus.cometbft.test_process import Alone

async def main():
    alone = Alone(Path(sys.argv[1]))
    process = alone.process()
    process.start()
    while process.pid is None:
        await asyncio.sleep(0.01)
    Path(sys.argv[2]).write_text(str(process.pid))
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own watch is Linux's")
def test_no_engine_outlives_a_node_that_is_killed(tmp_path: Path) -> None:
    engine_program()
    told = tmp_path / "pid"
    root = str(Path(__file__).parents[3])
    node = subprocess.Popen([sys.executable, "-c", _ORPHAN, tmp_path / "engine", told, root])
    try:
        _wait(lambda: told.exists() and told.read_text())
        pid = int(told.read_text())
        _wait(lambda: b"cometbft" in Path(f"/proc/{pid}/cmdline").read_bytes())
    finally:
        node.kill()
        node.wait()
    _wait(lambda: not alive(pid))


def _wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_bug_in_the_keeping_ends_the_node(alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: EngineProcess) -> str:
        raise KeyError

    async def tried() -> None:
        monkeypatch.setattr(EngineProcess, "_run", broken)
        async with running(alone) as process:
            with pytest.raises(KeyError):
                await asyncio.wait_for(process.failed, WAIT_S)

    asyncio.run(tried())
