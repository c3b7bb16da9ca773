"""State rows: that a row was there after a block, or was not."""

from collections.abc import Sequence

from careledger.ledger.entry import encode_entry
from careledger.ledger.merkle import leaf_hash, verify_inclusion
from careledger.ledger.record import Digest
from careledger.ledger.state_root import verify_row
from careledger.verify.checkpoint import check_checkpoint, read_checkpoint
from careledger.verify.format import RowFile
from careledger.verify.step import Step, Steps, moment
from careledger.verify.trust import Believed


def check_row(file: RowFile, trusts: Sequence[Believed]) -> Steps[None]:
    """Check that a row was so after a block of this chain.

    Raises:
        Malformed, ProofError: it does not show what it says.
    """
    block = file.block
    verify_row(Digest(block.state_root), file.key, file.value, file.proof)
    table = file.key.partition(b"\0")[0].decode(errors="replace")
    found = "there was no such row" if file.value is None else "the row had the value given here"
    yield Step(sentence=f"In table {table}, {found} after block {block.height:,}.")
    signed = read_checkpoint(file.checkpoint, file.chain)
    checkpoint = signed.checkpoint
    verify_inclusion(
        leaf_hash(encode_entry(block)), file.index, checkpoint.size, file.path, checkpoint.root
    )
    newest = file.index == checkpoint.size - 1
    yield Step(
        sentence=f"Block {block.height:,} ended at {moment(block.time)} and is "
        + ("the newest" if newest else "not the newest")
        + " of the checkpoint."
    )
    yield from check_checkpoint(signed, trusts)
