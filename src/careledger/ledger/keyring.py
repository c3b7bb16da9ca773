"""The keys of one signer: the rules that members and accounts share when they change theirs."""

from collections.abc import Collection
from typing import Final

from msgspec.structs import replace

from careledger.ledger.errors import BadSignature, Refusal, require
from careledger.ledger.membership import (
    HYBRID,
    KEYS,
    LIVE_KEYS,
    USES,
    KeyRow,
    KeyUse,
    LiveKeyRow,
    NewKey,
    live_key,
    live_keys,
    parameters,
)
from careledger.ledger.possession import PublishedKey, check_possession, thumbprint
from careledger.ledger.record import Digest, Instant, SignerId
from careledger.ledger.state import Changes, View

MAX_LIVE_KEYS: Final = 16
"""Live keys one signer may have for one use."""


class KeyNotProven(Refusal):
    """The new key does not fit its use, or did not sign the proof that you hold it."""

    code = 20


class KeyKnown(Refusal):
    """You registered that key before; a key is registered once, and a retired one stays retired."""

    code = 21


class KeyNotLive(Refusal):
    """You have no live key with that id."""

    code = 22


class LastKey(Refusal):
    """That is your last transaction key; register another first, or rotate it."""

    code = 23


class TooManyKeys(Refusal):
    """You have as many live keys for that use as one may have; retire one first."""

    code = 24


class NotAgreed(Refusal):
    """The members have not agreed on hybrid keys; they do so by voting on `hybrid_keys`."""

    code = 25


REFUSALS: Final = (KeyNotProven, KeyKnown, KeyNotLive, LastKey, TooManyKeys, NotAgreed)


def check_first(
    view: View, signer: SignerId, key: NewKey, chain: Digest, uses: Collection[KeyUse]
) -> PublishedKey:
    """`key` as it may be one of the first keys of `signer`, who has none yet.

    Raises:
        Refusal: not one of `uses`, of an algorithm not agreed on, or not proved.
    """
    return _check_proof(view, signer, key, chain, uses)[1]


def check_new(
    view: View,
    signer: SignerId,
    key: NewKey,
    chain: Digest,
    uses: Collection[KeyUse],
    *,
    replaces: int = 0,
) -> PublishedKey:
    """`key` as it may be registered for `signer`; `replaces` live keys of its use end with it.

    Raises:
        Refusal: not one of `uses`, not agreed on, not proved, known already, or one too many.
    """
    key_id, published = _check_proof(view, signer, key, chain, uses)
    require(view.get(KEYS, signer, key_id) is None, KeyKnown)
    live = sum(1 for _ in live_keys(view, signer, key.use))
    require(live - replaces < MAX_LIVE_KEYS, TooManyKeys)
    return published


def _check_proof(
    view: View, signer: SignerId, key: NewKey, chain: Digest, uses: Collection[KeyUse]
) -> tuple[Digest, PublishedKey]:
    require(key.use in uses, KeyNotProven)
    if key.algorithm == HYBRID:
        require(parameters(view).hybrid_keys is True, NotAgreed)
    try:
        key_id = check_possession(key, signer, chain)
    except BadSignature as error:
        raise KeyNotProven from error
    return key_id, PublishedKey(use=key.use, algorithm=key.algorithm, public=key.public)


def check_replacement(
    view: View, signer: SignerId, old: bytes, key: NewKey, chain: Digest
) -> PublishedKey:
    """`key` as it may take the place of the live key `old`, for the same use.

    Raises:
        Refusal: no such live key, another use, not proved, or known already.
    """
    row = live_key(view, signer, old)
    if row is None:
        raise KeyNotLive
    return check_new(view, signer, key, chain, (row.use,), replaces=1)


def check_retirement(view: View, signer: SignerId, key_id: bytes) -> None:
    """Whether `signer` may retire `key_id`.

    Raises:
        Refusal: no such live key, or the last one that signs transactions.
    """
    row = live_key(view, signer, key_id)
    if row is None:
        raise KeyNotLive
    if row.use == "transaction":
        require(any(other != key_id for other, _ in live_keys(view, signer, row.use)), LastKey)


def register(signer: SignerId, key: PublishedKey, time: Instant) -> Changes:
    """The change that makes `key` one of `signer`'s."""
    row = KeyRow(use=key.use, algorithm=key.algorithm, public=key.public, since=time)
    key_id = thumbprint(key.algorithm, key.public)
    live = LIVE_KEYS.put(LiveKeyRow(since=time), signer, key.use, key_id)
    return {**KEYS.put(row, signer, key_id), **live}


def retire(view: View, signer: SignerId, key_id: bytes, time: Instant) -> Changes:
    """The change after which `key_id` signs no more; its row stays, for what it signed before."""
    row = view.row(KEYS, signer, key_id)
    retired = KEYS.put(replace(row, until=time), signer, key_id)
    return {**retired, **LIVE_KEYS.remove(signer, row.use, key_id)}


def retire_all(view: View, signer: SignerId, time: Instant, *uses: KeyUse) -> Changes:
    """The changes after which `signer` has no live key for `uses`; if none is named, for any."""
    changes: dict[bytes, bytes | None] = {}
    for use in uses or USES:
        for key_id, _ in live_keys(view, signer, use):
            changes.update(retire(view, signer, key_id, time))
    return changes
