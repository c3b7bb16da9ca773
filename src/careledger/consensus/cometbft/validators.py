"""What the engine is told of voting power: how the table of validators differs after a block."""

from careledger.consensus.cometbft.messages import PublicKey, ValidatorUpdate
from careledger.ledger.errors import InvalidBlock
from careledger.ledger.membership import VALIDATORS
from careledger.ledger.state import Changes, Reader, View, decode_row
from careledger.ledger.tendermint import Validator, validators_hash


def validator_updates(before: Reader, changes: Changes) -> tuple[ValidatorUpdate, ...]:
    """One for each consensus key whose power is another after `changes`; 0 for one that has none.

    The engine lets them act two heights later. Keys are in order, so that all nodes say the same.
    """
    old: dict[bytes, int] = {}
    new: dict[bytes, int] = {}
    prefix = VALIDATORS.prefix()
    for key, changed in changes.items():
        if not key.startswith(prefix):
            continue
        for rows, row in ((old, before.get(key)), (new, changed)):
            if row is not None:
                validator = decode_row(row, VALIDATORS.row)
                rows[validator.public] = validator.power
    return tuple(
        ValidatorUpdate(public=PublicKey(ed25519=public), power=new.get(public, 0))
        for public in sorted(old.keys() | new.keys())
        if new.get(public, 0) != old.get(public, 0)
    )


def check_voters(committed: Reader, next_hash: bytes) -> None:
    """See that the engine counts the votes of those whom the ledger names, and no others.

    A block's header names the validators of the block after it: those of the state before it, since
    updates act two heights later. An engine that began from another chain's word ends here, before
    it had anything stored.

    Raises:
        InvalidBlock: it counts others.
    """
    rows = (row for _, row in View(committed).scan(VALIDATORS))
    expected = validators_hash(Validator(public=row.public, power=row.power) for row in rows)
    if next_hash != expected:
        raise InvalidBlock(
            "the engine follows other validators than the ledger names: its data is of another "
            "chain, or it began from a lying header",
            expected.hex(),
            next_hash.hex(),
        )
