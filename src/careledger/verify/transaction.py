"""Receipts of transactions: that it was this message, this outcome, in this log."""

from collections.abc import Sequence

from careledger.ledger.checkpoint import Checkpoint, signer_name
from careledger.ledger.commitment import TransactionProof, verify_logged
from careledger.ledger.cose import decode_sign1, sig_structure
from careledger.ledger.entry import (
    BlockEntry,
    GenesisEntry,
    LogEntry,
    TransactionEntry,
    decode_entry,
    encode_entry,
    events_digest,
)
from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.receipt import decode_receipt, verify_inclusion_receipt
from careledger.ledger.record import Digest, MemberId, digest
from careledger.ledger.tlog_proof import parse_tlog_proof
from careledger.verify.checkpoint import check_checkpoint, read_checkpoint
from careledger.verify.event import describe
from careledger.verify.format import ReceiptFile
from careledger.verify.step import Step, Steps, moment, plural
from careledger.verify.trust import Believed, Trust, find_trust


def check_receipt(file: ReceiptFile, trusts: Sequence[Believed]) -> Steps[None]:
    """Check a transaction receipt.

    Raises:
        Malformed, ProofError: it does not show what it says.
    """
    proof = file.proof
    if file.transaction is not None:
        yield _check_message(file.transaction, proof.entry)
    yield check_outcome(proof)
    signed = read_checkpoint(file.checkpoint, file.chain)
    checkpoint = signed.checkpoint
    verify_logged(proof, checkpoint.size, checkpoint.root)
    yield Step(sentence=f"That is entry {proof.index:,} of the log.")
    yield from check_checkpoint(signed, trusts)
    for data in file.receipts:
        yield _check_cose(data, proof.entry, checkpoint, find_trust(trusts, checkpoint.origin))


def check_outcome(proof: TransactionProof) -> Step:
    """What became of the transaction, which its log entry must repeat.

    Raises:
        ProofError: the entry names other events, or a refused transaction has some.
    """
    if events_digest(proof.events) != proof.entry.events:
        raise ProofError("the log entry names other events", expected=proof.entry.events.hex())
    name = proof.entry.id.hex()
    if proof.entry.code:
        if proof.events:
            raise ProofError("a refused transaction has no events", actual=len(proof.events))
        return Step(sentence=f"Transaction {name} was refused with number {proof.entry.code}.")
    happened = describe(proof.events) or "nothing"
    return Step(
        sentence=f"Transaction {name} took effect with {plural(len(proof.events), 'event')}: "
        f"{happened}."
    )


def check_tlog_proof(text: str, trusts: Sequence[Believed]) -> Steps[None]:
    """Check a `.tlog-proof` file whose extra data is the log entry.

    Raises:
        Malformed, ProofError: it does not show what it says.
    """
    proof = parse_tlog_proof(text)
    if proof.extra is None:
        raise ProofError("the file does not hold the log entry it is about")
    entry = decode_entry(proof.extra)
    yield Step(sentence=describe_entry(entry))
    proof.verify(proof.extra)
    yield Step(sentence=f"That is entry {proof.index:,} of the log.")
    yield from check_checkpoint(proof.checkpoint, trusts)


def describe_entry(entry: LogEntry) -> str:
    """What a log entry says."""
    match entry:
        case GenesisEntry():
            return f"The log begins with the chain {entry.chain.hex()}."
        case TransactionEntry(code=0):
            return f"Transaction {entry.id.hex()} took effect."
        case TransactionEntry():
            return f"Transaction {entry.id.hex()} was refused with number {entry.code}."
        case BlockEntry():
            caught = "" if not entry.evidence else f", with {_pieces(len(entry.evidence))}"
            return f"Block {entry.height:,} ended at {moment(entry.time)}{caught}."


def _pieces(count: int) -> str:
    return f"{plural(count, 'piece')} of evidence against validators"


def _check_message(message: bytes, entry: TransactionEntry) -> Step:
    sign1 = decode_sign1(message)
    if sign1.payload is None:
        raise Malformed
    computed = digest(sig_structure(sign1.protected, sign1.payload))
    if computed != entry.id:
        raise ProofError(
            "the receipt is of another message", expected=entry.id.hex(), actual=computed.hex()
        )
    return Step(sentence=f"The signed message is transaction {computed.hex()}.")


def _check_cose(
    data: bytes, entry: TransactionEntry, checkpoint: Checkpoint, trust: Trust | None
) -> Step:
    """One COSE Receipt. Without its key it adds nothing and takes nothing away."""
    receipt = decode_receipt(data)
    known = trust.receipt_keys().get(Digest(receipt.key_id)) if trust else None
    if trust is None or known is None:
        return Step(
            sentence=f"A COSE Receipt names {receipt.issuer} and key {receipt.key_id.hex()}, "
            "which your trust file does not hold; it was not counted."
        )
    member, key = known
    issuer = signer_name(trust.origin, MemberId(member))
    if receipt.issuer != issuer:
        raise ProofError(
            "a COSE Receipt names another issuer", expected=issuer, actual=receipt.issuer
        )
    verified = verify_inclusion_receipt(receipt, encode_entry(entry), key)
    if verified.size == checkpoint.size and verified.root != checkpoint.root:
        raise ProofError(
            "two logs of one size: the receipt and the checkpoint show different histories",
            expected=checkpoint.root.hex(),
            actual=verified.root.hex(),
        )
    return Step(
        sentence=f"A COSE Receipt of {member} says the same, at {verified.size:,} log entries."
    )
