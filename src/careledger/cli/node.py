"""`careledger node`: the process that orders transactions and answers for the ledger."""

from pathlib import Path

import click


@click.group()
def node() -> None:
    """Run the node that orders and proves."""


@node.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
def run(home: Path) -> None:
    """Run the node in HOME (the folder with node.toml) until it is told to stop."""
    from careledger.node.config import load_node
    from careledger.node.loop import run as run_in_loop
    from careledger.node.serve import RunningNode, run_node

    config = load_node(home)

    def ready(running: RunningNode) -> None:
        chain = running.services.chain.hex()
        click.echo(f"Node of {config.member} at http://{config.host}:{config.port}")
        click.echo(f"Chain {chain[:16]}...; Ctrl-C stops it.")

    run_in_loop(run_node(home, ready))
    click.echo("Stopped.")


@node.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--every",
    metavar="SECONDS",
    type=click.IntRange(1, 86_400),
    help="Go on, and look for what is new so often.",
)
def tiles(home: Path, folder: Path, every: int | None) -> None:
    """Write the log of the node in HOME to FOLDER as static files (C2SP tlog-tiles).

    The node may be running. Any web server can serve the folder, anybody can copy it, and
    `careledger-verify FOLDER` checks it. Run again, it adds what is new.
    """
    import time

    from careledger.node.tile_export import export_tiles

    while True:
        checkpoint, written = export_tiles(home, folder)
        if written or not every:
            click.echo(f"{written:,} new files; {folder} holds {checkpoint.size:,} log entries")
        if not every:
            return
        time.sleep(every)
