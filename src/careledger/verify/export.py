"""Exports: a whole record as a FHIR Bundle, with the proof of every resource, in one zip file.

`careledger-export/1` holds `manifest.json`, `checkpoint.txt`, `transactions.cbor` and `proofs.cbor`
(CBOR sequences of byte strings, RFC 8742, each the encoding of one record), and `bundle.json`,
whose resources are the bytes that their custodians committed to.
"""

import zipfile
from collections.abc import Iterable
from typing import IO, Annotated, Literal

import msgspec

from careledger.ledger.commitment import Opening, RecordName, TransactionProof
from careledger.ledger.record import Count, Digest, Record, encode
from careledger.verify.trust import ChainHex

MANIFEST, CHECKPOINT, BUNDLE = "manifest.json", "checkpoint.txt", "bundle.json"
TRANSACTIONS, PROOFS = "transactions.cbor", "proofs.cbor"
MEMBERS = (MANIFEST, CHECKPOINT, TRANSACTIONS, PROOFS, BUNDLE)

MAX_RESOURCE_BYTES = 50 << 20

BEGIN = b'{"resourceType":"Bundle","type":"collection","entry":['
END = b"\n]}\n"

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can state: the same records give the same file."""


class Manifest(Record):
    """What the export holds, for whoever opens the zip file by hand."""

    format: Literal["careledger-export/1"] = "careledger-export/1"
    chain: ChainHex
    transactions: Count
    records: Count


class ExportedRecord(Record):
    """The proof of one resource of the bundle; `transaction` counts from 0."""

    opening: Opening
    transaction: Count
    bytes: Annotated[int, msgspec.Meta(ge=1, le=MAX_RESOURCE_BYTES)]


def write_export(
    out: IO[bytes],
    chain: Digest,
    checkpoint: str,
    transactions: Iterable[TransactionProof],
    records: Iterable[tuple[Opening, int, bytes]],
) -> int:
    """Write an export to `out`, which need not seek; how many records it holds.

    `records` are (opening, number of its transaction, bytes as received), and are iterated once;
    their proofs are held in memory, the resources are not.
    """
    proofs = bytearray()
    number = count = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        _write(archive, CHECKPOINT, checkpoint.encode())
        with archive.open(_info(TRANSACTIONS), "w") as file:
            for number, transaction in enumerate(transactions, 1):  # noqa: B007 - counts them
                file.write(_framed(transaction))
        with archive.open(_info(BUNDLE), "w", force_zip64=True) as file:
            file.write(BEGIN)
            for count, (opening, transaction_number, content) in enumerate(records, 1):
                file.write(before(opening.name, first=count == 1) + content + b"}")
                record = ExportedRecord(
                    opening=opening, transaction=transaction_number, bytes=len(content)
                )
                proofs += _framed(record)
            file.write(END)
        _write(archive, PROOFS, bytes(proofs))
        manifest = Manifest(chain=chain.hex(), transactions=number, records=count)
        _write(archive, MANIFEST, msgspec.json.encode(manifest) + b"\n")
    return count


def before(name: RecordName, *, first: bool) -> bytes:
    """What stands in `bundle.json` before a resource, up to its first byte.

    `fullUrl` gives relative references a base in each custodian's own records (FHIR R4 Bundle,
    2.36.4); the host is reserved never to exist (RFC 6761 6.4).
    """
    url = f"https://{name.custodian}.invalid/fhir/{name.type}/{name.id}"
    return (
        (b"\n" if first else b",\n") + b'{"fullUrl":' + msgspec.json.encode(url) + b',"resource":'
    )


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(_info(name), data)


def _framed(record: Record) -> bytes:
    return encode(encode(record))
