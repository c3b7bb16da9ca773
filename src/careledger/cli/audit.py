"""`careledger audit`: watch somebody else's node, keep a copy, and shout about two histories."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from careledger.ledger.signature import SigningKey
    from careledger.node.audit.alarm import Alarm
    from careledger.node.audit.auditor import Auditor, Cosigner, Tell
    from careledger.node.audit.source import LogSource
    from careledger.verify.trust import Trust

ALARM, UNDECIDED = 1, 2
"""Exit status: two histories, or a failure; and nobody said whom to believe."""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("url")
@click.option(
    "--folder",
    required=True,
    metavar="MIRROR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the copy is kept; an earlier one is gone on with.",
)
@click.option("--trust", type=_FILE, help="Whom you believe, and how many of them it takes.")
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="URL",
    help="Another node, to compare. May be repeated.",
)
@click.option("--once", is_flag=True, help="Look once instead of following.")
@click.option(
    "--every",
    default=5,
    show_default=True,
    type=click.IntRange(1, 3600),
    help="Seconds between looks.",
)
@click.option(
    "--key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Sign the copy with the key in this file, which is made if it is not there.",
)
@click.option(
    "--name", default="auditor", show_default=True, help="The name under which it is signed."
)
def audit(
    url: str,
    folder: Path,
    trust: Path | None,
    peers: tuple[str, ...],
    every: int,
    key: Path | None,
    name: str,
    *,
    once: bool,
) -> int:
    """Follow the log of the node at URL and keep a mirror of it, every entry checked.

    The mirror is a folder of static tiles (C2SP tlog-tiles): `careledger-verify MIRROR` checks it
    offline, any web server serves it. A history that was rewritten, or that differs from what
    another node shows, ends the command with status 1; the evidence is then in MIRROR/evidence.

    Exit status with --once: 0 all is as it was; 1 it is not, or nobody answers; 2 it stays open,
    for want of a --trust file, of signatures, or of an answer from a peer.
    """
    from careledger.node.audit.alarm import Alarm
    from careledger.node.audit.auditor import Auditor
    from careledger.node.audit.belief import Belief
    from careledger.node.audit.source import LogSource
    from careledger.store.environment import lock_folder
    from careledger.store.tile_files import TileFiles

    belief = Belief(None if trust is None else _trust(trust))
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        opened.enter_context(lock_folder(folder))
        source = opened.enter_context(LogSource(url))
        others = [opened.enter_context(LogSource(peer)) for peer in peers]
        cosigner = None if key is None else _cosigner(key, name)
        auditor = Auditor(source, TileFiles(folder), belief, cosigner=cosigner)
        decided = belief.trust is not None
        if not decided:
            click.echo("No --trust: whether the signers are to be believed stays open.", err=True)
        try:
            return _watch(auditor, others, decided=decided, every=0 if once else every)
        except Alarm as alarm:
            return _shout(folder, alarm)


def _watch(auditor: "Auditor", others: "list[LogSource]", *, decided: bool, every: int) -> int:
    """Round after round with `every` seconds between; with none, one round and its exit status."""
    while True:
        status = _look(auditor, others, decided=decided, once=not every)
        if not every:
            return status
        time.sleep(every)


def _look(auditor: "Auditor", others: "list[LogSource]", *, decided: bool, once: bool) -> int:
    """One round; its exit status if it is the only one."""
    from careledger.ledger.errors import Unavailable
    from careledger.node.audit.belief import NotBelievable

    try:
        with _bar() as tell:
            new = auditor.follow(tell)
    except Unavailable as error:
        _say(f"{error}." if once else f"{error}. Trying again.")
        return ALARM
    except NotBelievable as error:
        _say(f"Not yet: {error}.")
        return UNDECIDED
    kept = auditor.kept
    if new and kept is not None:
        checkpoint = kept.checkpoint
        _say(
            f"{new:,} new entries checked; the mirror holds {checkpoint.size:,} "
            f"(root {checkpoint.root.hex()[:16]}...)"
        )
    found = auditor.compare(others)
    for reason in filter(None, found.values()):
        _say(f"Not compared: {reason}.")
    agreeing = sum(reason is None for reason in found.values())
    if new and agreeing:
        _say(f"{agreeing} of {len(found)} other nodes show the same history.")
    return 0 if decided and agreeing == len(found) else UNDECIDED


def _shout(folder: Path, alarm: "Alarm") -> int:
    from careledger.cli.clock import wall_clock
    from careledger.node.audit.alarm import keep_evidence

    path = keep_evidence(folder, alarm, wall_clock())
    bar = "!" * 78
    for line in (bar, f"ALARM: {alarm.kind.upper()}", alarm.reason, f"Evidence: {path}", bar):
        click.echo(line, err=True)
    return ALARM


def _trust(path: Path) -> "Trust":
    from careledger.ledger.errors import Malformed
    from careledger.verify.trust import parse_trust

    try:
        return parse_trust(path.read_bytes())
    except Malformed as error:
        raise click.UsageError(f"{path} is not a trust file") from error


def _cosigner(path: Path, name: str) -> "Cosigner":
    """The auditor's own voice; the line that others configure is told."""
    from careledger.cli.clock import wall_clock
    from careledger.ledger.errors import Malformed
    from careledger.ledger.note import Kind, NoteKey
    from careledger.node.audit.auditor import Cosigner

    key = _key(path)
    try:
        line = NoteKey(name=name, kind=Kind.COSIGNATURE, public=key.public.public).format()
    except Malformed as error:
        raise click.UsageError("--name is one word without `+`") from error
    click.echo(f"Signing the copy as {line}")
    return Cosigner(name=name, key=key, clock=wall_clock)


def _key(path: Path) -> "SigningKey":
    import secrets

    from careledger.vault.keyfile import load_signing_key, save_key

    if not path.exists():
        save_key(path, "EdDSA", secrets.token_bytes(32))
    return load_signing_key(path)


@contextmanager
def _bar() -> "Iterator[Tell]":
    """A progress bar, if somebody is there to see it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Checking entries", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _say(sentence: str) -> None:
    from careledger.cli.clock import moment, wall_clock

    click.echo(f"{moment(wall_clock())}  {sentence}")
