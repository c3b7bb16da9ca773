"""Which engine is run, and which is not."""

import sys
from pathlib import Path

import pytest

from careledger.consensus.cometbft import program
from careledger.consensus.cometbft.program import ENGINE_VERSION, NoEngine, find_engine
from tests.engine import engine_program

MODULE = Path(__file__).parents[3] / "tools" / "engine" / "go.mod"


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(0o755)
    return path


def speaking(path: Path, version: str) -> Path:
    return script(path, f"print({version!r})")


def test_the_engine_that_the_project_builds_is_the_one_it_runs() -> None:
    assert f"github.com/cometbft/cometbft v{ENGINE_VERSION}" in MODULE.read_text()
    assert find_engine(engine_program()) == engine_program()


def test_an_engine_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoEngine, match=r"engine of another version: it says 1\.0\.1, and"):
        find_engine(speaking(tmp_path / "cometbft", "1.0.1"))


@pytest.mark.parametrize(
    ("text", "says"),
    [("raise SystemExit(3)", "does not say which"), ("", "does not say which")],
)
def test_what_does_not_say_its_version_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(NoEngine, match=says):
        find_engine(script(tmp_path / "cometbft", text))


def test_what_cannot_be_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoEngine, match="No such file"):
        find_engine(tmp_path / "cometbft")
    (tmp_path / "cometbft").write_text("text")
    with pytest.raises(NoEngine, match="Permission denied"):
        find_engine(tmp_path / "cometbft")


def test_the_project_s_own_comes_before_the_one_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own" / "cometbft"
    other = speaking(tmp_path / "path" / "cometbft", ENGINE_VERSION)
    monkeypatch.setattr(program, "_INSTALLED", own)
    monkeypatch.setenv("PATH", str(other.parent))
    assert find_engine() == other
    speaking(own, ENGINE_VERSION)
    assert find_engine() == own


def test_without_any_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "_INSTALLED", tmp_path / "nothing")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoEngine, match="`make engine` builds it"):
        find_engine()
