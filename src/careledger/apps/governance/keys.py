"""The keys of members: which they may have, and what having them changes.

A consensus key is one of a kind: a member has one at a time, no other member may ever have it, and
who held it stays known, so that whoever misuses it is found.
"""

from collections.abc import Iterable
from typing import assert_never

from msgspec.structs import replace

from careledger.apps.governance.commands import (
    KeyCommand,
    KeyEvent,
    KeyRegistered,
    KeyRetired,
    KeyRotated,
    RegisterKey,
    RetireKey,
    RotateKey,
)
from careledger.ledger import keyring
from careledger.ledger.application import Context
from careledger.ledger.errors import Refusal, require
from careledger.ledger.membership import (
    CONSENSUS_KEYS,
    KEYS,
    VALIDATORS,
    ConsensusKeyRow,
    KeyUse,
    consensus_address,
    live_keys,
)
from careledger.ledger.possession import PublishedKey
from careledger.ledger.record import Instant, MemberId
from careledger.ledger.state import Changes, View

MEMBER_USES: tuple[KeyUse, ...] = (
    "transaction",
    "client",
    "sealing",
    "checkpoint",
    "receipt",
    "consensus",
)


class ConsensusKeyTaken(Refusal):
    """That consensus key is, or was, a validator's; each validator has one that is only its own."""

    code = 110


class OneConsensusKey(Refusal):
    """A member has one consensus key at a time; rotate it."""

    code = 111


class StillValidates(Refusal):
    """That key signs your votes on blocks; rotate it, or let your power be voted to 0 first."""

    code = 112


def decide_key(command: KeyCommand, me: MemberId, context: Context, view: View) -> KeyEvent:
    """What a member's command about its own keys comes to.

    Raises:
        Refusal: a key that does not fit, is not proved, is known, or is needed.
    """
    match command:
        case RegisterKey(key=key):
            published = keyring.check_new(view, me, key, context.chain, MEMBER_USES)
            if published.use == "consensus":
                require(consensus_key(view, me) is None, OneConsensusKey)
            check_consensus(view, [published])
            return KeyRegistered(member=me, key=published, at=context.time)
        case RotateKey(old=old, key=key):
            published = keyring.check_replacement(view, me, old, key, context.chain)
            check_consensus(view, [published])
            return KeyRotated(member=me, old=old, key=published, at=context.time)
        case RetireKey(key=old):
            keyring.check_retirement(view, me, old)
            consensus = view.row(KEYS, me, old).use == "consensus"
            require(not consensus or view.get(VALIDATORS, me) is None, StillValidates)
            return KeyRetired(member=me, key=old, at=context.time)
        case _:
            assert_never(command)


def check_consensus(view: View, keys: Iterable[PublishedKey]) -> None:
    """Whether a member may have the consensus keys among `keys`, all at once.

    Raises:
        Refusal: more than one, or one that is or was somebody's.
    """
    found = [key for key in keys if key.use == "consensus"]
    require(len(found) <= 1, OneConsensusKey)
    for key in found:
        row = view.get(CONSENSUS_KEYS, consensus_address(key.public))
        require(row is None, ConsensusKeyTaken)


def consensus_key(view: View, member: MemberId) -> bytes | None:
    """The public key with which `member` votes on blocks, if it has one."""
    return next((row.public for _, row in live_keys(view, member, "consensus")), None)


def evolve_key(event: KeyEvent, view: View) -> Changes:
    """Fold an event about a key into the state."""
    me = MemberId(event.member)
    match event:
        case KeyRegistered(key=key, at=at):
            return register(me, key, at)
        case KeyRotated(old=old, key=key, at=at):
            changed = {**keyring.retire(view, me, old, at), **register(me, key, at)}
            validator = view.get(VALIDATORS, me) if key.use == "consensus" else None
            if validator is None:
                return changed
            return {**changed, **VALIDATORS.put(replace(validator, public=key.public), me)}
        case KeyRetired(key=old, at=at):
            return keyring.retire(view, me, old, at)
        case _:
            assert_never(event)


def register(member: MemberId, key: PublishedKey, time: Instant) -> Changes:
    """The change that makes `key` one of `member`'s."""
    changes = keyring.register(member, key, time)
    if key.use != "consensus":
        return changes
    row = ConsensusKeyRow(member=member)
    return {**changes, **CONSENSUS_KEYS.put(row, consensus_address(key.public))}
