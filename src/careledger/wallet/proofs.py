"""Proofs to take along, each checked against a checkpoint before it is kept."""

from dataclasses import dataclass

from careledger.consensus.remote import RemoteNode
from careledger.ledger.checkpoint import parse_checkpoint
from careledger.ledger.commitment import TransactionProof, verify_events, verify_logged
from careledger.ledger.entry import BlockEntry, TransactionEntry, decode_entry
from careledger.ledger.errors import ProofError
from careledger.ledger.record import Digest, digest
from careledger.ledger.signature import Algorithm
from careledger.verify.format import ReceiptFile, RowFile
from careledger.wallet.errors import NoConsent

COSIGNED_S = 3
"""How long what is to be taken along may wait for more than one member's signature."""

_ALGORITHMS: tuple[Algorithm, ...] = ("EdDSA", "ES256")


@dataclass(frozen=True, kw_only=True)
class Known:
    """The log as far as it is known: a node to ask, and what its answers must lead to."""

    node: RemoteNode
    chain: Digest
    checkpoint: str
    size: int
    root: Digest


async def known_by_node(node: RemoteNode) -> Known:
    """The log as the node has it now: nothing but its own checkpoint is compared with."""
    text = await node.checkpoint(wait=COSIGNED_S)
    checkpoint = parse_checkpoint(text).checkpoint
    return Known(
        node=node,
        chain=digest(await node.genesis()),
        checkpoint=text,
        size=checkpoint.size,
        root=checkpoint.root,
    )


async def transaction_proof(log: Known, id_: bytes) -> TransactionProof:
    """That a transaction is in the log, with its events, under the checkpoint.

    Raises:
        ProofError: it is not, or the node's proof does not hold.
    """
    ordered = await log.node.receipt(id_)
    if ordered is None or ordered.index >= log.size:
        raise ProofError("the log that was read holds no such transaction", expected=id_.hex())
    index, size = ordered.index, log.size
    (data,) = await log.node.entries(index, index + 1)
    entry = decode_entry(data)
    if not isinstance(entry, TransactionEntry) or entry.id != id_:
        raise ProofError("another transaction stands in its place", expected=id_.hex())
    proof = TransactionProof(
        entry=entry,
        events=ordered.receipt.events,
        index=index,
        path=await log.node.inclusion(index, size),
    )
    verify_logged(proof, size, log.root)
    if not entry.code:
        verify_events(proof)
    return proof


async def receipt_file(log: Known, id_: bytes, *, brief: bool = False) -> ReceiptFile:
    """The receipt of any transaction. Brief is without the message and others' COSE Receipts.

    Raises:
        ProofError: the node's proof does not hold, or there is no such transaction.
    """
    proof = await transaction_proof(log, id_)
    transaction, receipts = None, list[bytes]()
    if not brief:
        transaction = await log.node.transaction(id_)
        found = [await log.node.receipt_cose(id_, one) for one in _ALGORITHMS]
        receipts = [one for one in found if one is not None]
    return ReceiptFile(
        chain=log.chain,
        transaction=transaction,
        proof=proof,
        checkpoint=log.checkpoint,
        receipts=tuple(receipts),
    )


async def row_file(log: Known, table: str, *key: str) -> RowFile:
    """That a state row has its value now; key components as text, bytes in hex.

    Raises:
        NoConsent: nothing is on the ledger yet that could prove it.
    """
    proved = await log.node.row(table, *key)
    entry = None if proved.entry is None else decode_entry(proved.entry)
    if not isinstance(entry, BlockEntry):
        raise NoConsent("no block has proved anything yet")
    # Enough members sign a checkpoint a moment after its block: prove the block under such a one.
    text = await log.node.checkpoint(wait=COSIGNED_S)
    size = parse_checkpoint(text).checkpoint.size
    path = proved.path if size <= proved.index else await log.node.inclusion(proved.index, size)
    return RowFile(
        chain=log.chain,
        key=proved.key,
        value=proved.row,
        proof=proved.proof,
        block=entry,
        index=proved.index,
        path=path,
        checkpoint=proved.checkpoint if size <= proved.index else text,
    )
