"""What a reader outside the network has: trust files and evidence files."""

from careledger.ledger.entry import BlockEntry, decode_entry
from careledger.ledger.merkle import inclusion_proof
from careledger.ledger.receipt import issue_inclusion
from careledger.ledger.record import digest
from careledger.verify.format import ReceiptFile, RecordFile, RowFile
from careledger.verify.trust import Trust, TrustedMember
from tests.example_log import (
    CHAIN,
    CHECKPOINT_KEYS,
    COMMITTED,
    ORIGIN,
    RECEIPT_KEYS,
    RESOURCES,
    ExampleLog,
    example_log,
    opening,
    state,
    transaction,
)

LOG = example_log()


def trust(threshold: int = 2, **other: object) -> Trust:
    """Both members of the example network."""
    fields: dict[str, object] = {
        "chain": CHAIN.hex(),
        "threshold": threshold,
        "members": tuple(
            TrustedMember(
                member=member,
                checkpoint=(key.public.public,),
                receipt=(RECEIPT_KEYS[member].public,),
            )
            for member, key in CHECKPOINT_KEYS.items()
        ),
    }
    return Trust(**fields | other)  # type: ignore[arg-type]  # any field may be another


def receipt_file(index: int, payload: bytes, log: ExampleLog = LOG) -> ReceiptFile:
    """As the node's clients keep it, with a COSE Receipt of each member."""
    receipts = tuple(
        issue_inclusion(key, f"{ORIGIN}/{member}", log.root(), index, log.size, log.path(index))
        for member, key in RECEIPT_KEYS.items()
    )
    return ReceiptFile(
        chain=CHAIN,
        transaction=transaction(payload),
        proof=log.proof(index),
        checkpoint=log.checkpoint().format(),
        receipts=receipts,
    )


def record_file(number: int = 2, log: ExampleLog = LOG) -> RecordFile:
    return RecordFile(
        chain=CHAIN,
        content=RESOURCES[number],
        opening=opening(number),
        transaction=log.proof(COMMITTED),
        checkpoint=log.checkpoint().format(),
    )


def row_file(key: bytes, value: bytes | None, log: ExampleLog = LOG) -> RowFile:
    """The state after the last block."""
    tree, buckets = state()
    block = decode_entry(log.entries[-1])
    assert isinstance(block, BlockEntry)
    number = int.from_bytes(digest(key)[:2])
    return RowFile(
        chain=CHAIN,
        key=key,
        value=value,
        proof=tree.prove(key, buckets.get(number, b"")),
        block=block,
        index=log.size - 1,
        path=inclusion_proof(log.size - 1, log.size, log.subtree),
        checkpoint=log.checkpoint().format(),
    )
