"""`careledger init`: founds a network whose members share this machine."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--member",
    "members",
    multiple=True,
    required=True,
    metavar="ID:NAME:ROLES",
    help="A member from the start, such as `riverside:Riverside Hospital:provider`; several roles "
    "with commas. The first one operates the node. May be given more than once.",
)
@click.option("--name", default="CareLedger", show_default=True, help="What the network is called.")
@click.option(
    "--port",
    default=7400,
    show_default=True,
    type=click.IntRange(1, 65_000),
    help="Port of the node; gateways follow from 10 above it.",
)
@click.option("--paper-consent", is_flag=True, help="Accept consent on paper, attested at a desk.")
def init(
    folder: Path, members: tuple[str, ...], name: str, port: int, *, paper_consent: bool
) -> None:
    """Found a network in FOLDER: genesis file, trust file, and a home for each member.

    For trials on one machine. In a real consortium each member makes its keys at home.
    """
    from careledger.cli.clock import wall_clock
    from careledger.ledger.membership import NetworkParameters
    from careledger.node.founding import found

    network = found(
        folder,
        [_founder(text) for text in members],
        name=name,
        time=wall_clock(),
        parameters=NetworkParameters(paper_consent=paper_consent),
        first_port=port,
    )
    click.echo(f"Network {name}, chain {network.chain.hex()[:16]}..., in {folder}")
    click.echo(f"  node       careledger node run {network.node_home}")
    for member in network.gateways:
        click.echo(f"  {member:10} careledger gateway run {network.home(member)}")
    click.echo(f"  trust file {network.trust_file}: give it to whoever is to verify something")


def _founder(text: str) -> "Founder":  # type: ignore[name-defined] # noqa: F821 - imported below
    from careledger.node.founding import Founder

    id_, _, rest = text.partition(":")
    name, _, roles = rest.partition(":")
    if not id_ or not name or not roles:
        raise click.BadParameter(
            f"{text!r} is not ID:NAME:ROLES, such as `riverside:Riverside Hospital:provider`"
        )
    return Founder(id=id_, name=name, roles=tuple(roles.split(",")))
