"""`careledger key`: make a member's signing keys, and put new ones in the place of old ones."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from careledger.cli.signing import Signer
    from careledger.ledger.membership import KeyUse, NewKey
    from careledger.ledger.record import Digest, MemberId, SignerId
    from careledger.ledger.signature import Algorithm, SigningKey

_USES = ["transaction", "client", "checkpoint", "receipt", "consensus"]
_ALGORITHMS = ["EdDSA", "ES256", "EdDSA+ML-DSA-65"]

_FILE = click.Path(dir_okay=False, path_type=Path)
_USE = click.option("--use", type=click.Choice(_USES), required=True, help="What it signs.")
_ALGORITHM = click.option(
    "--algorithm",
    type=click.Choice(_ALGORITHMS),
    default="EdDSA",
    show_default=True,
    help="How it signs.",
)


@click.group()
def key() -> None:
    """A member's signing keys: make, show, rotate."""


@key.command()
@click.argument("file", type=_FILE)
@_USE
@_ALGORITHM
@click.option("--member", required=True, help="Whose key it is to be.")
@click.option("--node", metavar="URL", required=True, help="A node of the network.")
def new(file: Path, use: "KeyUse", algorithm: "Algorithm", member: str, node: str) -> None:
    """Make a key in FILE, and print what `--key` of `governance register-key` takes.

    The secret stays in FILE, which only you may read. What is printed is public, and proves
    that you hold it; it also stands among the `keys` of a motion to admit a member.
    """
    import msgspec

    from careledger.ledger.record import MemberId

    made = _make(file, algorithm)
    chain = asyncio.run(_chain(node))
    click.echo(msgspec.json.encode(_proved(made, use, MemberId(member), chain)).decode())


@key.command()
@click.argument("file", type=_FILE)
def show(file: Path) -> None:
    """Print the id of the key in FILE, by which the ledger knows it."""
    from careledger.vault.keyfile import load_signing_key

    found = load_signing_key(file)
    click.echo(f"{_id(found).hex()} {found.algorithm}")


@key.command()
@click.argument("file", type=_FILE)
@_USE
@_ALGORITHM
@click.option(
    "--home",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Home of the member's gateway, whose transaction key signs.",
)
@click.option("--node", metavar="URL", help="Another node to send to.")
def rotate(file: Path, use: "KeyUse", algorithm: "Algorithm", home: Path, node: str | None) -> None:
    """Put a new key in the place of the one in FILE, on the ledger and then in the file.

    The old key signs nothing after the block that says so. Stopped halfway, it is finished when it
    is run again. Start the program that uses FILE anew afterwards.
    """
    from careledger.cli.signing import find_member, submit
    from careledger.vault.keyfile import load_signing_key

    old, following = load_signing_key(file), file.with_name(f"{file.name}.next")
    signer = find_member(home, node)
    made = load_signing_key(following) if following.exists() else _make(following, algorithm)
    if not asyncio.run(_is_live(signer, made)):
        from careledger.apps.governance.commands import RotateKey

        chain = asyncio.run(_chain(signer.node))
        proved = _proved(made, use, signer.id, chain)
        submit(signer, "governance", RotateKey(old=_id(old), key=proved))
    _put(following, file)
    click.echo(f"{file} holds key {_id(made).hex()}.")


def _make(file: Path, algorithm: "Algorithm") -> "SigningKey":
    import secrets

    from careledger.ledger.signature import SigningKey
    from careledger.vault.keyfile import save_key

    seed = secrets.token_bytes(32)
    save_key(file, algorithm, seed)
    return SigningKey(algorithm, seed)


def _put(following: Path, file: Path) -> None:
    """Let the new file take the old one's name, for good."""
    from careledger.vault.keystore import sync_directory

    following.replace(file)
    sync_directory(file.parent)


def _id(signing: "SigningKey") -> "Digest":
    from careledger.ledger.possession import thumbprint

    return thumbprint(signing.algorithm, signing.public.public)


def _proved(
    signing: "SigningKey", use: "KeyUse", member: "SignerId | MemberId", chain: "Digest"
) -> "NewKey":
    from careledger.ledger.possession import new_key

    return new_key(signing, use, member, chain)


async def _chain(url: str) -> "Digest":
    from careledger.consensus.remote import RemoteNode
    from careledger.ledger.record import digest

    async with RemoteNode(url) as node:
        return digest(await node.genesis())


async def _is_live(signer: "Signer", signing: "SigningKey") -> bool:
    """Whether the ledger has it already: an earlier run came that far."""
    from careledger.consensus.remote import RemoteNode

    async with RemoteNode(signer.node) as node:
        return (await node.row("ledger.keys", signer.id, _id(signing).hex())).row is not None
