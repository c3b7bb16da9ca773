"""`careledger gateway`: an organisation's front door, and what its staff does at the desk."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import click

from careledger.cli.in_front import move, shadow_report, sync

_HOME = click.option(
    "--home",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The member's home (the folder with gateway.toml).",
)
_URL = click.option("--gateway", "url", metavar="URL", help="Another address of the gateway.")

_ERASE_THERE_FIRST = (
    "This gateway stands in front of another FHIR server, which is not erased from here. "
    "Erase the patient there first: what is left there is read again, as a new patient's."
)
_NOT_ERASED_THERE = (
    "The FHIR server behind this gateway was not asked to erase anything, nor were its backups: "
    "that is for whoever runs it. The certificate is of what was kept here."
)

DESK_PURPOSE = "PATADMIN"
"""HL7: patient administration."""


@click.group()
def gateway() -> None:
    """Run an organisation's gateway; work at its desk."""


for _command in (move, shadow_report, sync):
    gateway.add_command(_command)


@gateway.command()
@click.argument("home", type=click.Path(exists=True, file_okay=False, path_type=Path))
def run(home: Path) -> None:
    """Run the gateway in HOME (the folder with gateway.toml) until it is told to stop."""
    from careledger.node.config import load_gateway
    from careledger.node.gateway_process import RunningGateway, run_gateway
    from careledger.node.loop import run as run_in_loop

    config = load_gateway(home)

    def ready(running: RunningGateway) -> None:
        click.echo(f"Gateway of {config.member} at {running.url}: FHIR under /fhir")
        click.echo("Ctrl-C stops it.")

    run_in_loop(run_gateway(home, ready))
    click.echo("Stopped.")


@gateway.command()
@_HOME
@_URL
def patients(home: Path, url: str | None) -> None:
    """List the patients who are known here, and whether they hold their account."""
    from careledger.cli.output import print_table

    found = asyncio.run(_get(home, url, "/desk/patients"))["patients"]
    rows = [
        {
            "Patient": one["id"],
            "Account": one["account"],
            "Held by": "the patient" if one["claimed"] else "nobody yet",
        }
        for one in found
    ]
    print_table("Patients", rows, "None yet: `careledger ingest`.")


@gateway.command("claim-code")
@click.argument("patient")
@_HOME
@_URL
def claim_code(patient: str, home: Path, url: str | None) -> None:
    """Give PATIENT (your own id), whom you have just proofed, a code to claim the account with.

    The code before it dies. Hand it over in person: whoever has it is the patient.
    """
    from careledger.cli.clock import moment

    found = asyncio.run(_post(home, url, f"/desk/patients/{patient}/claim", b""))
    click.echo(f"Account  {found['account']}")
    click.echo(f"Code     {found['code']}")
    click.echo(f"Good until {moment(found['claim_until'])}")


@gateway.command()
@click.argument("patient")
@_HOME
@_URL
@click.option("--yes", is_flag=True, help="Do not ask.")
def shred(patient: str, home: Path, url: str | None, yes: bool) -> None:  # noqa: FBT001 - click's own
    """Erase PATIENT (your own id) for good: keys, salts, index and terms, beyond any backup.

    The ledger records it first; a legal hold forbids it. In front of another FHIR server, erase
    the records there first: nothing there is erased from here.
    """
    from careledger.node.config import load_gateway

    if load_gateway(home).upstream is not None:
        click.echo(_ERASE_THERE_FIRST)
    if not yes:
        click.confirm(f"Nobody will ever read the records of {patient} again. Erase?", abort=True)
    found = asyncio.run(_post(home, url, f"/desk/patients/{patient}/shred", b""))
    click.echo(f"Erased: account {found['account']}")
    click.echo(f"Transaction {found['transaction']}")
    click.echo(f"Certificate {found['certificate']}")
    if found["elsewhere"]:
        click.echo(_NOT_ERASED_THERE)


