"""Tells the demo's story: what happens, why, and whether it was what should have happened."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table


class Narrator:
    """Prints numbered steps and keeps count of what did not go as it should."""

    def __init__(self, console: Console) -> None:
        """Tell it on `console`."""
        self.console = console
        self.failed: list[str] = []
        self._step = 0

    def step(self, title: str, why: str) -> None:
        """Begin a step: what happens now, and why it matters."""
        self._step += 1
        self.console.print()
        self.console.print(f"[bold]{self._step}. {title}[/bold]")
        self.console.print(Padding(why, (0, 0, 0, 3)), style="dim")

    def say(self, text: str) -> None:
        """One line of what is seen."""
        self.console.print(Padding(text, (0, 0, 0, 3)), highlight=False)

    def expect(self, holds: bool, text: str) -> None:  # noqa: FBT001 - reads as a sentence
        """What should be so, and whether it is; a miss makes the demo fail."""
        if not holds:
            self.failed.append(f"{self._step}. {text}")
        mark = "[green]yes[/green]" if holds else "[bold red]NO[/bold red]"
        self.console.print(Padding(f"{mark}  {text}", (0, 0, 0, 3)), highlight=False)

    def table(self, headings: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
        """A small table of what came back."""
        table = Table(*headings, box=None, pad_edge=False, header_style="dim")
        for row in rows:
            table.add_row(*row)
        self.console.print(Padding(table, (0, 0, 0, 3)))

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator["Advance"]:
        """A bar for long work."""
        columns = (
            TextColumn("   {task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as bar:
            task = bar.add_task(what, total=total)
            yield Advance(bar, task)


class Advance:
    """Moves one bar on."""

    def __init__(self, bar: Progress, task: int) -> None:
        """Move `task` of `bar`."""
        self._bar, self._task = bar, task

    def __call__(self, by: int) -> None:
        """By so many."""
        self._bar.advance(self._task, by)  # type: ignore[arg-type] # rich's TaskID is an int
