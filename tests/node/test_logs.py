"""Logs: one line each, with a word to filter by, and nobody's data in it whatever fails."""

import ast
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from careledger.ledger.errors import Unavailable
from careledger.node.config import NODE_FILE, BadConfiguration, load_node
from careledger.node.logs import LogFormat, set_up
from tests.conftest import ROOT
from tests.faults.node_process import NodeProcess, found_trial
from tests.ledger.world import NOW

OURS = logging.getLogger("careledger.node.trial")
THEIRS = logging.getLogger("library.of.others")

PERSONAL = "Ana Rivera, born 1984-05-17"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("careledger")
    kept = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = kept[0], kept[1], kept[2]


def said(monkeypatch: pytest.MonkeyPatch, form: LogFormat) -> io.StringIO:
    """Where the log goes from here on."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    set_up(form)
    return stream


def parsed(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_has_time_level_event_and_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = said(monkeypatch, "json")
    OURS.warning("no block could be written: %s", "no space left", extra={"height": 7})
    OURS.info("%s", "all of it varies")
    OURS.debug("not told")
    first, second = parsed(stream)
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "warning",
        "event": "no_block_could_be_written",
        "message": "no block could be written: no space left",
        "from": "careledger.node.trial",
        "height": 7,
    }
    assert second["event"] == "trial"


def test_text_is_a_line_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = said(monkeypatch, "text")
    OURS.warning("no block could be written: %s", "no space left", extra={"height": 7})
    time, rest = stream.getvalue().split(" ", 1)
    assert time[10] == "T"
    assert rest == "WARNING no block could be written: no space left height=7\n"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_failure_is_told_without_what_it_was_given(
    monkeypatch: pytest.MonkeyPatch, form: LogFormat
) -> None:
    stream = said(monkeypatch, form)

    def fail() -> None:
        try:
            int(PERSONAL)
        except ValueError as error:
            raise Unavailable("the disk does not answer") from error

    try:
        fail()
    except Unavailable:
        OURS.exception("a step failed")
    try:
        dict[str, str]()[PERSONAL]
    except KeyError:
        THEIRS.exception("Task exception was never retrieved\nfuture: %s", PERSONAL)
    text = stream.getvalue()
    assert "Rivera" not in text
    assert "1984" not in text
    assert "Unavailable: the disk does not answer" in text
    assert "builtins.ValueError" in text
    assert "test_logs.py" in text
    assert "in fail" in text
    assert "Task exception was never retrieved" in text
    if form == "json":
        assert len(parsed(stream)) == 2


def test_other_libraries_are_quiet_below_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """An HTTP client tells each address at info, and addresses name accounts."""
    stream = said(monkeypatch, "json")
    THEIRS.info("GET /v1/state/identity.accounts?key=@ana")
    assert stream.getvalue() == ""


def configure(home: Path, form: str) -> None:
    file = home / NODE_FILE
    file.write_text(file.read_text().replace('log = "text"', f'log = "{form}"'))


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_node_says_that_it_starts_and_stops(tmp_path: Path, form: LogFormat) -> None:
    found_trial(tmp_path / "net", time=NOW)
    home = tmp_path / "net" / "node"
    configure(home, form)
    with NodeProcess(home) as node:
        assert node.stop() == 0
        lines = node.said.splitlines()
    assert len(lines) == 2
    if form == "json":
        started, stopped = map(json.loads, lines)
        assert (started["event"], stopped["event"]) == ("the_node_answers", "the_node_stops")
        assert started["member"] == "riverside"
        assert started["height"] >= 0
    else:
        assert " INFO the node answers member=riverside" in lines[0]


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    found_trial(tmp_path / "net", time=NOW)
    home = tmp_path / "net" / "node"
    configure(home, "xml")
    with pytest.raises(BadConfiguration, match="Invalid enum value 'xml'"):
        load_node(home)


def test_no_field_of_an_event_has_a_name_that_logging_keeps_for_itself() -> None:
    """Else the line is an exception, and only where it is not filtered out."""
    reserved = {*logging.makeLogRecord({}).__dict__, "message", "asctime"}
    found = [
        f"{path.name}:{node.lineno} {key.value}"
        for path in (ROOT / "src").rglob("*.py")
        if "extra={" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.keyword)
        and node.arg == "extra"
        and isinstance(node.value, ast.Dict)
        for key in node.value.keys
        if isinstance(key, ast.Constant) and key.value in reserved
    ]
    assert found == []
