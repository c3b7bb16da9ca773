"""`careledger receipt`: proof of a transaction or a consent, to keep, or to show as a QR code."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from careledger.cli.purse import Purse, purse_options

if TYPE_CHECKING:
    from careledger.verify.format import EvidenceFile
    from careledger.wallet.proofs import Known
    from careledger.wallet.wallet import Wallet

T = TypeVar("T")

_TRANSACTION_DIGITS = 64


@click.command()
@click.argument("id_", metavar="TRANSACTION|CONSENT")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
@click.option("--qr", metavar="FILE", help="Write a QR code (.svg or .png); `-` shows it here.")
@purse_options
def receipt(purse: Purse, id_: str, out: Path | None, qr: str | None) -> None:
    """Keep proof of a TRANSACTION (64 hex digits) or of a CONSENT of yours (how its id begins).

    `careledger-verify` checks the file offline. That of a consent shows its terms, and that it
    stands now; the QR code has the terms and no more than that it was given. For a transaction
    no wallet is needed if --node names a node.
    """
    if out is None and qr is None:
        raise click.UsageError("say where to: --out FILE, --qr FILE, or both")
    if out is not None:
        from careledger.verify.format import encode_file

        out.write_bytes(encode_file(_made(purse, id_, brief=False)))
        click.echo(f"{out}: check it with `careledger-verify {out} --trust TRUSTFILE`")
    if qr is not None:
        _draw(_made(purse, id_, brief=True), qr)


def _made(purse: Purse, id_: str, *, brief: bool) -> "EvidenceFile":
    from careledger.wallet.consent_receipt import consent_file
    from careledger.wallet.consents import find
    from careledger.wallet.proofs import receipt_file

    if len(id_) == _TRANSACTION_DIGITS:
        try:
            transaction = bytes.fromhex(id_)
        except ValueError as error:
            raise click.BadParameter("a transaction id is 64 hex digits") from error
        return _with_log(purse, lambda log: receipt_file(log, transaction, brief=brief))

    async def make(wallet: "Wallet") -> "EvidenceFile":
        return await consent_file(wallet, find(wallet, id_), brief=brief)

    return purse.run(make)


def _with_log(purse: Purse, work: "Callable[[Known], Awaitable[T]]") -> T:
    """With the log as the wallet has read it, or, where a node is named, as that node shows it."""
    if purse.node is None:
        return purse.run(lambda wallet: work(wallet.log))
    url = purse.node

    async def by_node() -> T:
        from careledger.consensus.remote import RemoteNode
        from careledger.wallet.proofs import known_by_node

        async with RemoteNode(url) as node:
            return await work(await known_by_node(node))

    return asyncio.run(by_node())


def _draw(file: "EvidenceFile", where: str) -> None:
    import segno

    from careledger.verify.format import encode_file
    from careledger.verify.scanned import format_scanned

    text = format_scanned(encode_file(file))
    try:
        code = segno.make_qr(text, error="l")
    except segno.DataOverflowError as error:
        raise click.ClickException(
            f"too much for one QR code ({len(text)} characters): use --out FILE"
        ) from error
    if where == "-":
        code.terminal(compact=True)
        return
    code.save(where, scale=4)
    click.echo(f"{where}: scan it, keep the text as a file, and give that to `careledger-verify`")
