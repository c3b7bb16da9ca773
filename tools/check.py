"""Every check that needs no test run: style, types, layers, documentation, help texts.

All of them run, so that one look shows everything that is wrong; the exit status is 0 only if none
failed.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

FOLDERS = ["src", "tests", "tools", "bench"]
CHECKS: dict[str, list[str]] = {
    "style": ["ruff", "check", "--quiet"],
    "format": ["ruff", "format", "--check", "--quiet"],
    "layers": ["lint-imports"],
    "types": ["mypy", *(folder for folder in FOLDERS if any((ROOT / folder).rglob("*.py")))],
    "documentation": ["mkdocs", "build", "--strict", "--quiet", "--site-dir", "site"],
    "help texts": ["python", "tools/check_help.py"],
}


def main() -> int:
    """Run each check, show the output of those that fail, and say how each ended."""
    failed = 0
    for name, (program, *arguments) in CHECKS.items():
        started = time.monotonic()
        run = subprocess.run(
            [BIN / program, *arguments],
            cwd=ROOT,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        seconds = time.monotonic() - started
        if run.returncode:
            failed += 1
            print(run.stdout, end="")
        print(f"{name:<14} {'FAILED' if run.returncode else 'ok':<7} {seconds:5.1f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
