"""`careledger demo`: the command that sets the stage, plays the story and leaves it standing."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from careledger.cli.demo.cast import Delivery
    from careledger.cli.demo.narrator import Narrator
    from careledger.node.config import OrderWith

PATIENTS, SEED, FIRST_PORT = 50, 7, 7_400
PAGE_OFFSET = 90
"""The page's port, after the first."""


@click.group(invoke_without_command=True)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Synthea bundles instead of generated patients.",
)
@click.option(
    "--exit", "leave", is_flag=True, help="End after the story; status 0 if all went well."
)
@click.option("--patients", default=PATIENTS, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--seed", default=SEED, show_default=True, help="Seed of the generated patients.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where the network is put; a new temporary folder without it.",
)
@click.option("--port", default=FIRST_PORT, show_default=True, type=click.IntRange(1024, 65_000))
@click.option(
    "--engine",
    default="solo",
    show_default=True,
    type=click.Choice(["solo", "cometbft"]),
    help="One node orders; or each organisation has a node, and they vote on every block.",
)
@click.pass_context
def demo(
    context: click.Context,
    data: Path | None,
    leave: bool,  # noqa: FBT001 - click passes it by name
    patients: int,
    seed: int,
    folder: Path | None,
    port: int,
    engine: "OrderWith",
) -> None:
    """Four organisations on this machine, and the story of one patient's consent."""
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console

    from careledger.cli.demo.cast import from_folder, generated
    from careledger.cli.demo.narrator import Narrator

    place = folder or Path(tempfile.mkdtemp(prefix="careledger-demo-"))
    deliveries = list(from_folder(data)) if data else list(generated(seed, patients))
    narrator = Narrator(Console())
    asyncio.run(_demo(place, port, engine, deliveries, narrator, leave=leave))
    for missed in narrator.failed:
        click.echo(f"Not as it should be: {missed}", err=True)
    context.exit(1 if narrator.failed else 0)


async def _demo(
    folder: Path,
    port: int,
    engine: "OrderWith",
    deliveries: "list[Delivery]",
    narrator: "Narrator",
    *,
    leave: bool,
) -> None:
    from careledger.cli.demo.encore import stay
    from careledger.cli.demo.processes import Processes
    from careledger.cli.demo.stage import assemble, open_network
    from careledger.cli.demo.story import Story

    started = time.monotonic()
    with Processes(folder / "logs") as processes:
        network = await open_network(folder / "network", port, engine, processes, narrator)
        cast = await assemble(network, deliveries, narrator)
        await Story(cast, narrator).play()
        narrator.say(f"\n[dim]The story took {time.monotonic() - started:.0f} s.[/dim]")
        if not leave and not narrator.failed:
            await stay(cast, port + PAGE_OFFSET, narrator)


@demo.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--purpose", default="TREAT", show_default=True, help="HL7 purpose of use.")
def token(folder: Path, purpose: str) -> None:
    """Print an access token for Dr Cho in the demo network in FOLDER; good for five minutes."""
    from careledger.cli.credential import load_credential
    from careledger.cli.demo.cast import CREDENTIAL
    from careledger.cli.smart import Client, Session
    from careledger.ledger.signature import SigningKey

    held = load_credential(folder / CREDENTIAL)
    client = Client(
        gateway=held.gateway,
        id=held.account,
        key=SigningKey("ES256", held.client),
        purpose=purpose,
        role="clinician",
    )

    async def sign_in() -> str:
        async with Session(client) as session:
            return await session.token()

    click.echo(asyncio.run(sign_in()))


@demo.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--at", type=click.IntRange(0), help="Which byte; one in the middle without it.")
@click.pass_context
def tamper(context: click.Context, folder: Path, at: int | None) -> None:
    """Change one byte in a copy of the exported record in FOLDER, and let the verifier look."""
    from careledger.cli.demo.story import EXPORT, verify
    from careledger.node.founding import TRUST_FILE

    original = folder / EXPORT
    with _tampered(original, at) as (copy, place):
        click.echo(f"Byte {place} of {original.stat().st_size} is another one now.\n")
        said = verify(copy, folder / TRUST_FILE)
    click.echo(said.stdout + said.stderr)
    context.exit(0 if said.returncode == 1 else 1)


@contextlib.contextmanager
def _tampered(original: Path, at: int | None) -> Iterator[tuple[Path, int]]:
    data = bytearray(original.read_bytes())
    place = len(data) // 2 if at is None else min(at, len(data) - 1)
    data[place] ^= 1
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / original.name
        copy.write_bytes(data)
        yield copy, place
