"""A group whose commands are imported when they are used, so that `--help` is instant."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True)
class Target:
    """Where a command is (`module:name`), and what it does in half a line."""

    where: str
    help: str


class LazyGroup(click.Group):
    """A group of `Target`s; listing them imports none."""

    def __init__(
        self,
        name: str | None = None,
        targets: Mapping[str, Target] | None = None,
        **settings: object,
    ) -> None:
        """`settings` are click's own."""
        super().__init__(name, **settings)  # type: ignore[arg-type] # passed through
        self.targets = dict(targets or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were given."""
        return [*self.targets, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command `cmd_name`."""
        target = self.targets.get(cmd_name)
        if target is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = target.where.partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(target.where)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, from the half lines alone."""
        rows = [(name, target.help) for name, target in self.targets.items()]
        for name in super().list_commands(ctx):
            command = super().get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(limit=78)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)
