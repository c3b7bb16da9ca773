"""`careledger export`: the whole record from everyone who holds some of it, with all proofs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from careledger.cli.purse import Purse, purse_options

if TYPE_CHECKING:
    from careledger.wallet.export import Exported
    from careledger.wallet.wallet import Wallet


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "members", multiple=True, metavar="MEMBER", help="Only from these.")
@purse_options
def export(purse: Purse, file: Path, members: tuple[str, ...]) -> int:
    """Write your whole record with its proofs to FILE, for `careledger-verify`.

    It is a zip file: a FHIR R4 Bundle, and what proves each resource in it. It is not sealed:
    whoever has the file can read it.

    Exit status: 0 complete; 1 somebody who knows you gave nothing.
    """
    from careledger.wallet.export import export as write

    async def work(wallet: "Wallet") -> "Exported":
        return await write(wallet, file, lambda member: click.echo(f"Asking {member} ..."), members)

    done = purse.run(work)
    click.echo(f"{done.records:,} resources from {', '.join(done.custodians) or 'nobody'}: {file}")
    for member, reason in done.silent.items():
        click.echo(f"Nothing from {member}: {reason}", err=True)
    click.echo(f"Check it with: careledger-verify {file} --trust TRUSTFILE")
    return 1 if done.silent else 0
