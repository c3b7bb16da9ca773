"""Opening a patient's wallet for one command: its options, its passphrase, its event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from careledger.wallet.wallet import Wallet

T = TypeVar("T")


@dataclass(frozen=True)
class Purse:
    """Which wallet, and how it opens."""

    path: Path
    passphrase_file: Path | None
    node: str | None

    def passphrase(self) -> str | None:
        """The passphrase, from the file or the person; None where the seed needs none."""
        from careledger.wallet.folder import needs_passphrase

        if not needs_passphrase(self.path):
            return None
        if self.passphrase_file is not None:
            return read_passphrase(self.passphrase_file)
        said: str = click.prompt("Passphrase", hide_input=True, err=True)
        return said

    def run(self, work: "Callable[[Wallet], Awaitable[T]]") -> T:
        """What `work` makes of the open wallet, which has read the ledger to its end."""
        from careledger.cli.clock import wall_clock
        from careledger.wallet.wallet import open_wallet

        passphrase = self.passphrase()

        async def opened() -> T:
            async with open_wallet(self.path, passphrase, wall_clock, self.node) as wallet:
                return await work(wallet)

        return asyncio.run(opened())


def read_passphrase(path: Path) -> str:
    """The first line of a file."""
    return path.read_text().split("\n")[0]


def purse_options(command: Callable[..., Any]) -> Callable[..., Any]:  # Any: click's own
    """Give a command `--wallet` and what belongs to it, as one argument `purse`."""

    def taking_purse(
        *arguments: object,
        wallet_path: Path,
        passphrase_file: Path | None,
        node_url: str | None,
        **options: object,
    ) -> object:
        purse = Purse(wallet_path, passphrase_file, node_url)
        return command(*arguments, purse=purse, **options)

    taking_purse.__doc__ = command.__doc__
    taking_purse.__name__ = command.__name__
    taking_purse.__dict__.update(command.__dict__)
    for option in (
        click.option("--node", "node_url", metavar="URL", help="Another node than the wallet's."),
        click.option(
            "--passphrase-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Read the passphrase from the first line of a file instead of asking.",
        ),
        click.option(
            "--wallet",
            "wallet_path",
            default="wallet",
            show_default=True,
            type=click.Path(file_okay=False, path_type=Path),
            help="The wallet's folder.",
        ),
    ):
        taking_purse = option(taking_purse)
    return taking_purse
