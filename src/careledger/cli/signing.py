"""Who signs a command given by hand: a member, a practitioner, or a patient."""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from careledger.ledger.record import Digest, Record, SignerId
    from careledger.ledger.signature import SigningKey
    from careledger.ledger.transition import Receipt

SKEW_S, WINDOW_S = 5, 300


@dataclass(frozen=True)
class Signer:
    """Who, with which key, and the node to send to."""

    id: "SignerId"
    key: "SigningKey"
    node: str


@dataclass(frozen=True)
class _Choice:
    """The options, before any file is read."""

    home: Path | None
    credential: Path | None
    node: str | None

    def signer(self) -> Signer:
        from careledger.cli.credential import load_credential
        from careledger.ledger.record import AccountId
        from careledger.ledger.signature import SigningKey

        if (self.home is None) == (self.credential is None):
            raise click.UsageError("say who signs: --home HOME of a member, or --as FILE")
        if self.home is not None:
            return find_member(self.home, self.node)
        assert self.credential is not None  # noqa: S101 - for mypy; checked above
        found = load_credential(self.credential)
        key = SigningKey("EdDSA", found.transaction)
        return Signer(AccountId(found.account), key, self.node or found.node)


def find_member(home: Path, node: str | None = None) -> Signer:
    """The member whose gateway's home this is."""
    from careledger.ledger.record import MemberId
    from careledger.node.config import load_gateway
    from careledger.vault.keyfile import load_signing_key

    config = load_gateway(home)
    key = load_signing_key(home / config.transaction_key)
    return Signer(MemberId(config.member), key, node or config.node)


def signer_options(command: click.Command) -> click.Command:
    """Give `command` the options that say who signs; its callback gets `find_signer`."""
    wanted, callback = {"home", "credential", "node"}, command.callback
    command.params += [
        click.Option(
            ["--home"],
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Sign as the member whose home this is.",
        ),
        click.Option(
            ["--as", "credential"],
            metavar="FILE",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Sign as the practitioner whose credential this is.",
        ),
        click.Option(["--node", "node"], metavar="URL", help="Another node to send to."),
    ]

    def run(**options: Any) -> object:  # Any: as the command's other options say
        choice = _Choice(**{f"{name}": options.pop(name) for name in wanted})
        return None if callback is None else callback(find_signer=choice.signer, **options)

    command.callback = run
    return command


def submit(signer: Signer, application: str, *commands: "Record") -> "Receipt":
    """Sign, send, wait, and print what happened.

    Raises:
        ClickException: the rules said no.
    """
    return asyncio.run(_submit(signer, application, *commands))


async def _submit(signer: Signer, application: str, *commands: "Record") -> "Receipt":
    from careledger.apps import discover, pages
    from careledger.consensus.remote import RemoteNode
    from careledger.display import sentence
    from careledger.ledger.record import decode_trusted, digest
    from careledger.ledger.transaction import call, sign_transaction

    async with RemoteNode(signer.node) as node:
        chain = digest(await node.genesis())
        calls = [call(application, one) for one in commands]
        raw = sign_transaction(signer.key, _claims(signer, application, chain), *calls)
        ordered = await node.submit(raw)
    receipt = ordered.receipt
    if receipt.code:
        raise click.ClickException(f"refused ({receipt.code}): {refusal_text(receipt.code)}")
    found, looks = discover(), pages()
    for record in receipt.events:
        event = decode_trusted(record.event, found[record.application].event_type)
        click.echo(sentence(looks[record.application], event) + ".")
    click.echo(f"Transaction {receipt.id.hex()}, block {ordered.height}.")
    return receipt


def _claims(signer: Signer, subject: str, chain: "Digest") -> Any:  # Any: Claims, imported late
    from careledger.cli.clock import wall_clock
    from careledger.ledger.statement import Claims

    now = wall_clock()
    return Claims(
        issuer=signer.id,
        subject=subject,
        audience=chain.hex(),
        not_before=now - SKEW_S,
        expires=now + WINDOW_S,
        nonce=secrets.token_bytes(16),
    )


def refusal_text(code: int) -> str:
    """The public text of a refusal."""
    from careledger.wallet.wallet import refusal_text as text_of

    return text_of(code)
