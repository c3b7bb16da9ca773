"""The lists of libraries agree with each other and give away no package index."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
TLOG_MODULE = ROOT / "tests" / "interop" / "tlog" / "go.mod"
ENGINE_MODULE = ROOT / "tools" / "engine" / "go.mod"
LOCKS = sorted(REQUIREMENTS.glob("*.lock"))


def name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return match[0].lower()


def listed(path: Path) -> set[str]:
    lines = (line.split("#")[0].strip() for line in path.read_text().splitlines())
    return {name(line) for line in lines if line}


def locked(path: Path) -> dict[str, str]:
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text(), re.MULTILINE)
    return {package.lower(): version for package, version in pins}


def runtime() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {name(requirement) for requirement in project["dependencies"]}


def development() -> set[str]:
    return listed(REQUIREMENTS / "dev.in") | listed(REQUIREMENTS / "bootstrap.in")


def clients() -> set[str]:
    return listed(REQUIREMENTS / "clients.in")


def by_go() -> set[str]:
    """What Go builds: the engine, the reader of log tiles, and Go itself."""
    tools = re.findall(r"^tool (\S+)/cmd/\S+$", ENGINE_MODULE.read_text(), re.MULTILINE)
    tlog = re.findall(r"^require (\S+) v", TLOG_MODULE.read_text(), re.MULTILINE)
    assert tools
    assert tlog
    return listed(REQUIREMENTS / "engine.in") | set(tools) | set(tlog)


def test_the_engine_and_all_it_is_built_of_are_hashed() -> None:
    wanted = re.findall(r"^\t(\S+) (v\S+)$", ENGINE_MODULE.read_text(), re.MULTILINE)
    hashed = re.findall(
        r"^(\S+) (v\S+) h1:", ENGINE_MODULE.with_suffix(".sum").read_text(), re.MULTILINE
    )
    assert ("github.com/cometbft/cometbft", "v0.38.25") in wanted
    assert set(hashed) >= set(wanted)


def test_every_library_has_its_line_and_every_line_its_library() -> None:
    page = (ROOT / "docs" / "explanation" / "dependencies.md").read_text()
    rows = set(re.findall(r"^\| ([@a-z][\w./-]*) \|", page, re.MULTILINE))
    package = json.loads((ROOT / "tests" / "interop" / "package.json").read_text())
    packages = set(package["dependencies"])
    assert rows == runtime() | development() | clients() | by_go() | packages


def test_locks_hold_what_is_asked_for() -> None:
    assert runtime() <= locked(REQUIREMENTS / "runtime.lock").keys()
    assert development() - {"uv"} <= locked(REQUIREMENTS / "dev.lock").keys()
    assert clients() <= locked(REQUIREMENTS / "clients.lock").keys()


def test_development_runs_what_users_run() -> None:
    assert (
        locked(REQUIREMENTS / "runtime.lock").items() <= locked(REQUIREMENTS / "dev.lock").items()
    )


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_library_has_its_hashes(lock: Path) -> None:
    entries = re.split(r"^(?=\S)", lock.read_text(), flags=re.MULTILINE)
    unhashed = [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry]
    assert locked(lock)
    assert unhashed == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_index(lock: Path) -> None:
    assert "://" not in lock.read_text()
    assert "--index" not in lock.read_text()
    assert "--find-links" not in lock.read_text()


def test_the_npm_lock_names_no_registry() -> None:
    packages = json.loads((ROOT / "tests" / "interop" / "package-lock.json").read_text())[
        "packages"
    ]
    installed = [entry for path, entry in packages.items() if path]
    assert installed
    assert all("integrity" in entry and "resolved" not in entry for entry in installed)
