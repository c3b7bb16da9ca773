"""`careledger node`: the process that orders transactions and answers for the ledger."""

import asyncio
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
    from careledger.node.serve import RunningNode, run_node

    config = load_node(home)

    def ready(running: RunningNode) -> None:
        chain = running.services.chain.hex()
        click.echo(f"Node of {config.member} at http://{config.host}:{config.port}")
        click.echo(f"Chain {chain[:16]}...; Ctrl-C stops it.")

    asyncio.run(run_node(home, ready))
    click.echo("Stopped.")
