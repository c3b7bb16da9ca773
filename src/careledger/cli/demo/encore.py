"""After the story: the network stays up, and the reader gets three things to try."""

import secrets
import sys
from pathlib import Path

from careledger.cli.clock import wall_clock
from careledger.cli.demo.cast import LAKEVIEW, RIVERSIDE, Cast
from careledger.cli.demo.narrator import Narrator
from careledger.node.listening import serve
from careledger.wallet.wallet import open_wallet
from careledger.web.app import patient_app
from careledger.web.wallet_source import WalletSource


async def stay(cast: Cast, page_port: int, narrator: Narrator) -> None:
    """Serve the patient's page until Ctrl-C; say where, and what else to try."""
    secret = secrets.token_urlsafe(16)
    page = f"http://127.0.0.1:{page_port}/{secret}/"
    console = narrator.console
    console.print()
    console.print("[bold]The network is running. Try:[/bold]")
    for title, line in things_to_try(cast, page):
        console.print(f"   {title}", style="dim")
        console.print(f"   {line}", soft_wrap=True, highlight=False, markup=False)
    console.print("\n   Ctrl-C ends it.", style="dim")
    async with open_wallet(cast.wallet, None, wall_clock) as wallet:
        app = patient_app(WalletSource(wallet, cast.name), secret)
        await serve(app, "127.0.0.1", page_port, lambda: None)


def things_to_try(cast: Cast, page: str) -> list[tuple[str, str]]:
    """One address, one request and one command."""
    program, folder = Path(sys.argv[0]), cast.network.folder
    path = f"/fhir/remote/{RIVERSIDE}/Patient/{cast.local[LAKEVIEW]}/MedicationRequest"
    bearer = f"$({program} demo token {folder})"
    url = cast.network.gateways[LAKEVIEW] + path
    return [
        ("her record, and who looked:", page),
        (
            "ask as Dr Cho (refused: the consent is over):",
            f'curl -H "Authorization: Bearer {bearer}" {url}',
        ),
        ("tamper with one byte and see it caught:", f"{program} demo tamper {folder}"),
    ]
