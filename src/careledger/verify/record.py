"""Single records: the two-level proof from a record's bytes to the checkpoint."""

from collections.abc import Sequence

from careledger.ledger.commitment import (
    Opening,
    RecordName,
    TransactionProof,
    verify_events,
    verify_logged,
    verify_opening,
)
from careledger.ledger.errors import ProofError
from careledger.verify.checkpoint import check_checkpoint, read_checkpoint
from careledger.verify.event import find_batch
from careledger.verify.format import RecordFile
from careledger.verify.step import Step, Steps
from careledger.verify.trust import Believed


def verify_committed(content: bytes, opening: Opening, transaction: TransactionProof) -> None:
    """Check that a custodian committed to `content` by an event of that transaction.

    In the order of `spec/record-commitment.md`: the commitment and its path in the batch, the
    digest of the events and the code, the event that carries the batch. That the transaction is
    in the log is `verify_logged`, and the same for all records of one transaction.

    Raises:
        Malformed, ProofError: it did not.
    """
    try:
        verify_opening(opening, content)
    except ProofError as error:
        raise ProofError(
            "these bytes are not what the custodian committed to",
            expected=error.expected,
            actual=error.actual,
        ) from error
    verify_events(transaction)
    find_batch(transaction.events, opening.name.custodian, opening.root, opening.size)


def check_record(file: RecordFile, trusts: Sequence[Believed]) -> Steps[None]:
    """Check one record.

    Raises:
        Malformed, ProofError: it does not show what it says.
    """
    verify_committed(file.content, file.opening, file.transaction)
    yield Step(sentence=f"{describe_name(file.opening.name)} is as its custodian committed it.")
    signed = read_checkpoint(file.checkpoint, file.chain)
    verify_logged(file.transaction, signed.checkpoint.size, signed.checkpoint.root)
    yield Step(sentence=f"The commitment is in entry {file.transaction.index:,} of the log.")
    yield from check_checkpoint(signed, trusts)


def describe_name(name: RecordName) -> str:
    """The record in words."""
    return f"{name.type}/{name.id} version {name.version} from {name.custodian}"
