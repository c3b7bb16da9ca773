"""A node whose clock is wrong, with an engine whose clock is as wrong.

The node takes its clock as an argument. The engine takes none, so a copy of its pinned source is
built with another `Now` in its one package for time; that needs Go, and a minute.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from careledger.consensus.cometbft.program import PROGRAM
from careledger.node.config import load_node
from careledger.node.listening import serve
from careledger.node.serve import open_node
from tests.conftest import ROOT

AHEAD_S = 3_600

_PACKAGE = "github.com/cometbft/cometbft"
_TOOLS = ROOT / ".tools"


def shifted_engine(folder: Path) -> Path:
    """The pinned engine, built with a clock that is `AHEAD_S` ahead."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("an engine with a wrong clock is built with Go, and Go is not here")
    pinned = ROOT / "tools" / "engine"
    environment = os.environ | {
        "GOPATH": str(_TOOLS / "go"),
        "GOCACHE": str(_TOOLS / "go" / "cache"),
        "GOFLAGS": "-mod=readonly -modcacherw",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }

    def run(*words: str | Path) -> str:
        done = subprocess.run(
            [go, *words], cwd=pinned, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    copied = folder / "source"
    shutil.copytree(run("list", "-m", "-f", "{{.Dir}}", _PACKAGE), copied)
    source = copied / "types" / "time" / "time.go"
    right, wrong = "Canonical(time.Now())", f"Canonical(time.Now().Add({AHEAD_S} * time.Second))"
    text = source.read_text()
    assert text.count(right) == 1, "the engine asks for the time elsewhere now"
    source.write_text(text.replace(right, wrong))
    module = folder / "go.mod"
    instead = f"replace {_PACKAGE} => {copied}"
    module.write_text((pinned / "go.mod").read_text() + instead + "\n")
    shutil.copy(pinned / "go.sum", folder / "go.sum")
    program = folder / PROGRAM
    run("build", f"-modfile={module}", "-trimpath", "-o", program, f"{_PACKAGE}/cmd/cometbft")
    return program


def _clock() -> int:
    return int(time.time()) + AHEAD_S


async def _run(home: Path) -> None:
    config = load_node(home)
    async with open_node(home, config, clock=_clock) as node:
        await serve(node.app, config.host, config.port, lambda: None)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
