"""Which engine program a node runs: one it is told of, the project's own, or the one on PATH."""

import shutil
import subprocess
from pathlib import Path

from careledger.ledger.errors import LedgerError

ENGINE_VERSION = "0.38.25"
"""The one that `tools/engine/go.mod` pins: validators that run different ones may disagree."""

PROGRAM = "cometbft"

_PROJECT = Path(__file__).resolve().parents[4]
_INSTALLED = _PROJECT / ".tools" / "bin" / PROGRAM
_ANSWER_S = 20


class NoEngine(LedgerError):
    """The engine program is not here, or is not the one that the network runs."""


def find_engine(configured: Path | None = None) -> Path:
    """The engine to run, at the version that this network runs.

    Raises:
        NoEngine: there is none, or it is of another version.
    """
    program = configured or _look()
    found = _version(program)
    if found != ENGINE_VERSION:
        raise NoEngine(
            f"{program} is an engine of another version: it says {found}, and this network runs "
            f"{ENGINE_VERSION}. `make engine` builds it; `engine_program` in node.toml names one"
        )
    return program


def _look() -> Path:
    if _INSTALLED.is_file():
        return _INSTALLED
    on_path = shutil.which(PROGRAM)
    if on_path is None:
        raise NoEngine(
            f"no consensus engine here: looked for {_INSTALLED} and for {PROGRAM} on PATH. `make "
            f"engine` builds it; `engine_program` in node.toml names one elsewhere"
        )
    return Path(on_path)


def _version(program: Path) -> str:
    """The first line that it answers when asked for its version."""
    try:
        run = subprocess.run(  # noqa: S603 - the operator's own program
            [program, "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ANSWER_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or "it does not answer"
        raise NoEngine(f"{program} is no engine that runs here: {reason}") from error
    lines = run.stdout.strip().splitlines()
    return lines[0][:80] if lines and run.returncode == 0 else "it does not say which"
