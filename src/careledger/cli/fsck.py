"""`careledger fsck`: is the ledger of a node what its transactions made of its genesis?"""

from pathlib import Path

import click

UNDECIDED = 2


@click.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
def fsck(home: Path) -> int:
    """Compute the ledger of the node in HOME again, byte for byte; the node must be stopped.

    Exit status: 0 sound; 1 not, and the first height that is wrong is named; 2 what is here is
    sound, but the past is still being fetched.
    """
    from rich.console import Console
    from rich.progress import Progress

    from careledger.apps import installed
    from careledger.node.config import load_node
    from careledger.node.fsck import check

    config = load_node(home)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Checking", total=None)
        report = check(
            home / config.ledger,
            installed(),
            lambda done, of: bar.update(task, completed=done, total=of),
        )
    click.echo(
        f"{report.blocks:,} blocks, {report.transactions:,} transactions, {report.rows:,} rows"
    )
    if report.is_sound and report.missing:
        gap = report.missing
        click.echo(
            f"Undecided: this ledger began from a snapshot of block {gap.height:,}, and the log "
            f"entries from {gap.next:,} on are still to be fetched. What is here agrees with its "
            "newest header; run the node or `careledger node backfill`, then check again."
        )
        return UNDECIDED
    if report.is_sound:
        click.echo("Sound: everything is as the transactions made it.")
        return 0
    for finding in report.findings:
        click.echo(f"  {finding}")
    click.echo(f"DAMAGED: {report.first}")
    return 1
