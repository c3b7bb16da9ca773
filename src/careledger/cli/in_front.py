"""`careledger gateway sync`, `move` and `shadow-report`: in front of another FHIR server."""

import asyncio
from pathlib import Path
from typing import Any, Literal, cast

import click

_HOME = click.option(
    "--home",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The member's home (the folder with gateway.toml).",
)


@click.command()
@_HOME
def sync(home: Path) -> None:
    """Read what `upstream` has, or what changed there since, and commit to it.

    The gateway must be stopped and the node running. Interrupted, it goes on where it was when it
    is called again. A running gateway does the same by itself.
    """
    from rich.console import Console

    from careledger.exchange.upstream.intake import Tally
    from careledger.node.in_front import read_upstream

    console = Console(stderr=True)
    with console.status("Reading") as status:

        def progress(what: str, tally: Tally) -> None:
            status.update(f"{what}: {tally.all} read, {tally.new} new, {tally.changed} changed")

        tally = asyncio.run(read_upstream(home, progress))
    click.echo(f"New {tally.new}, changed {tally.changed}, as before {tally.same}.")
    click.echo(f"Deleted {tally.deleted}, moved to another patient {tally.moved}.")
    if tally.left_out:
        click.echo(f"Left out {tally.left_out}: no R4 as this gateway reads it, or of no patient.")


@click.command()
@click.option("--to", required=True, type=click.Choice(["here", "upstream"]))
@_HOME
def move(to: str, home: Path) -> None:
    """Move every body into the vault, or to `upstream`; each is compared with its commitment.

    The gateway must be stopped and the node running. Interrupted, it goes on where it was when it
    is called again.
    """
    from rich.console import Console

    from careledger.exchange.upstream.moving import Moved
    from careledger.node.in_front import move_bodies

    console = Console(stderr=True)
    with console.status("Moving") as status:

        def progress(moved: Moved) -> None:
            status.update(f"Moving: {moved.moved}")

        where = cast("Literal['here', 'upstream']", to)
        moved = asyncio.run(move_bodies(home, where, progress))
    click.echo(f"Moved {moved.moved}, of which {moved.changed} became new versions.")
    if moved.older:
        click.echo(f"Earlier versions that came along: {moved.older}.")
    if moved.absent:
        click.echo(f"No longer there: {moved.absent}.")
    if moved.taken or moved.refused:
        click.echo(f"Still here: {moved.taken} whose name is taken, {moved.refused} refused.")
        raise SystemExit(1)
    if to == "here":
        click.echo("Now take `upstream` out of gateway.toml.")


@click.command("shadow-report")
@_HOME
@click.option("--gateway", "url", metavar="URL", help="Another address of the gateway.")
@click.option("--details", is_flag=True, help="Each resource, too: this names what is clinical.")
def shadow_report(home: Path, url: str | None, details: bool) -> None:  # noqa: FBT001 - click's own
    """Say what would have been refused since shadow mode began, to whom and why."""
    from careledger.cli.clock import moment
    from careledger.cli.output import print_table
    from careledger.cli.smart import Session, member_client

    async def ask() -> Any:  # Any: JSON
        client = member_client(home, "HOPERAT", "system/*.rs", url)
        async with Session(client) as session:
            return await session.get(f"/desk/shadow?details={'true' if details else 'false'}")

    report = asyncio.run(ask())
    click.echo(f"{report['requests']} requests, {report['resources']} resources looked at.")
    rows = [_row(line) | {"Resources": str(number)} for line, number in report["lines"]]
    print_table("Would have been refused", rows, "Nothing would have been refused.")
    if details:
        named = [
            {
                "At": moment(one["at"]),
                "Resource": f"{one['line']['type']}/{one['id']}",
                "Practitioner": one["practitioner"] or "",
            }
            for one in report["details"]
        ]
        print_table("Resources", named, "None.")


def _row(said: dict[str, str]) -> dict[str, str]:
    return {
        "To": said["kind"],
        "Role": said["role"],
        "Application": said["app"],
        "Purpose": said["purpose"],
        "Type": said["type"],
        "Why": said["reason"],
    }
