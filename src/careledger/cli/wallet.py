"""`careledger wallet`: a patient's seed, accounts and keys."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from careledger.cli.purse import Purse, purse_options, read_passphrase
from careledger.cli.timeline import page, timeline

if TYPE_CHECKING:
    from careledger.ledger.signature import Algorithm

_POST_QUANTUM = click.option(
    "--post-quantum",
    is_flag=True,
    help="A key of two that both sign, Ed25519 and ML-DSA-65; where the members agreed on it.",
)


@click.group()
def wallet() -> None:
    """A patient's keys, accounts and record."""


wallet.add_command(timeline)
wallet.add_command(page)


@wallet.command()
@click.option(
    "--wallet",
    "path",
    default="wallet",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to make.",
)
@click.option("--node", "node_url", required=True, metavar="URL", help="A node of the network.")
@click.option(
    "--trust",
    "trust_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Whom you believe about the ledger; without it, any one node of a member.",
)
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the passphrase from the first line of a file instead of asking.",
)
@click.option(
    "--no-passphrase", is_flag=True, help="Keep the seed readable in a file; for demonstrations."
)
def new(
    path: Path,
    node_url: str,
    trust_file: Path | None,
    passphrase_file: Path | None,
    *,
    no_passphrase: bool,
) -> None:
    """Make a wallet with a new seed, sealed under a passphrase.

    The seed is all you need to keep: lose it or the passphrase, and nobody can act for you
    until the organisations that know you have proofed you again.
    """
    from careledger.verify.trust import parse_trust
    from careledger.wallet.wallet import create_wallet

    passphrase = None
    if passphrase_file is not None:
        passphrase = read_passphrase(passphrase_file)
    elif not no_passphrase:
        passphrase = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    trust = None if trust_file is None else parse_trust(trust_file.read_bytes())
    chain = asyncio.run(create_wallet(path, passphrase, node_url, trust))
    click.echo(f"Wallet in {path}, for chain {chain.hex()[:16]}...")
    click.echo("Next: get a code from an organisation that knows you, then")
    click.echo(f"  careledger wallet claim MEMBER CODE --wallet {path}")


@wallet.command()
@click.argument("member")
@click.argument("code")
@click.option("--account", metavar="ID", help="The account, if you were told; it saves searching.")
@_POST_QUANTUM
@purse_options
def claim(member: str, code: str, account: str | None, purse: Purse, *, post_quantum: bool) -> None:
    """Take over your account at MEMBER with the CODE its desk gave you."""
    from careledger.ledger.record import AccountId, MemberId
    from careledger.wallet.accounts import claim as claim_account

    known = None if account is None else AccountId(account)
    how: Algorithm = "EdDSA+ML-DSA-65" if post_quantum else "EdDSA"
    held = purse.run(lambda wallet: claim_account(wallet, MemberId(member), code, known, how))
    click.echo(f"You are {held.account} at {member}. Only your key signs for it now.")


@wallet.command()
@purse_options
def accounts(purse: Purse) -> None:
    """List your accounts: at each organisation another one, so that nobody can join them."""
    from careledger.apps.governance.queries import member
    from careledger.ledger.record import MemberId
    from careledger.wallet.wallet import Wallet

    async def list_them(wallet: Wallet) -> list[str]:
        lines: list[str] = []
        for held in wallet.contents.accounts:
            found = member(wallet.view, MemberId(held.member))
            name = held.member if found is None else found.name
            standing = "" if wallet.is_active(held) else "  (suspended)"
            lines.append(f"{held.account}  {held.member} ({name}){standing}")
        return lines

    lines = purse.run(list_them)
    click.echo("\n".join(lines) or "None yet: `careledger wallet claim MEMBER CODE`.")


@wallet.command()
@click.argument("member")
@_POST_QUANTUM
@purse_options
def rotate(member: str, purse: Purse, *, post_quantum: bool) -> None:
    """Put a new key in the place of yours toward MEMBER; the old one signs no more."""
    from careledger.wallet.accounts import rotate as rotate_key

    how: Algorithm | None = "EdDSA+ML-DSA-65" if post_quantum else None
    ordered = purse.run(lambda wallet: rotate_key(wallet, member, how))
    click.echo(f"Done, in transaction {ordered.receipt.id.hex()}.")


@wallet.command("sign-in")
@click.argument("member")
@click.argument("code")
@click.option("--yes", is_flag=True, help="Do not ask.")
@purse_options
def sign_in(member: str, code: str, purse: Purse, *, yes: bool) -> None:
    """Sign in at MEMBER to the application whose page shows you CODE.

    Only for a code on a page that you opened yourself: whoever has the page goes in as you.
    """
    from careledger.wallet.sign_in import approve, look
    from careledger.wallet.wallet import Wallet

    async def ask(wallet: Wallet) -> str:
        waiting = await look(wallet, member, code)
        click.echo(f"{waiting.application} wants to")
        for line in waiting.may:
            click.echo(f"  - {line}")
        if not yes:
            click.confirm("Did you open that page yourself, and sign in to it?", abort=True)
        await approve(wallet, waiting)
        return waiting.application

    click.echo(f"Approved: go on at the page of {purse.run(ask)}.")
