"""`careledger trust`: write down whom one believes about a chain, and how many of them it takes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from careledger.ledger.record import Digest
    from careledger.ledger.signature import PublicKey
    from careledger.ledger.state import View

    Keys = list[tuple[str, str, PublicKey]]


@click.command()
@click.option(
    "--genesis",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The genesis file: the keys with which the network began.",
)
@click.option(
    "--home",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A node's home: the keys that its ledger has now.",
)
@click.option(
    "--member", "members", multiple=True, metavar="ID", help="Only these members. May be repeated."
)
@click.option(
    "--threshold",
    type=click.IntRange(min=1),
    help="How many of them must have signed; more than two thirds if it is not given.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The trust file, for `careledger-verify --trust` and `careledger audit --trust`.",
)
def trust(
    genesis: Path | None,
    home: Path | None,
    members: tuple[str, ...],
    threshold: int | None,
    out: Path,
) -> None:
    """Make a trust file from a genesis file, or from the ledger of a node that you believe.

    Compare the chain id that is printed with that of somebody else before you rely on it.
    """
    from careledger.verify.trust import format_trust, make_trust

    if (genesis is None) == (home is None):
        raise click.UsageError("give either --genesis or --home")
    chain, keys = _from_genesis(genesis) if genesis is not None else _from_ledger(home or Path())
    known = sorted({member for member, use, _ in keys if use == "checkpoint"})
    chosen = set(members) or set(known)
    if unknown := sorted(chosen - set(known)):
        raise click.ClickException(f"without a checkpoint key: {', '.join(unknown)}")
    if not chosen:
        raise click.ClickException("no member has a checkpoint key")
    needed = threshold or 2 * len(chosen) // 3 + 1
    if needed > len(chosen):
        raise click.ClickException(f"{needed} of {len(chosen)} members cannot sign")
    made = make_trust(chain, needed, [one for one in keys if one[0] in chosen])
    out.write_text(format_trust(made))
    click.echo(f"Chain {chain.hex()}")
    click.echo(f"{out}: {needed} of {len(chosen)} must have signed: {', '.join(sorted(chosen))}")


def _from_genesis(path: Path) -> "tuple[Digest, Keys]":
    """The keys of the members that a genesis file admits."""
    from careledger.apps import installed
    from careledger.ledger.genesis import active_applications, genesis_changes, load_genesis
    from careledger.ledger.state import View

    chain, genesis = load_genesis(path.read_bytes())
    changes = genesis_changes(genesis, active_applications(genesis, installed(), 0))
    return chain, _keys(View(None, changes))


def _from_ledger(home: Path) -> "tuple[Digest, Keys]":
    """The keys that are live in a node's ledger."""
    from careledger.ledger.record import digest
    from careledger.ledger.state import View
    from careledger.node.config import load_node
    from careledger.store.reader import StoreReader

    with StoreReader(home / load_node(home).ledger) as reader, reader.snapshot() as committed:
        return digest(committed.genesis()), _keys(View(committed))


def _keys(view: "View") -> "Keys":
    """The keys with which active members vouch: (member, use, key)."""
    from careledger.apps.governance.queries import members
    from careledger.ledger.membership import KeyUse, live_keys, public_key

    uses: tuple[KeyUse, ...] = ("checkpoint", "receipt")
    found: Keys = []
    for member in members(view):
        if member.status != "active":
            continue
        for use in uses:
            rows = (public_key(row) for _, row in live_keys(view, member.id, use))
            found += [(member.id, use, key) for key in rows if key is not None]
    return found