@gateway.command()
@_HOME
@click.option("--data", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--keys", required=True, type=click.Path(dir_okay=False, path_type=Path))
def backup(home: Path, data: Path, keys: Path) -> None:
    """Copy the sealed records to the file DATA and the wrapped keys to the file KEYS.

    Keep the two apart, and the organisation key apart from both. The gateway must be stopped.
    """
    from careledger.node.keeping import back_up

    back_up(home, data, keys)
    click.echo(f"Sealed records in {data}, wrapped keys in {keys}.")


@gateway.command()
@_HOME
@click.option("--data", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--keys", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(home: Path, data: Path, keys: Path) -> None:
    """Bring a lost vault back from DATA and KEYS.

    Whoever was erased since they were taken is erased again, by the ledger, before anything opens.
    The node must be running; the gateway must be stopped.
    """
    from careledger.node.keeping import put_back

    erased = put_back(home, data, keys)
    click.echo(f"Restored; {erased} erasures on the ledger were done again.")


@gateway.command()
@_HOME
def reindex(home: Path) -> None:
    """Index every record as `index` in gateway.toml says now.

    The gateway must be stopped. Interrupted, it goes on where it was when it is called again.
    """
    from rich.console import Console
    from rich.progress import Progress

    from careledger.node import keeping

    console, total = Console(stderr=True), 0
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Indexing", total=None)
        for done, total in keeping.reindex(home):
            bar.update(task, completed=done, total=total)
    click.echo(f"Indexed the records of {total - 1} patients, and the directory.")


@gateway.command("enrol-practitioner")
@_HOME
@_URL
@click.option("--name", required=True, help="Their public name, such as `Dr Cho`.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    help="What they are: clinician, nurse, pharmacist, ...",
)
@click.option(
    "--ial",
    default=2,
    show_default=True,
    type=click.IntRange(1, 3),
    help="How well they were proofed.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write their credential.",
)
def enrol_practitioner(
    home: Path, url: str | None, **options: Any
) -> None:  # Any: as the options above say
    """Enrol a practitioner, and write the file with which they sign and sign in."""
    from careledger.apps.identity.commands import RegisterAccountKey
    from careledger.cli.credential import Credential, save_credential
    from careledger.cli.signing import Signer, submit
    from careledger.exchange.enrolling import new_account_id
    from careledger.ledger.possession import new_key
    from careledger.ledger.signature import SigningKey
    from careledger.node.config import load_gateway

    out: Path = options["out"]
    if out.exists():
        raise click.ClickException(f"there is a file {out} already")
    config, account = load_gateway(home), new_account_id()
    signing = SigningKey("EdDSA", secrets.token_bytes(32))
    client = SigningKey("ES256", secrets.token_bytes(32))
    chain = asyncio.run(_chain(config.node))
    save_credential(
        out,
        Credential(
            name=options["name"],
            member=config.member,
            account=account,
            gateway=url or f"http://{config.host}:{config.port}",
            node=config.node,
            transaction=signing.seed,
            client=client.seed,
        ),
    )
    body = {
        "account": account,
        "name": options["name"],
        "roles": options["roles"],
        "ial": options["ial"],
        "key": new_key(signing, "transaction", account, chain),
    }
    try:
        asyncio.run(_post(home, url, "/desk/practitioners", _json(body)))
    except BaseException:
        out.unlink()
        raise
    key = RegisterAccountKey(key=new_key(client, "client", account, chain))
    submit(Signer(account, signing, config.node), "identity", key)
    click.echo(f"{options['name']} is {account}; their credential is {out}.")


async def _chain(node_url: str) -> Any:  # Any: a digest, whose type is imported late
    from careledger.consensus.remote import RemoteNode
    from careledger.ledger.record import digest

    async with RemoteNode(node_url) as node:
        return digest(await node.genesis())


async def _get(home: Path, url: str | None, path: str) -> Any:  # Any: JSON
    from careledger.cli.smart import Session, member_client

    async with Session(member_client(home, DESK_PURPOSE, "system/*.cruds", url)) as session:
        return await session.get(path)


async def _post(home: Path, url: str | None, path: str, body: bytes) -> Any:  # Any: JSON
    from careledger.cli.smart import Session, member_client

    async with Session(member_client(home, DESK_PURPOSE, "system/*.cruds", url)) as session:
        return await session.post(path, body, "application/json")


def _json(value: object) -> bytes:
    import msgspec

    return msgspec.json.encode(value)
