"""What commands print: tables for people, JSON for programs."""

from collections.abc import Mapping, Sequence

import click
import msgspec
from rich.console import Console
from rich.table import Table

Row = Mapping[str, str]


def print_json(value: object) -> None:
    """Indented JSON on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def print_table(title: str, rows: Sequence[Row], nothing: str) -> None:
    """Rows by heading; `nothing` where there are none."""
    if not rows:
        click.echo(nothing)
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in rows[0]:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=160)
    console.print(table)
