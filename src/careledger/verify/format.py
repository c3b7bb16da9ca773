"""The files that people keep as evidence: what is in each, and how to tell them apart.

All but the log slice, the export, the text of a QR code and the C2SP texts are one record each, in
deterministic CBOR, whose `type` names the format.
"""

import re
from collections.abc import Iterable
from enum import Enum
from typing import Annotated

import msgspec

from careledger.ledger.commitment import Opening, TransactionProof
from careledger.ledger.entry import BlockEntry, EventRecord, TransactionEntry, decode_entry
from careledger.ledger.errors import Malformed
from careledger.ledger.record import Count, Hash, Record, decode, encode
from careledger.ledger.state_root import StateProof
from careledger.ledger.tendermint import MAX_VALIDATORS, Commit, EngineHeader, Validator
from careledger.ledger.tlog_proof import FIRST_LINE, TlogProof
from careledger.verify.scanned import PREFIX

MAX_HEADERS = 1_000
"""More than anybody needs: a light client skips."""

_ORIGIN = re.compile(r"careledger/[0-9a-f]{64}")


class ReceiptFile(Record, tag="careledger-receipt/1"):
    """What became of one transaction, with everything that shows it.

    `transaction` is the signed message, where whoever keeps the receipt may have it. `receipts` are
    COSE Receipts over the same log entry, for other programs.
    """

    chain: Hash
    transaction: bytes | None
    proof: TransactionProof
    checkpoint: str
    receipts: tuple[bytes, ...] = ()


class RowFile(Record, tag="careledger-row/1"):
    """That a state row had this value after a block, or was absent (`value` None)."""

    chain: Hash
    key: bytes
    value: bytes | None
    proof: StateProof
    block: BlockEntry
    index: Count
    path: tuple[Hash, ...]
    checkpoint: str


class ConsentFile(Record, tag="careledger-consent-receipt/1"):
    """A consent that its patient keeps: the receipt, the terms off the ledger, the state since.

    `terms` are the bytes that the ledger commits to under `salt`; both are there or neither.
    `standing` shows the consent's row at a later block, which a revocation would have changed.
    """

    receipt: ReceiptFile
    terms: bytes | None = None
    salt: Hash | None = None
    standing: RowFile | None = None


class RecordFile(Record, tag="careledger-record/1"):
    """One record with its two-level proof."""

    chain: Hash
    content: bytes
    opening: Opening
    transaction: TransactionProof
    checkpoint: str


class LightBlock(Record):
    """A header, the votes that decided it, and who could vote."""

    header: EngineHeader
    commit: Commit
    validators: Annotated[tuple[Validator, ...], msgspec.Meta(max_length=MAX_VALIDATORS)]


class LightFile(Record, tag="careledger-light/1"):
    """Headers in rising height, and what the last one's app hash is made of."""

    chain: Hash
    blocks: Annotated[tuple[LightBlock, ...], msgspec.Meta(min_length=1, max_length=MAX_HEADERS)]
    size: Count
    root: Hash
    version: Annotated[int, msgspec.Meta(ge=1, lt=2**32)]


EvidenceFile = ReceiptFile | RowFile | ConsentFile | RecordFile | LightFile


def receipt_from_tlog_proof(
    proof: TlogProof,
    events: Iterable[EventRecord],
    transaction: bytes | None = None,
    receipts: Iterable[bytes] = (),
) -> ReceiptFile:
    """The receipt file, from what a node serves: the proof holds entry, path and checkpoint.

    Raises:
        Malformed: the proof is not of a transaction of a CareLedger log.
    """
    origin = proof.checkpoint.checkpoint.origin
    entry = decode_entry(proof.extra or b"")
    if not isinstance(entry, TransactionEntry) or not _ORIGIN.fullmatch(origin):
        raise Malformed
    return ReceiptFile(
        chain=bytes.fromhex(origin.removeprefix("careledger/")),
        transaction=transaction,
        proof=TransactionProof(
            entry=entry, events=tuple(events), index=proof.index, path=proof.path
        ),
        checkpoint=proof.checkpoint.format(),
        receipts=tuple(receipts),
    )


def encode_file(file: EvidenceFile) -> bytes:
    """The bytes of the file."""
    return encode(file)


def decode_file(data: bytes) -> EvidenceFile:
    """Inverse of `encode_file`.

    Raises:
        Malformed: it would not have produced these bytes.
    """
    # EvidenceFile is a union, which mypy does not take for a type[T].
    return decode(data, EvidenceFile)  # type: ignore[arg-type]


class Kind(Enum):
    """What a file is, from how it begins; nothing more is known of it yet."""

    RECORD = "evidence record"
    TLOG_PROOF = "C2SP transparency log proof"
    CHECKPOINT = "checkpoint"
    LOG_SLICE = "log slice"
    EXPORT = "export"
    SCANNED = "text of a QR code"
    UNKNOWN = "unknown"


_BEGINNINGS = {
    b"PK\x03\x04": Kind.EXPORT,
    PREFIX.encode(): Kind.SCANNED,
    FIRST_LINE.encode(): Kind.TLOG_PROOF,
    b"careledger/": Kind.CHECKPOINT,
    b'{"format":"careledger-log/1"': Kind.LOG_SLICE,
}


def recognise(head: bytes) -> Kind:
    """The kind of file that begins with `head`; 64 bytes suffice."""
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    if head[:1] and head[0] >> 5 == 5:  # noqa: PLR2004 - CBOR major type of a map
        return Kind.RECORD
    return Kind.UNKNOWN
