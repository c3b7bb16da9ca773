"""`careledger-verify FILE`: checks evidence offline, without a node, a network or an account."""

import sys
import time
from collections.abc import Iterable
from pathlib import Path

import click

from careledger.ledger.checkpoint import parse_checkpoint
from careledger.ledger.errors import LedgerError, Malformed, ProofError
from careledger.ledger.record import MAX_BYTES, Instant
from careledger.verify.checkpoint import check_checkpoint
from careledger.verify.consent import check_consent
from careledger.verify.exported import check_export
from careledger.verify.format import (
    ConsentFile,
    EvidenceFile,
    Kind,
    LightFile,
    ReceiptFile,
    RecordFile,
    RowFile,
    decode_file,
    recognise,
)
from careledger.verify.light import check_light
from careledger.verify.mirror import check_mirror
from careledger.verify.record import check_record
from careledger.verify.row import check_row
from careledger.verify.scanned import parse_scanned
from careledger.verify.slice import MAX_LINE_BYTES, check_slice
from careledger.verify.step import Step, Steps, Verdict
from careledger.verify.transaction import check_receipt, check_tlog_proof
from careledger.verify.trust import Believed, Trust, parse_trust

USAGE = 64
"""Exit status when the command itself was wrong (BSD sysexits)."""

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FILE_OR_FOLDER = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("file", type=_FILE_OR_FOLDER)
@click.option(
    "--trust",
    "trust_files",
    multiple=True,
    type=_FILE,
    help="Whom you believe: a trust file that `careledger` wrote. May be given more than once.",
)
@click.option(
    "--light",
    "light_files",
    multiple=True,
    type=_FILE,
    help="A light proof: validators' votes on the checkpoint, from a trusted height on. "
    "May be given more than once.",
)
@click.option(
    "--about", metavar="NAME", help="In a log slice, list the rows that speak of this account."
)
def command(
    file: Path, trust_files: tuple[Path, ...], light_files: tuple[Path, ...], about: str | None
) -> Verdict:
    """Check FILE: a receipt, a consent, a record, a row, a log slice, an export, a light proof.

    FILE may also be a folder: a mirror of a log, as `careledger audit` and `careledger node tiles`
    keep one.

    Exit status: 0 verified; 1 it fails; 2 it agrees with itself, but no trust file says whom to
    believe; 64 wrong usage.
    """
    trusts = [_read_trust(path) for path in trust_files]
    click.echo(f"{file.name}")
    verdict = Verdict.VERIFIED
    number = 0
    try:
        for number, step in enumerate(_check_all(file, trusts, light_files, about), 1):
            mark = "ok" if step.decided else "?"
            click.echo(f"{number:3}. {step.sentence}  [{mark}]")
            if not step.decided:
                verdict = Verdict.UNDECIDED
    except (LedgerError, OSError) as error:
        click.echo(f"{number + 1:3}. {_explain(error)}  [FAILED]")
        verdict = Verdict.FAILED
    click.echo(_VERDICTS[verdict])
    return verdict


def _check_all(
    path: Path, trusts: list[Trust], light_files: Iterable[Path], about: str | None
) -> Steps[None]:
    """First the light proofs, whose heads then vouch for checkpoints in the file."""
    believed: list[Believed] = list(trusts)
    for light in light_files:
        file = decode_file(light.read_bytes())
        if not isinstance(file, LightFile):
            raise ProofError(f"{light.name} is not a light proof")
        head = yield from check_light(file, believed, _now())
        believed += [head] if head else []
    yield from check_file(path, believed, about)


def check_file(path: Path, trusts: list[Believed], about: str | None) -> Steps[None]:
    """The steps that fit the file.

    Raises:
        LedgerError: a step failed, or the file is none that this program knows.
    """
    if path.is_dir():
        yield from check_mirror(path, trusts, about)
        return
    with path.open("rb") as file:
        kind = recognise(file.read(64))
        file.seek(0)
        match kind:
            case Kind.EXPORT:
                yield from check_export(file, trusts)
            case Kind.LOG_SLICE:
                lines = iter(lambda: file.readline(MAX_LINE_BYTES + 1), b"")
                yield from check_slice(lines, trusts, about)
            case Kind.RECORD:
                yield from _check_record(decode_file(file.read(MAX_BYTES + 1)), trusts)
            case Kind.SCANNED:
                data = parse_scanned(_text(file.read(MAX_BYTES)))
                yield from _check_record(decode_file(data), trusts)
            case Kind.TLOG_PROOF:
                yield from check_tlog_proof(_text(file.read(MAX_BYTES)), trusts)
            case Kind.CHECKPOINT:
                signed = parse_checkpoint(_text(file.read(MAX_BYTES)))
                yield Step(sentence=f"It is a checkpoint of {signed.checkpoint.origin}.")
                yield from check_checkpoint(signed, trusts)
            case Kind.UNKNOWN:
                raise Malformed


def _check_record(file: EvidenceFile, trusts: list[Believed]) -> Steps[None]:
    match file:
        case ReceiptFile():
            yield from check_receipt(file, trusts)
        case ConsentFile():
            yield from check_consent(file, trusts)
        case RowFile():
            yield from check_row(file, trusts)
        case RecordFile():
            yield from check_record(file, trusts)
        case LightFile():
            yield from check_light(file, trusts, _now())


def _now() -> Instant:
    return int(time.time())


def _read_trust(path: Path) -> Trust:
    try:
        return parse_trust(path.read_bytes())
    except (Malformed, OSError) as error:
        message = f"{path} is not a trust file"
        raise click.UsageError(message) from error


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Malformed from error


def _explain(error: LedgerError | OSError) -> str:
    if isinstance(error, Malformed):
        return "This is damaged, or not a file that this program knows."
    if isinstance(error, OSError):
        return f"The file cannot be read: {error.strerror}."
    reason = getattr(error, "reason", "") or type(error).__name__
    details = [
        f"{name} {value}"
        for name in ("expected", "actual")
        if (value := getattr(error, name, None)) is not None
    ]
    told = f" ({', '.join(details)})" if details else ""
    return f"{reason[:1].upper()}{reason[1:]}{told}."


_VERDICTS = {
    Verdict.VERIFIED: "Verified.",
    Verdict.FAILED: "FAILED: do not rely on this file.",
    Verdict.UNDECIDED: "Undecided: the file agrees with itself; give --trust FILE to decide.",
}


def main(arguments: Iterable[str] | None = None) -> None:
    """Run the command and end the process with its status."""
    try:
        status = command.main(
            args=None if arguments is None else list(arguments),
            prog_name="careledger-verify",
            standalone_mode=False,
        )
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except click.Abort:
        sys.exit(USAGE)
    sys.exit(int(status or 0))
