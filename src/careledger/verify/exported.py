"""Exports being read: every byte of the bundle is accounted for by a proof, or the export fails."""

import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import IO

import msgspec

from careledger.ledger.commitment import TransactionProof, verify_logged
from careledger.ledger.errors import LedgerError, Malformed, ProofError
from careledger.ledger.record import MAX_BYTES, decode
from careledger.verify.checkpoint import check_checkpoint, read_checkpoint
from careledger.verify.export import (
    BEGIN,
    BUNDLE,
    CHECKPOINT,
    END,
    MANIFEST,
    MEMBERS,
    PROOFS,
    TRANSACTIONS,
    ExportedRecord,
    Manifest,
    before,
)
from careledger.verify.record import describe_name, verify_committed
from careledger.verify.step import Step, Steps, plural
from careledger.verify.transaction import check_outcome
from careledger.verify.trust import Believed

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    RuntimeError,  # also what is encrypted, or compressed in a way that is not built in
)
"""What `zipfile` raises on bytes that are no sound zip file."""


class Export:
    """An export being read; owns the open zip file."""

    def __init__(self, file: IO[bytes]) -> None:
        """Open it.

        Raises:
            Malformed: not an export, or with other members than an export has.
        """
        try:
            self._archive = zipfile.ZipFile(file)
        except _DAMAGE as error:
            raise Malformed from error
        if sorted(self._archive.namelist()) != sorted(MEMBERS):
            raise Malformed
        self.manifest = self._manifest()

    def close(self) -> None:
        """Close the zip file."""
        self._archive.close()

    def checkpoint(self) -> str:
        """The text of the checkpoint."""
        try:
            return self._small(CHECKPOINT).decode()
        except UnicodeDecodeError as error:
            raise Malformed from error

    def transactions(self) -> Iterator[TransactionProof]:
        """The transactions that committed what is exported."""
        with self._open(TRANSACTIONS) as file:
            for data in _frames(file):
                yield decode(data, TransactionProof)

    def records(self) -> Iterator[tuple[ExportedRecord, bytes]]:
        """Each proof with the resource that it is about; between them is nothing unaccounted for.

        Raises:
            Malformed: the bundle holds something else than the proofs speak of.
        """
        with self._open(PROOFS) as proofs, self._open(BUNDLE) as bundle:
            _expect(bundle, BEGIN)
            for number, data in enumerate(_frames(proofs)):
                record = decode(data, ExportedRecord)
                _expect(bundle, before(record.opening.name, first=number == 0))
                yield record, _read(bundle, record.bytes)
                _expect(bundle, b"}")
            _expect(bundle, END)
            if _read(bundle, 1):
                raise Malformed

    def _manifest(self) -> Manifest:
        data = self._small(MANIFEST)
        try:
            manifest = msgspec.json.decode(data, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed from error
        if msgspec.json.encode(manifest) + b"\n" != data:
            raise Malformed
        return manifest

    def _small(self, name: str) -> bytes:
        with self._open(name) as file:
            return _read(file, MAX_BYTES)

    def _open(self, name: str) -> IO[bytes]:
        try:
            return self._archive.open(name)
        except _DAMAGE as error:
            raise Malformed from error


def check_export(file: IO[bytes], trusts: Sequence[Believed]) -> Steps[None]:
    """Check every resource of an export.

    Raises:
        Malformed, ProofError: it does not show what it says; names the first entry that is wrong.
    """
    with closing(Export(file)) as export:
        signed = read_checkpoint(export.checkpoint(), bytes.fromhex(export.manifest.chain))
        checkpoint = signed.checkpoint
        transactions: list[TransactionProof] = []
        for proof in export.transactions():
            check_outcome(proof)
            verify_logged(proof, checkpoint.size, checkpoint.root)
            transactions.append(proof)
        yield Step(
            sentence=f"{plural(len(transactions), 'transaction')} stand in the log with the events "
            "given here."
        )
        found = _check_records(export, transactions)
        manifest = export.manifest
        if (found, len(transactions)) != (manifest.records, manifest.transactions):
            raise ProofError("the export does not hold what its manifest says")
        yield Step(
            sentence=f"{plural(found, 'resource is', 'resources are')} byte for byte what the "
            "custodians committed to, and the bundle holds nothing else."
        )
        yield from check_checkpoint(signed, trusts)


def _check_records(export: Export, transactions: Sequence[TransactionProof]) -> int:
    """How many records there are, all of them proven."""
    found = 0
    where = "entry 1"
    try:
        for record, content in export.records():
            name = record.opening.name
            where = f"entry {found + 1:,} ({describe_name(name)})"
            if record.transaction >= len(transactions):
                raise ProofError("its transaction is missing", actual=record.transaction)
            verify_committed(content, record.opening, transactions[record.transaction])
            found += 1
            where = f"entry {found + 1:,}, or what follows entry {found:,}"
    except LedgerError as error:
        reason = getattr(error, "reason", "") or "the file is damaged"
        raise ProofError(f"{where}: {reason}") from error
    return found


def _frames(file: IO[bytes]) -> Iterator[bytes]:
    """The byte strings of a CBOR sequence, each in its shortest form."""
    while head := _read(file, 1):
        kind, short = head[0] >> 5, head[0] & 31
        size = {24: 1, 25: 2, 26: 4}.get(short, 0)
        length = int.from_bytes(_read(file, size)) if size else short
        if kind != 2 or short > 26 or length > MAX_BYTES:  # noqa: PLR2004 - RFC 8949 3.1
            raise Malformed
        data = _read(file, length)
        if len(data) != length:
            raise Malformed
        yield data


def _read(file: IO[bytes], size: int) -> bytes:
    try:
        return file.read(size)
    except _DAMAGE as error:
        raise Malformed from error


def _expect(file: IO[bytes], expected: bytes) -> None:
    if _read(file, len(expected)) != expected:
        raise ProofError("the bundle holds something that no proof speaks of")
