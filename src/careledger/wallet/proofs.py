"""Proofs that the patient takes along, each checked against the log that her wallet has read."""

from careledger.ledger.commitment import TransactionProof, verify_events, verify_logged
from careledger.ledger.entry import BlockEntry, TransactionEntry, decode_entry
from careledger.ledger.errors import ProofError
from careledger.ledger.record import Digest
from careledger.ledger.signature import Algorithm
from careledger.verify.format import ReceiptFile, RowFile
from careledger.wallet.errors import NoConsent
from careledger.wallet.wallet import Wallet

_ALGORITHMS: tuple[Algorithm, ...] = ("EdDSA", "ES256")


async def transaction_proof(wallet: Wallet, id_: bytes) -> TransactionProof:
    """That a transaction is in the log, with its events, under the wallet's checkpoint.

    Raises:
        ProofError: it is not, or the node's proof does not hold.
    """
    ordered = await wallet.node.receipt(id_)
    if ordered is None or ordered.index >= wallet.copy.size:
        raise ProofError("the log that was read holds no such transaction", expected=id_.hex())
    index, size = ordered.index, wallet.copy.size
    (data,) = await wallet.node.entries(index, index + 1)
    entry = decode_entry(data)
    if not isinstance(entry, TransactionEntry) or entry.id != id_:
        raise ProofError("another transaction stands in its place", expected=id_.hex())
    proof = TransactionProof(
        entry=entry,
        events=ordered.receipt.events,
        index=index,
        path=await wallet.node.inclusion(index, size),
    )
    verify_logged(proof, size, root(wallet))
    if not entry.code:
        verify_events(proof)
    return proof


def root(wallet: Wallet) -> Digest:
    """Root of the log as far as it was read; a checkpoint vouches for it."""
    return wallet.copy.frontier.root()


async def receipt_file(wallet: Wallet, id_: bytes, *, brief: bool = False) -> ReceiptFile:
    """The receipt of any transaction. Brief is without the message and others' COSE Receipts.

    Raises:
        ProofError: the node's proof does not hold, or there is no such transaction.
    """
    proof = await transaction_proof(wallet, id_)
    transaction, receipts = None, list[bytes]()
    if not brief:
        transaction = await wallet.node.transaction(id_)
        found = [await wallet.node.receipt_cose(id_, one) for one in _ALGORITHMS]
        receipts = [one for one in found if one is not None]
    return ReceiptFile(
        chain=wallet.chain,
        transaction=transaction,
        proof=proof,
        checkpoint=wallet.checkpoint,
        receipts=tuple(receipts),
    )


async def row_file(wallet: Wallet, table: str, *key: str) -> RowFile:
    """That a state row has its value now; key components as text, bytes in hex.

    Raises:
        NoConsent: nothing is on the ledger yet that could prove it.
    """
    proved = await wallet.node.row(table, *key)
    entry = None if proved.entry is None else decode_entry(proved.entry)
    if not isinstance(entry, BlockEntry):
        raise NoConsent("no block has proved anything yet")
    return RowFile(
        chain=wallet.chain,
        key=proved.key,
        value=proved.row,
        proof=proved.proof,
        block=entry,
        index=proved.index,
        path=proved.path,
        checkpoint=proved.checkpoint,
    )
