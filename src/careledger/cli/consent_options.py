"""The options that granting and denying share: from whom, for what, of what, and until when."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from careledger.cli.purse import purse_options

Function = Callable[..., Any]  # Any: click's own


_OPTIONS: Sequence[Callable[[Function], Function]] = (
    click.option(
        "--from",
        "custodian",
        required=True,
        metavar="MEMBER",
        help="Who holds the records.",
    ),
    click.option("--person", metavar="ID", help="Only this practitioner there (account)."),
    click.option("--role", help="Only this role there, such as clinician."),
    click.option(
        "--for",
        "purposes",
        multiple=True,
        metavar="PURPOSE",
        help="Why: treatment, payment, research, ... or an HL7 code. Repeat for more.",
    ),
    click.option(
        "--may",
        "actions",
        multiple=True,
        type=click.Choice(["read", "search", "export"]),
        help="What they may do; a grant without it is read and search.",
    ),
    click.option(
        "--what",
        multiple=True,
        metavar="PART",
        help="Of the record: medications, results, ... or a FHIR type; else all.",
    ),
    click.option(
        "--code",
        "codes",
        multiple=True,
        metavar="SYSTEM|CODE",
        help="Only resources with this code.",
    ),
    click.option(
        "--category",
        "categories",
        multiple=True,
        metavar="SYSTEM|CODE",
        help="Only resources of this category.",
    ),
    click.option("--data-from", metavar="DATE", help="Only what happened on or after this day."),
    click.option("--data-until", metavar="DATE", help="Only what happened before this day."),
    click.option("--starts", metavar="DATE", help="First day it counts (UTC); today without it."),
    click.option("--until", metavar="DATE", help="First day it no longer counts."),
    click.option(
        "--days",
        type=click.IntRange(1, 36_500),
        help="For so many days, instead of --until.",
    ),
    click.option("--label", default="", help="Your own words for it; they stay in the wallet."),
)


def shared_options(command: Function) -> Function:
    """Give `command` these options, and those of a wallet."""
    command = purse_options(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
