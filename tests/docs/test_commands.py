"""Every command that the documentation shows exists, with the options it shows."""

import re
import shlex
from pathlib import Path

import click
import pytest

from careledger.cli.main import main
from careledger.verify.main import command as verify

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("[!s]*/*.md")])
LINE = re.compile(r"^ {4}(careledger(?:-verify)? .*)$", re.MULTILINE)
SHOWN = [(page, line) for page in PAGES for line in LINE.findall(page.read_text())]


def find(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that `words` name, and what is left of them."""
    found: click.Command = verify if words[0] == "careledger-verify" else main
    rest = words[1:]
    while isinstance(found, click.Group) and rest:
        below = found.get_command(click.Context(found), rest[0])
        if below is None:
            break
        found, rest = below, rest[1:]
    return found, rest


@pytest.mark.parametrize(
    ("page", "line"), SHOWN, ids=[f"{page.name}: {line}" for page, line in SHOWN]
)
def test_it_exists(page: Path, line: str) -> None:
    found, rest = find(shlex.split(line))
    options = {name for parameter in found.params for name in parameter.opts} | {"--help"}
    assert not isinstance(found, click.Group) or rest == ["--help"], "no such command"
    for word in rest:
        if word.startswith("--"):
            assert word in options


def test_there_are_some() -> None:
    assert len(SHOWN) > 20
