"""`careledger node`: the process that orders transactions and answers for the ledger."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careledger.node.config import OrderWith
    from careledger.verify.trust import Trust


@click.group()
def node() -> None:
    """Run the node that orders and proves."""


@node.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--engine",
    type=click.Choice(["solo", "cometbft"]),
    help="Who orders: this node alone, or the network's validators. Without it, as in node.toml.",
)
def run(home: Path, engine: "OrderWith | None") -> None:
    """Run the node in HOME (the folder with node.toml) until it is told to stop.

    With cometbft it starts that engine beside itself, starts it again whenever it ends, and ends it
    when it ends.
    """
    from careledger.node.config import load_node
    from careledger.node.loop import run as run_in_loop
    from careledger.node.serve import RunningNode, run_node

    config = load_node(home)

    def ready(running: RunningNode) -> None:
        chain = running.services.chain.hex()
        click.echo(f"Node of {config.member} at http://{config.host}:{config.port}")
        click.echo(f"Chain {chain[:16]}...; Ctrl-C stops it.")

    run_in_loop(run_node(home, ready, engine))
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


@node.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--peers",
    multiple=True,
    metavar="URL,...",
    help="Nodes of other members; `cosigners` of node.toml if none are given.",
)
@click.option(
    "--trust",
    "trust_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The trust file: whose checkpoints a snapshot must lead to.",
)
def join(home: Path, peers: tuple[str, ...], trust_file: Path) -> None:
    """Begin the ledger of the node in HOME from a snapshot that other nodes keep.

    For a new member, and for one that lost its disk. The snapshot is checked row by row against
    checkpoints that enough of the trusted members signed; nothing else is believed. Then
    `careledger node run` serves at once and fetches the past in the background.
    """
    from careledger.cli.bar import progress_bar
    from careledger.cli.clock import wall_clock
    from careledger.node.config import load_node
    from careledger.node.joining import join as join_from
    from careledger.node.joining import node_peers, open_peers, read_trust

    config = load_node(home)
    trust, urls = read_trust(trust_file), node_peers(config, peers)
    if config.engine == "cometbft":
        _plan(home, trust, urls)
        return
    with open_peers(urls) as opened, progress_bar("Fetching the snapshot") as tell:
        joined = join_from(home, opened, trust, wall_clock(), tell)
    header = joined.manifest.header
    click.echo(
        f"The ledger begins at block {header.height:,}: {joined.manifest.rows:,} rows, "
        f"{header.size:,} log entries, app hash {header.app_hash.hex()}."
    )
    click.echo(
        f"At least {trust.threshold} of {len(trust.members)} members that you trust signed "
        f"that log. Next: careledger node run {home}"
    )


@node.command("set-aside")
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--no-other-home",
    is_flag=True,
    help="You have made sure that no other home, on no other machine, has this validator's key.",
)
def set_aside(home: Path, *, no_other_home: bool) -> None:
    """Move the ledger and the engine's data of the node in HOME away, so that it begins anew.

    For a node that lost one of the two, or whose ledger is damaged; the node must be stopped.
    Nothing is deleted: both stay beside their places, as NAME.aside-1 and so on. Keys and
    configuration stay as they are. If what the validator voted for last is lost as well, only
    --no-other-home lets it begin: two homes with one key vote twice.
    """
    from careledger.node.config import load_node
    from careledger.node.setting_aside import set_aside as move_aside

    done = move_aside(home, no_other_home=no_other_home)
    for before, after in done.moved:
        click.echo(f"  {before} is now {after}")
    if not done.moved:
        click.echo("There was nothing to move.")
    if done.votes_kept:
        click.echo("What its validator voted for last is kept: it cannot vote twice.")
    else:
        silent = load_node(home).engine_silent_blocks
        click.echo(f"Its validator waits until its key was silent for {silent} blocks.")
    click.echo(f"Next: careledger node join {home} --trust TRUSTFILE, from a snapshot of others;")
    click.echo(f"or, to fetch every block from the first on: careledger node run {home}")


def _plan(home: Path, trust: "Trust", urls: "Sequence[str]") -> None:
    """The engine carries the snapshot itself, when it runs; here is found from where on."""
    from careledger.cli.clock import wall_clock
    from careledger.node.beginning import plan
    from careledger.node.joining import open_peers

    with open_peers(urls) as opened:
        planned = plan(home, opened, trust, wall_clock())
    header = planned.manifest.header
    click.echo(
        f"At least {trust.threshold} of {len(trust.members)} members that you trust signed the log "
        f"at block {header.height:,}, app hash {header.app_hash.hex()}; the engines of "
        f"{planned.agreeing} nodes show the header that commits to it."
    )
    click.echo(f"From there on the engine takes it: careledger node run {home}")


@node.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--peers",
    multiple=True,
    metavar="URL,...",
    help="Nodes of other members; `cosigners` of node.toml if none are given.",
)
def backfill(home: Path, peers: tuple[str, ...]) -> int:
    """Fetch the past of a ledger that began from a snapshot; the node must be stopped.

    A running node does the same by itself. Stopped, it goes on where it was when it is called
    again. Exit status: 0 nothing is missing; 1 some of the past is.
    """
    from careledger.cli.bar import progress_bar
    from careledger.node.backfill import Backfill
    from careledger.node.config import load_node
    from careledger.node.joining import node_peers
    from careledger.store.store import Store

    config = load_node(home)
    with Store(home / config.ledger) as store:
        filling = Backfill(store, node_peers(config, peers))
        with progress_bar("Fetching the past") as tell:
            done = filling.run(tell)
        size = store.latest.size
    if not done:
        click.echo("Some of the past is missing: no peer that was asked tells it truly.")
        return 1
    click.echo(f"Nothing is missing: all {size:,} log entries are here, and what they speak of.")
    return 0
