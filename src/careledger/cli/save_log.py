"""`careledger save-log`: the whole log of a node in one file that anybody can check offline."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from careledger.consensus.remote import RemoteNode
    from careledger.ledger.entry import EventRecord

CHUNK = 1_000
"""Log entries in one request: as many as a node gives."""


@click.command("save-log")
@click.option("--node", "url", required=True, metavar="URL", help="The node.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def save_log(url: str, file: Path) -> None:
    """Save everything that the ledger holds to FILE: whole, or not at all.

    `careledger-verify FILE --trust TRUSTFILE` notices a row that was deleted or altered; with
    `--about ACCOUNT` it lists what the log says of an account. No node is needed for that.
    """
    rows = asyncio.run(_save(url, file))
    click.echo(
        f"{rows:,} rows in {file}: check it with `careledger-verify {file} --trust TRUSTFILE`"
    )


async def _save(url: str, file: Path) -> int:
    from careledger.consensus.remote import RemoteNode
    from careledger.ledger.checkpoint import parse_checkpoint
    from careledger.ledger.record import digest
    from careledger.ledger.span import Span
    from careledger.verify.slice import slice_lines
    from careledger.wallet.proofs import COSIGNED_S

    staged = file.with_name(file.name + ".part")
    try:
        async with RemoteNode(url) as node:
            chain, checkpoint = digest(await node.genesis()), await node.checkpoint(wait=COSIGNED_S)
            size = parse_checkpoint(checkpoint).checkpoint.size
            rows = [row async for row in _rows(node, size)]
        span = Span(begin=0, end=size, size=size, before=(), after=())
        with staged.open("wb") as out:
            out.writelines(slice_lines(chain, checkpoint, span, rows))
        staged.replace(file)
    finally:
        staged.unlink(missing_ok=True)
    return size


async def _rows(
    node: "RemoteNode", size: int
) -> AsyncIterator[tuple[bytes, "tuple[EventRecord, ...] | None"]]:
    """Every entry, with the events of those that are transactions."""
    from careledger.ledger.errors import Unavailable

    for begin in range(0, size, CHUNK):
        entries = await node.entries(begin, min(begin + CHUNK, size))
        if len(entries) != min(CHUNK, size - begin):
            raise Unavailable("the node leaves log entries out")
        page = await node.events(after=begin, limit=CHUNK)
        told = {one.index: one.receipt.events for one in page.happened}
        for index, entry in enumerate(entries, begin):
            yield entry, told.get(index)
