"""`careledger log`: who looked, why, and under which permission, in sentences."""

from typing import TYPE_CHECKING

import click

from careledger.cli.purse import Purse, purse_options

if TYPE_CHECKING:
    from careledger.wallet.story import Line
    from careledger.wallet.wallet import Wallet


@click.command()
@click.option("--from", "custodian", metavar="MEMBER", help="Only at this organisation.")
@click.option("--all", "everything", is_flag=True, help="Consents, keys and confirmations, too.")
@click.option("--why", "in_full", is_flag=True, help="How each of your consents was read then.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@purse_options
def log(
    purse: Purse, custodian: str | None, *, everything: bool, in_full: bool, as_json: bool
) -> None:
    """Who looked into your records, why, and under which permission; and who was refused.

    Told from the whole ledger, which is checked first: nothing can be missing from it. With
    --why, each answer says how every consent of yours was read at that moment, by what this
    wallet holds of it; what you ended later counts as it was then.
    """
    from careledger.cli.clock import moment
    from careledger.cli.output import print_json
    from careledger.wallet.story import story, who_looked
    from careledger.wallet.why import why

    async def look(wallet: "Wallet") -> "list[tuple[Line, tuple[str, ...]]]":
        lines = list(who_looked(wallet, custodian))
        if everything:
            lines = [line for line in story(wallet) if custodian in {None, line.custodian}]
        return [(line, why(wallet, line) if in_full else ()) for line in lines]

    lines = purse.run(look)
    if as_json:
        told = ({"why": list(reasons)} if in_full else {} for _, reasons in lines)
        print_json([values(line) | more for (line, _), more in zip(lines, told, strict=True)])
        return
    for line, reasons in lines:
        click.echo(f"{moment(line.at)}  {line.sentence}")
        for reason in reasons:
            click.echo(f"    {reason}")
    if not lines:
        click.echo("Nobody has asked for your records.")


def values(line: "Line") -> dict[str, object]:
    """One line for programs: the sentence, and every field of the event."""
    import msgspec

    from careledger.cli.clock import iso

    fields = msgspec.to_builtins(line.event, builtin_types=(bytes,))
    plain = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in fields.items()
        if not isinstance(value, dict)
    }
    return {
        "time": iso(line.at),
        "kind": line.kind,
        "sentence": line.sentence,
        "transaction": line.transaction.hex(),
        "index": line.index,
        "event": plain,
    }
