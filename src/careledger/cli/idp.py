"""`careledger idp`: a small OpenID Connect provider, for trying out how staff signs in."""

import asyncio
from pathlib import Path

import click

_FOLDER = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))


@click.group()
def idp() -> None:
    """A small sign-in provider for trying out; an organisation has one of its own."""


@idp.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--gateway", required=True, metavar="URL", help="The gateway that will trust it.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=7450, show_default=True, type=click.IntRange(1, 65_535))
def new(folder: Path, gateway: str, host: str, port: int) -> None:
    """Make a provider in FOLDER."""
    from careledger.gateway.idp.folder import SECRET, create

    if folder.exists():
        raise click.ClickException(f"there is a folder {folder} already")
    settings = create(folder, gateway, host, port)
    click.echo(f"Provider in {folder}. For gateway.toml:")
    click.echo(f'  identity_provider = "{settings.issuer}"')
    click.echo(f'  identity_provider_secret = "{(folder / SECRET).resolve()}"')
    click.echo('  staff = "staff.toml"')


@idp.command()
@_FOLDER
@click.argument("name")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the password from the first line of a file instead of asking.",
)
def add(folder: Path, name: str, password_file: Path | None) -> None:
    """Let NAME sign in with a password; whoever was there before gets a new one."""
    import msgspec

    from careledger.cli.purse import read_passphrase
    from careledger.gateway.idp.folder import add_user

    if password_file is not None:
        password = read_passphrase(password_file)
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    try:
        add_user(folder, name, password)
    except msgspec.ValidationError as error:
        raise click.ClickException("a name is letters, digits and . _ @ -") from error
    click.echo(f"{name} may sign in. Say in staff.toml who that is.")


@idp.command()
@_FOLDER
def run(folder: Path) -> None:
    """Run the provider in FOLDER until it is told to stop."""
    from careledger.cli.clock import wall_clock
    from careledger.gateway.idp.app import provider_app
    from careledger.gateway.idp.folder import open_folder
    from careledger.node.listening import serve

    provider = open_folder(folder)
    settings = provider.settings

    def ready() -> None:
        click.echo(f"Provider at {settings.issuer}, for trying out. Ctrl-C stops it.")

    app = provider_app(provider, wall_clock)
    asyncio.run(serve(app, settings.host, settings.port, ready))
    click.echo("Stopped.")
