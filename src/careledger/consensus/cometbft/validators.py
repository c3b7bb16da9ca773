"""What the engine is told of voting power: how the table of validators differs after a block."""

from careledger.consensus.cometbft.messages import PublicKey, ValidatorUpdate
from careledger.ledger.membership import VALIDATORS
from careledger.ledger.state import Changes, Reader, decode_row


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
