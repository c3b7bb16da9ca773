"""`careledger wallet timeline` and `wallet page`: the record from everywhere, as one."""

from typing import TYPE_CHECKING

import click

from careledger.cli.purse import Purse, purse_options

if TYPE_CHECKING:
    from careledger.wallet.timeline import Timeline
    from careledger.wallet.wallet import Wallet

PORT, TITLE_WIDTH = 7_490, 60


@click.command()
@click.option(
    "--from",
    "custodians",
    multiple=True,
    metavar="MEMBER",
    help="Who holds the records; all that know you, without it.",
)
@click.option(
    "--within",
    "within_s",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.1, 600),
    metavar="SECONDS",
    help="How long each organisation may take.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@purse_options
@click.pass_context
def timeline(
    context: click.Context,
    purse: Purse,
    custodians: tuple[str, ...],
    within_s: float,
    *,
    as_json: bool,
) -> None:
    """Show one timeline of your record from every organisation that keeps one.

    Each entry is marked: verified, as its organisation committed to it; tampered; or unproven.
    Ends with status 1 if anything is tampered or somebody did not answer.
    """
    from careledger.wallet.timeline import read_timeline

    async def work(wallet: "Wallet") -> "tuple[Timeline, Wallet]":
        return await read_timeline(wallet, custodians, within_s=within_s), wallet

    found, wallet = purse.run(work)
    if as_json:
        _as_json(found)
    else:
        _as_text(found, wallet)
    silent = any(one.trouble for one in found.sources)
    wrong = any(one.mark == "tampered" for one in found.entries)
    context.exit(1 if silent or wrong else 0)


@click.command()
@click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(1024, 65_535), help="Where."
)
@purse_options
def page(purse: Purse, port: int) -> None:
    """Open your record in a browser: your timeline, who looked, and what you allow.

    Served on this machine alone, behind a link that nobody guesses, until Ctrl-C.
    """
    import secrets

    from careledger.node.listening import serve
    from careledger.web.app import patient_app
    from careledger.web.wallet_source import WalletSource

    secret = secrets.token_urlsafe(16)

    def ready() -> None:
        click.echo(f"Your record is at http://127.0.0.1:{port}/{secret}/ until Ctrl-C.")

    async def work(wallet: "Wallet") -> None:
        await serve(patient_app(WalletSource(wallet), secret), "127.0.0.1", port, ready)

    purse.run(work)


def _as_text(found: "Timeline", wallet: "Wallet") -> None:
    from careledger.cli.clock import moment
    from careledger.cli.output import print_table
    from careledger.wallet.names import Names
    from careledger.wallet.shown import shown, trouble

    entries = shown(found.entries, wallet.view)
    rows = [
        {
            "When": one.date[:10],
            "Mark": one.mark,
            "What": f"{one.kind}: {one.title or '-'}"[:TITLE_WIDTH],
            "Says": one.value[:TITLE_WIDTH],
            "Kept by": one.source,
        }
        for one in entries
    ]
    print_table(f"{len(rows)} entries, latest first", rows, "There are no entries.")
    for one in entries:
        if one.why:
            click.echo(f"{one.mark}: {one.kind} {one.title} {one.date[:10]}. {one.why}")
    names = Names(wallet.view, {})
    for source in found.sources:
        state = trouble(source) or f"as of {moment(source.as_of or 0)}"
        click.echo(f"{names.of(source.member)}: {state}")
    click.echo(found.notice)


def _as_json(found: "Timeline") -> None:
    import msgspec

    from careledger.cli.clock import iso
    from careledger.cli.output import print_json

    print_json(
        {
            "entries": [
                {
                    "source": one.custodian,
                    "type": one.type,
                    "id": one.id,
                    "version": one.version,
                    "mark": one.mark,
                    "why": one.why,
                    "transaction": one.transaction.hex(),
                    "resource": msgspec.Raw(one.data) if one.mark == "verified" else None,
                }
                for one in found.entries
            ],
            "sources": [
                {
                    "source": one.member,
                    "as_of": None if one.as_of is None else iso(one.as_of),
                    "trouble": one.trouble,
                }
                for one in found.sources
            ],
            "notice": found.notice,
        }
    )
