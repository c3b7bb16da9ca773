"""Compares the help text of every command with the copy kept in tests/docs/help.

A change of the command line is then visible in review. `--write` brings the copies up to date.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "tests" / "docs" / "help"
WIDTH = 100
PROGRAMS = {"careledger": "careledger.cli.main", "careledger-verify": "careledger.verify.main"}


def root_command(module_name: str) -> click.Command | None:
    """The command that a program starts, or None where the program does not use click or exist."""
    if importlib.util.find_spec(module_name) is None:
        return None
    module = importlib.import_module(module_name)
    candidates = [module.main, *vars(module).values()]
    commands = [value for value in candidates if isinstance(value, click.Command)]
    groups = [command for command in commands if isinstance(command, click.Group)]
    return next(iter([*groups, *commands]), None)


def help_texts(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """The name and the help text of a command and of every command below it."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH)
    yield context.command_path, command.get_help(context) + "\n"
    if isinstance(command, click.Group):
        for child in sorted(command.list_commands(context)):
            below = command.get_command(context, child)
            if below is not None and not below.hidden:
                yield from help_texts(below, child, context)


def current() -> dict[str, str]:
    """The text of every command of every program, by the name of its file."""
    texts: dict[str, str] = {}
    for program, module_name in PROGRAMS.items():
        command = root_command(module_name)
        if command is not None:
            for path, text in help_texts(command, program):
                texts[f"{path.replace(' ', '_')}.txt"] = text
    return texts


def differences(texts: dict[str, str], kept: Path) -> list[str]:
    """The names of the files that are not what they should be: changed, missing or left over."""
    copies = {path.name: path.read_text() for path in kept.glob("*.txt")}
    names = texts.keys() | copies.keys()
    return sorted(name for name in names if texts.get(name) != copies.get(name))


def write(texts: dict[str, str], kept: Path) -> None:
    """Make the kept copies equal to the texts."""
    kept.mkdir(parents=True, exist_ok=True)
    for name in differences(texts, kept):
        if name in texts:
            (kept / name).write_text(texts[name])
        else:
            (kept / name).unlink()


def main(arguments: list[str]) -> int:
    """Compare, or write when asked to."""
    texts = current()
    if "--write" in arguments:
        write(texts, KEPT)
        return 0
    wrong = differences(texts, KEPT)
    for name in wrong:
        print(f"{(KEPT / name).relative_to(ROOT)}: not what the command says now")
    if wrong:
        print("if the change is meant: .venv/bin/python tools/check_help.py --write")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
