"""`careledger consent`: allow, forbid, end and show, in plain options."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from careledger.cli.applications import group_of
from careledger.cli.consent_options import shared_options
from careledger.cli.purse import Purse, purse_options

if TYPE_CHECKING:
    from careledger.mechanisms.envelope import Kind
    from careledger.wallet.contents import HeldConsent

consent = group_of(
    "consent",
    "Allow, forbid, end and show consents.",
    without=("grant", "deny", "revoke"),
)


@consent.command()
@click.option("--to", "grantee", required=True, metavar="MEMBER", help="Whom you allow.")
@click.option(
    "--except-label",
    "except_labels",
    multiple=True,
    metavar="LABEL",
    help="Not what is labelled: hiv, psychiatry, substance-use, ... or SYSTEM|CODE.",
)
@click.option("--except-what", multiple=True, metavar="PART", help="Not this part of the record.")
@click.option(
    "--except-code",
    "except_codes",
    multiple=True,
    metavar="SYSTEM|CODE",
    help="Not resources with this code.",
)
@shared_options
def grant(purse: Purse, **options: Any) -> None:  # Any: as the options above say
    """Allow an organisation to see records that another one holds of you.

    Only who, why and how long stands on the ledger. What of your record it is about travels
    sealed to the two of them.
    """
    _give(purse, "grant", **options)


@consent.command()
@click.option("--to", "grantee", metavar="MEMBER", help="Whom you forbid; without it: anyone.")
@shared_options
def deny(purse: Purse, **options: Any) -> None:  # Any: as the options above say
    """Forbid it, whatever else you allowed: to an organisation, or to anyone."""
    _give(purse, "denial", **options)


def _give(
    purse: Purse, kind: "Kind", *, custodian: str, label: str, **options: Any
) -> None:  # Any: as above
    from careledger.cli.clock import wall_clock
    from careledger.ledger.record import MemberId
    from careledger.mechanisms.deadline import day_of
    from careledger.wallet.consents import give
    from careledger.wallet.options import Options, draft, parse_day

    today = day_of(wall_clock())
    starts, until, days = (options.pop(name) for name in ("starts", "until", "days"))
    if until is not None and days is not None:
        raise click.UsageError("give --until or --days, not both")
    first = today if starts is None else parse_day(starts)
    last = None if until is None else parse_day(until)
    options["practitioner"] = options.pop("person")
    drafted = draft(
        kind,
        Options(valid_from=first, valid_until=last if days is None else first + days, **options),
    )
    held = purse.run(lambda wallet: give(wallet, MemberId(custodian), drafted, label))
    click.echo(f"{'Allowed' if kind == 'grant' else 'Forbidden'}: consent {held.consent_id.hex()}")
    _say_deliveries(held)


def _say_deliveries(held: "HeldConsent") -> None:
    from careledger.wallet.consents import is_nameless

    for one in held.deliveries:
        match one.standing:
            case "delivered":
                click.echo(f"  {one.member} has signed for the terms: in force there.")
            case "waiting":
                click.echo(f"  {one.member} has the terms and waits for the ledger.")
            case _:
                click.echo(f"  waiting for {one.member}: {one.trouble or 'not tried yet'}")
    if not held.is_delivered():
        click.echo("  `careledger consent deliver` tries again.")
    if is_nameless(held):
        click.echo(
            f"  {held.package.grantee} cannot tell that it is about you: claim your account there, "
            "then `careledger consent deliver`."
        )


@consent.command()
@click.argument("consent_id", metavar="CONSENT")
@purse_options
def revoke(consent_id: str, purse: Purse) -> None:
    """End the CONSENT whose id begins so, at once."""
    from careledger.wallet import consents
    from careledger.wallet.wallet import Wallet

    async def end(wallet: Wallet) -> tuple[str, int]:
        found = consents.find(wallet, consent_id)
        ordered = await consents.revoke(wallet, found.consent_id)
        return found.consent_id.hex(), ordered.height

    ended, height = purse.run(end)
    click.echo(f"Ended: consent {ended}, as of block {height}.")


@consent.command()
@purse_options
def deliver(purse: Purse) -> None:
    """Try again whatever is not sent or not delivered yet."""
    from careledger.wallet.consents import resume

    tried = purse.run(resume)
    for held in tried:
        click.echo(f"Consent {held.consent_id.hex()[:8]} {held.label}")
        _say_deliveries(held)
    if not tried:
        click.echo("Nothing waits.")


@consent.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@purse_options
def list_(purse: Purse, *, as_json: bool) -> None:
    """List your consents, ended ones too: history is never rewritten."""
    from careledger.cli.consent_text import table
    from careledger.cli.consent_text import values as values_of
    from careledger.cli.output import print_json, print_table
    from careledger.wallet.consents import standings
    from careledger.wallet.wallet import Wallet

    async def look(wallet: Wallet) -> object:
        found = standings(wallet)
        return [values_of(one) for one in found] if as_json else table(wallet, found)

    found = purse.run(look)
    if as_json:
        print_json(found)
    else:
        print_table("Consents", found, "None yet: `careledger consent grant --help`.")  # type: ignore[arg-type] # a table unless JSON


@consent.command()
@click.argument("consent_id", metavar="CONSENT")
@purse_options
def show(consent_id: str, purse: Purse) -> None:
    """Show all of the CONSENT whose id begins so, with its terms and where they are."""
    from careledger.cli.consent_text import describe
    from careledger.wallet.consents import find
    from careledger.wallet.wallet import Wallet

    async def look(wallet: Wallet) -> list[str]:
        return describe(wallet, find(wallet, consent_id))

    click.echo("\n".join(purse.run(look)))


@consent.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--from",
    "custodians",
    multiple=True,
    required=True,
    metavar="MEMBER",
    help="Where it shall count: who holds the records. Repeat for more.",
)
@click.option(
    "--to",
    "recipients",
    multiple=True,
    metavar="MEMBER",
    help="Whom it allows, where the file names nobody.",
)
@click.option(
    "--party",
    "parties",
    multiple=True,
    metavar="REFERENCE=MEMBER",
    help="Whom a reference in the file means: `Organization/54=lakeview`.",
)
@click.option(
    "--spread",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds to wait at most between two: equal times would join your accounts.",
)
@click.option("--label", default="", help="Your own words for it; they stay in the wallet.")
@click.option("--yes", is_flag=True, help="Sign without asking.")
@purse_options
def import_(purse: Purse, file: Path, **options: Any) -> None:  # Any: as the options above say
    """Give what a FHIR R4 Consent in FILE says; never more than it says."""
    from careledger.cli.consent_text import describe_draft
    from careledger.ledger.record import MemberId
    from careledger.wallet.fhir_import import give_all, read_file
    from careledger.wallet.wallet import Wallet

    pairs = dict(_pair(text) for text in options["parties"])
    data = file.read_bytes()
    custodians = [MemberId(one) for one in options["custodians"]]

    async def work(wallet: Wallet) -> "list[HeldConsent]":
        found = read_file(wallet, data, pairs, options["recipients"])
        for one in found.drafts:
            click.echo("\n".join(describe_draft(wallet, one)))
        for element in found.narrowed:
            click.echo(f"  Cannot be said here, so less is allowed or more forbidden: {element}")
        if not options["yes"]:
            click.confirm("Sign this?", abort=True, err=True)
        return await give_all(wallet, found, custodians, options["label"], options["spread"])

    for held in purse.run(work):
        click.echo(f"Given: consent {held.consent_id.hex()}")
        _say_deliveries(held)


def _pair(text: str) -> tuple[str, str]:
    reference, equals, member = text.rpartition("=")
    if not equals or not reference or not member:
        raise click.BadParameter(f"{text!r} is not REFERENCE=MEMBER")
    return reference, member
