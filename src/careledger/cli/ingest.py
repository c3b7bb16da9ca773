"""`careledger ingest`: FHIR bundles from files to a gateway, resumable, with an answer for each."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from careledger.cli.smart import Session

AT_ONCE = 4
"""Files on their way at the same time."""

TRIES, PAUSE_S = 5, 1.0
"""How often, and with what pause, a busy gateway is tried."""

DIRECTORY = ("hospital", "practitioner")
"""In the names of files that others refer to."""

SCOPE = "system/*.cruds"

BUSY = 503
"""HTTP status of a gateway that has too much to do."""

T = TypeVar("T")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--home",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Home of the member whose records they are.",
)
@click.option("--gateway", metavar="URL", help="Another address of its gateway.")
@click.option(
    "--purpose", default="RECORDMGT", show_default=True, help="Purpose of use to sign in with."
)
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where finished files are noted, so that a second run skips them; in the home without it.",
)
def ingest(
    files: tuple[Path, ...], home: Path, gateway: str | None, purpose: str, journal: Path | None
) -> int:
    """Send FILES (FHIR R4 bundles, or folders of them) to the gateway of a member.

    A file that was taken is not sent again. What the records refer to goes first: files with
    `hospital` or `practitioner` in their name.

    Exit status: 0 all taken; 1 some were not, and the reasons are listed.
    """
    from careledger.cli.smart import member_client

    client = member_client(home, purpose, SCOPE, gateway)
    noted = Journal(journal or home / "ingest.journal")
    found = list(_expand(files))
    if not found:
        raise click.UsageError("there are no .json files in there")
    first = [path for path in found if any(word in path.name for word in DIRECTORY)]
    rest = [path for path in found if path not in first]

    async def work(told: Callable[["Done"], None]) -> list[Done]:
        from careledger.cli.smart import Session

        async with Session(client) as session:
            done = await _send_all(session, noted, first, 1, told)
            return done + await _send_all(session, noted, rest, AT_ONCE, told)

    done = _with_bar(len(found), work)
    failed = [one for one in done if one.errors]
    for one in failed:
        for error in one.errors:
            click.echo(f"{one.path}: {error}", err=True)
    entries = sum(one.entries for one in done)
    skipped = sum(one.skipped for one in done)
    click.echo(
        f"{len(done) - len(failed) - skipped} files taken with {entries:,} resources, "
        f"{skipped} taken before, {len(failed)} not taken."
    )
    return 1 if failed else 0


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of one file."""

    path: Path
    entries: int = 0
    skipped: bool = False
    errors: tuple[str, ...] = ()


class Journal:
    """Digests of files that a gateway has taken; a line each, appended and flushed."""

    def __init__(self, path: Path) -> None:
        """Go on from what is noted in `path`."""
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._known = set(lines)

    def __contains__(self, digest: str) -> bool:
        return digest in self._known

    def add(self, digest: str) -> None:
        """Note a file, and not its name, which may be a patient's."""
        self._known.add(digest)
        with self._path.open("a") as file:
            file.write(f"{digest}\n")


def _expand(files: Sequence[Path]) -> Iterator[Path]:
    for path in files:
        if path.is_dir():
            yield from sorted(path.rglob("*.json"))
        else:
            yield path


async def _send_all(
    session: "Session",
    noted: Journal,
    paths: Sequence[Path],
    at_once: int,
    told: Callable[[Done], None],
) -> list[Done]:
    gate = asyncio.Semaphore(at_once)

    async def one(path: Path) -> Done:
        async with gate:
            done = await _send(session, noted, path)
        told(done)
        return done

    return list(await asyncio.gather(*map(one, paths)))


async def _send(session: "Session", noted: Journal, path: Path) -> Done:
    from careledger.ledger.errors import LedgerError

    data = await asyncio.to_thread(path.read_bytes)
    digest = hashlib.sha256(data).hexdigest()
    if digest in noted:
        return Done(path=path, skipped=True)
    try:
        answer = await _patiently(lambda: session.post("/fhir", data, "application/fhir+json"))
    except LedgerError as error:
        return Done(path=path, errors=(str(error),))
    errors = tuple(_entry_errors(answer))
    entries = len(answer.get("entry", ())) - len(errors)
    if not errors:
        noted.add(digest)
    return Done(path=path, entries=entries, errors=errors)


async def _patiently(post: Callable[[], Awaitable[T]]) -> T:
    """The answer, as soon as the gateway is not busy."""
    from careledger.cli.smart import GatewayRefused
    from careledger.ledger.errors import Unavailable

    attempt = 0
    while True:
        attempt += 1
        try:
            return await post()
        except (GatewayRefused, Unavailable) as error:
            busy = not isinstance(error, GatewayRefused) or error.status == BUSY
            if not busy or attempt == TRIES:
                raise
        await asyncio.sleep(PAUSE_S * attempt)


def _entry_errors(answer: object) -> Iterator[str]:
    """Entries of a batch that were not taken."""
    from careledger.cli.smart import reason_of

    entries = answer.get("entry", ()) if isinstance(answer, dict) else ()
    for number, entry in enumerate(entries, 1):
        response = entry.get("response", {})
        status = str(response.get("status", ""))
        if not status.startswith("2"):
            reason = reason_of(int(status[:3] or 0), response.get("outcome"))
            yield f"entry {number}: {reason}"


def _with_bar(
    total: int, work: Callable[[Callable[[Done], None]], Coroutine[None, None, list[Done]]]
) -> list[Done]:
    """Run `work` with a progress bar, if somebody is there to see it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("Sending", total=total)
        return asyncio.run(work(lambda _: bar.advance(task)))
