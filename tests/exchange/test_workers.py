"""Bundles are checked in a process beside the gateway, which ends with it and may die."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from careledger.exchange.crossing import start
from careledger.exchange.ingest import Ingestion
from careledger.exchange.workers import WORTH_A_PROCESS, checking_processes
from careledger.fhir.errors import WrongType
from tests.exchange.world import World, bundle, observation, tell


def many(name: str, **changed: object) -> bytes:
    some = [observation(f"{name}{number}") for number in range(WORTH_A_PROCESS)]
    return bundle(*some[:-1], some[-1] | changed)


def checked_by(world: World, pool: ProcessPoolExecutor) -> Ingestion:
    return Ingestion(world.riverside.organisation, world.riverside._batcher, pool)


def test_large_bundles_are_checked_elsewhere_and_small_ones_here(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with checking_processes(1) as pool:
            ingestion = checked_by(world, pool)
            small = await ingestion.bundle(bundle(observation("small")))
            assert small[0].status == 201
            assert not pool._processes
            outcomes = await ingestion.bundle(many("a"))
            assert [one.status for one in outcomes] == [201] * WORTH_A_PROCESS
            assert len(pool._processes) == 1
            with pytest.raises(WrongType) as refused:
                await ingestion.bundle(many("b", status=7))
            assert f"entry[{WORTH_A_PROCESS - 1}]" in refused.value.location

    tell(tmp_path, story)


def test_when_the_process_dies_threads_go_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with checking_processes(1) as pool:
            ingestion = checked_by(world, pool)
            await ingestion.bundle(many("a"))
            (worker,) = pool._processes
            os.kill(worker, signal.SIGKILL)
            for name in ("b", "c"):
                outcomes = await ingestion.bundle(many(name))
                assert {one.status for one in outcomes} == {201}

    tell(tmp_path, story)


def test_processes_may_start_before_they_are_needed() -> None:
    with checking_processes(2) as pool:
        start(pool, 2)
        assert len(pool._processes) == 2


PROGRAM = """
import os
import time
from careledger.exchange.workers import checking_processes

if __name__ == "__main__":
    pool = checking_processes(1)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""


def test_the_process_ends_with_a_gateway_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(PROGRAM)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        worker = int(it.stdout.readline())
        it.kill()
    end = time.monotonic() + 20
    while _is_running(worker):
        assert time.monotonic() < end
        time.sleep(0.05)


def _is_running(worker: int) -> bool:
    try:
        state = Path(f"/proc/{worker}/stat").read_text().split()[2]
    except OSError:
        return False
    return state != "Z"
