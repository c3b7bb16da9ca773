"""`careledger network misbehaviour`: who was caught at what, as the ledger of a node has it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from careledger.apps.governance.commands import Misbehaved
    from careledger.consensus.remote import Happened
    from careledger.wallet.proofs import Known

CHUNK = 1_000
"""Transactions in one page of the event feed: as many as a node gives."""


@dataclass(frozen=True)
class Caught:
    """One offence, and where the log has it."""

    index: int
    offence: "Misbehaved"
    suspended: bool
    """Whether the same entry suspended the member."""


@click.command()
@click.option("--node", "url", required=True, metavar="URL", help="The node, of any member.")
@click.option(
    "--trust",
    "trust_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The trust file: who must have signed the log.",
)
@click.option("--member", metavar="ID", help="Only of this member.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def misbehaviour(url: str, trust_file: Path | None, member: str | None, *, as_json: bool) -> None:
    """List double votes, attacks on light clients and contradicting checkpoints on the ledger.

    Each line is proved: the log has that entry at that position, and the entry names what followed.
    Whether anything was left out, the whole log shows: `careledger save-log`.
    """
    from careledger.cli.output import print_json, print_table

    found = asyncio.run(_read(url, trust_file))
    chosen = [one for one in found if member in {None, one.offence.member}]
    if trust_file is None:
        click.echo("No --trust: the log is as this node alone signs it.", err=True)
    if as_json:
        print_json([_values(one) for one in chosen])
        return
    print_table(f"{len(chosen)} recorded", [_row(one) for one in chosen], "Nobody was caught.")


async def _read(url: str, trust_file: Path | None) -> list[Caught]:
    from careledger.consensus.remote import RemoteNode
    from careledger.wallet.proofs import known_by_node

    async with RemoteNode(url) as node:
        log = await known_by_node(node)
        if trust_file is not None:
            _check_signers(log, trust_file)
        return [one async for happened in _feed(log) for one in await _proved(log, happened)]


def _check_signers(log: "Known", trust_file: Path) -> None:
    """See that enough of the trusted members signed the log.

    Raises:
        ProofError: they did not, or it is another chain's.
    """
    from careledger.ledger.checkpoint import parse_checkpoint, verify_checkpoint
    from careledger.node.joining import read_trust

    trust = read_trust(trust_file)
    verify_checkpoint(parse_checkpoint(log.checkpoint), trust.origin, trust.policy())


async def _feed(log: "Known") -> "AsyncIterator[Happened]":
    """Everything that happened in the log as far as it is known, in order."""
    after = 0
    while after < log.size:
        page = await log.node.events(after, limit=CHUNK)
        for one in page.happened:
            if one.index < log.size:
                yield one
        if page.following <= after:
            return
        after = page.following


async def _proved(log: "Known", happened: "Happened") -> list[Caught]:
    """The offences that one log entry names, once the log is seen to have it so.

    Raises:
        ProofError: it has another entry there, or one that names other events.
    """
    from careledger.ledger.merkle import leaf_hash, verify_inclusion

    found = list(_offences(happened))
    if found:
        index = happened.index
        (entry,) = await log.node.entries(index, index + 1)
        path = await log.node.inclusion(index, log.size)
        verify_inclusion(leaf_hash(entry), index, log.size, path, log.root)
        _check_events(entry, happened)
    return found


def _offences(happened: "Happened") -> "Iterator[Caught]":
    from careledger.apps.governance import APPLICATION
    from careledger.apps.governance.commands import MemberSuspended, Misbehaved
    from careledger.ledger.record import decode

    events = [
        decode(one.event, APPLICATION.event_type)
        for one in happened.receipt.events
        if one.application == APPLICATION.name
    ]
    suspended = {event.member for event in events if isinstance(event, MemberSuspended)}
    for event in events:
        if isinstance(event, Misbehaved):
            yield Caught(happened.index, event, event.member in suspended)


def _check_events(data: bytes, happened: "Happened") -> None:
    """See that these events followed from the entry.

    Raises:
        ProofError: others did.
    """
    from careledger.ledger.entry import BlockEntry, TransactionEntry, decode_entry, events_digest
    from careledger.ledger.errors import ProofError

    entry, computed = decode_entry(data), events_digest(happened.receipt.events)
    named: object = None
    if isinstance(entry, TransactionEntry) and not entry.code:
        named = entry.events
    elif isinstance(entry, BlockEntry):
        named = entry.witnessed
    if named != computed:
        raise ProofError(f"log entry {happened.index:,} names other events than the node tells")


def _about(offence: "Misbehaved") -> str:
    """What `number` counts."""
    return "size" if offence.kind == "equivocation" else "height"


def _row(caught: Caught) -> dict[str, str]:
    from careledger.cli.clock import moment

    offence = caught.offence
    return {
        "Member": offence.member,
        "What": offence.kind,
        "Where": f"{_about(offence)} {offence.number:,}",
        "Log position": f"{caught.index:,}",
        "Suspended": "yes" if caught.suspended else "no",
        "When": moment(offence.at),
        "Reported by": offence.reporter or "the engine",
    }


def _values(caught: Caught) -> dict[str, object]:
    from careledger.cli.clock import iso

    offence = caught.offence
    return {
        "member": offence.member,
        "kind": offence.kind,
        _about(offence): offence.number,
        "index": caught.index,
        "suspended": caught.suspended,
        "time": iso(offence.at),
        "reporter": offence.reporter,
    }
