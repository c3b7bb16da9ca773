"""The copies of help texts are found wrong when a command has changed."""

from pathlib import Path

import click

from tools import check_help


@click.group()
def tool() -> None:
    """Keep a ledger."""


@tool.command()
@click.option("--data", help="Folder of bundles.")
def demo(data: str) -> None:
    """Tell the story."""


def test_every_command_has_a_text() -> None:
    texts = dict(check_help.help_texts(tool, "tool"))
    assert set(texts) == {"tool", "tool demo"}
    assert "Usage: tool demo [OPTIONS]" in texts["tool demo"]
    assert "Folder of bundles." in texts["tool demo"]


def test_a_changed_a_missing_and_a_left_over_text_are_named(tmp_path: Path) -> None:
    texts = {"same.txt": "as before\n", "changed.txt": "now\n", "missing.txt": "new\n"}
    (tmp_path / "same.txt").write_text("as before\n")
    (tmp_path / "changed.txt").write_text("then\n")
    (tmp_path / "removed.txt").write_text("gone\n")
    assert check_help.differences(texts, tmp_path) == ["changed.txt", "missing.txt", "removed.txt"]

    check_help.write(texts, tmp_path)
    assert check_help.differences(texts, tmp_path) == []
