"""Start a FHIR server that nobody here wrote (Medplum's router in memory, HAPI's JPA server), or
ask HAPI's validator.

Medplum is up in a second or two. HAPI takes half a minute and 2 GB, so its tests are among the long
runs; the first time Maven also fetches it (about 400 MB).
"""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.node_process import free_port

HERE = Path(__file__).parent
HAPI = HERE / "hapi"
VALIDATOR = HERE / "validator"
READY = b"ready\n"
PATIENCE_S = 900


@contextmanager
def medplum(modules: Path, log: Path) -> Iterator[str]:
    """The base URL of `@medplum/fhir-router` over its memory repository; empty at first."""
    port = free_port()
    script = HERE / "medplum" / "server.mjs"
    with _running(
        [_program("node"), str(script), str(modules.parent), str(port)], log, within_s=60
    ):
        yield f"http://127.0.0.1:{port}/fhir"


@contextmanager
def hapi(log: Path) -> Iterator[str]:
    """The base URL of HAPI's JPA server (R4) over H2 in memory; empty at first."""
    java = _program("java")
    _build(HAPI, "hapi-peer-1.jar")
    port = free_port()
    path = f"{HAPI / 'target' / 'hapi-peer-1.jar'}:{HAPI / 'target' / 'lib'}/*"
    with _running([java, "-Xmx2g", "-cp", path, "Peer", str(port)], log, within_s=240):
        yield f"http://127.0.0.1:{port}/fhir"


@contextmanager
def validator(log: Path) -> Iterator[Callable[[str], list[list[str]]]]:
    """What HAPI's validator says of a resource in one line: severity, id, place and text of issues.

    The first answer takes long (20 s of processor time: it reads R4's definitions), the others a
    fraction of a second. One that takes more than `PATIENCE_S` ends the validator.
    """
    java = _program("java")
    _build(VALIDATOR, "hapi-validator-1.jar")
    path = f"{VALIDATOR / 'target' / 'hapi-validator-1.jar'}:{VALIDATOR / 'target' / 'lib'}/*"
    command = [java, "-Xmx1500m", "-cp", path, "Validate"]
    pipe = subprocess.PIPE
    with (
        log.open("w") as written,
        subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=written, encoding="utf-8"
        ) as process,
    ):
        try:
            yield lambda line: _asked(process, line)
        finally:
            process.kill()


def _asked(process: "subprocess.Popen[str]", line: str) -> list[list[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    watch = threading.Timer(PATIENCE_S, process.kill)
    watch.start()
    try:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        found = list[list[str]]()
        while (said := process.stdout.readline()) != "\n":
            assert said, f"the validator ended, or took over {PATIENCE_S} s: {line[:200]}"
            found.append(said.rstrip("\n").split("\t"))
        return found
    finally:
        watch.cancel()


def _build(project: Path, jar: str) -> None:
    if (project / "target" / jar).exists() and (project / "target" / "lib").is_dir():
        return
    command = [_program("mvn"), "-q", "-B", "-ntp", "-f", str(project / "pom.xml"), "package"]
    try:
        built = subprocess.run(command, capture_output=True, check=False, timeout=1200)
    except subprocess.TimeoutExpired:
        pytest.skip(f"HAPI is missing: Maven did not finish tests/peers/{project.name} in 20 min")
    if built.returncode:
        pytest.skip(f"HAPI is missing: Maven could not fetch or build tests/peers/{project.name}")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is missing: install it to test before a server that others wrote")
    return found


@contextmanager
def _running(command: Sequence[str], log: Path, *, within_s: float) -> Iterator[None]:
    with log.open("wb") as written:
        server = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + within_s
        while READY not in log.read_bytes():
            assert server.poll() is None, f"it ended: see {log}"
            assert time.monotonic() < end, f"it did not start in {within_s} s: see {log}"
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait(30)
