"""The same transactions make the same chain: whatever the hash seed, the locale, the Python."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.determinism.telling import write

ROOT = Path(__file__).parent.parent.parent
PYTHONS = ROOT / ".tools" / "pythons"
VERSIONS = ("3.11", "3.12", "3.13")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    write(folder)
    return folder


def told(chain: Path, new: Path, python: Path | str = sys.executable, **variables: str) -> Any:
    """What another process says of the chain, and of the one it writes itself."""
    ran = subprocess.run(
        [python, "-m", "tests.determinism.telling", chain, new],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **variables},
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def expected(chain: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return told(chain, tmp_path_factory.mktemp("expected"), PYTHONHASHSEED="0")


def test_what_is_told_is_about_something(expected: Any) -> None:
    assert expected["replay"] == "sound, 26 blocks"
    assert expected["rows"] != expected["entries"]


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "4294967295", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
        {"PYTHONOPTIMIZE": "1", "PYTHONUTF8": "0", "LC_ALL": "C.UTF-8"},
    ],
    ids=" ".join,
)
def test_the_environment_does_not_matter(
    chain: Path, expected: Any, tmp_path: Path, variables: dict[str, str]
) -> None:
    assert told(chain, tmp_path, **variables) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_the_python_does_not_matter(
    chain: Path, expected: Any, tmp_path: Path, version: str
) -> None:
    python = PYTHONS / version / "bin" / "python"
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        python = Path(sys.executable)
    if not python.exists():
        pytest.skip(f"Python {version} with the libraries is missing: install it, `make pythons`")
    assert told(chain, tmp_path, python, PYTHONHASHSEED="7") == expected
