"""Transactions: what a member or an account signs, and when it may enter a block."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from careledger.ledger.errors import BadSignature, Inadmissible, Malformed
from careledger.ledger.membership import live_key, public_key
from careledger.ledger.record import (
    Digest,
    Instant,
    Name,
    Record,
    SignerId,
    TransactionId,
    decode,
    encode,
)
from careledger.ledger.signature import Algorithm, PublicKey, SigningKey, verify
from careledger.ledger.state import View
from careledger.ledger.statement import (
    SKEW_S,
    Claims,
    Statement,
    parse_statement,
    sign_statement,
)

MAX_TRANSACTION_BYTES = 49_152
"""Largest signed transaction, in bytes."""

Seen = Callable[[TransactionId], bool]
"""Whether the ledger has a transaction of that id."""

CONTENT_TYPE: Final = "application/vnd.careledger.transaction+cbor"


class Call(Record):
    """One command for one application."""

    application: Name
    command: bytes
    """The command's own encoding."""


class Payload(Record):
    """Commands that succeed or fail together."""

    calls: Annotated[tuple[Call, ...], msgspec.Meta(min_length=1, max_length=64)]


@dataclass(frozen=True, kw_only=True)
class SignedTransaction:
    """A well-formed transaction whose signature nobody has checked yet."""

    statement: Statement
    calls: tuple[Call, ...]

    @property
    def id(self) -> TransactionId:
        """SHA-256 of what is signed; re-encoding a signature does not move it."""
        return self.statement.id

    @property
    def size(self) -> int:
        """Bytes as sent."""
        return len(self.statement.raw)


@dataclass(frozen=True, kw_only=True)
class VerifiedTransaction:
    """A transaction and the public key under which its signature verified."""

    id: TransactionId
    signer: SignerId
    key_id: Digest
    key: PublicKey
    begins: Instant
    expires: Instant
    calls: tuple[Call, ...]
    raw: bytes


class MalformedTransaction(Inadmissible):
    """Not the canonical encoding of a signed transaction."""

    code = 50


class TooLarge(Inadmissible):
    """The transaction is larger than the network accepts; split its commands."""

    code = 51


class WrongChain(Inadmissible):
    """The transaction is addressed to another chain."""

    code = 52


class NotYetValid(Inadmissible):
    """The transaction begins to count too far in the future; check your clock."""

    code = 53


class Expired(Inadmissible):
    """The transaction's time is over; sign it again."""

    code = 54


class Replayed(Inadmissible):
    """The ledger has this transaction already; ask for its receipt."""

    code = 55


class UnknownKey(Inadmissible):
    """No such key of this signer is live on the ledger."""

    code = 56


class SignatureInvalid(Inadmissible):
    """The signature does not verify under the signer's key."""

    code = 57


class OverBudget(Inadmissible):
    """The signer's member has used up its share of this block; send it again later."""

    code = 58


def call(application: str, command: Record) -> Call:
    """`command` as a call of `application`."""
    return Call(application=application, command=encode(command))


def sign_transaction(key: SigningKey, claims: Claims, *calls: Call) -> bytes:
    """The signed transaction; `claims.audience` is the chain id in hex."""
    return sign_statement(key, CONTENT_TYPE, claims, encode(Payload(calls=calls)))


def parse_transaction(data: bytes) -> SignedTransaction:
    """Read a transaction.

    Raises:
        TooLarge: over `MAX_TRANSACTION_BYTES`.
        MalformedTransaction: not exactly what `sign_transaction` would have made.
    """
    if len(data) > MAX_TRANSACTION_BYTES:
        raise TooLarge(len(data), MAX_TRANSACTION_BYTES)
    try:
        statement = parse_statement(data, CONTENT_TYPE)
        payload = decode(statement.payload, Payload)
    except Malformed as error:
        raise MalformedTransaction from error
    return SignedTransaction(statement=statement, calls=payload.calls)


def check_admissible(
    view: View,
    seen: Seen,
    transaction: SignedTransaction,
    time: Instant,
    chain: Digest,
    *,
    clock: Instant = 0,
) -> PublicKey:
    """Judge by committed state and block time whether it may enter a block; return its key.

    One pure function for every engine. The signature and the member's budget are apart. Of what
    only waits, `clock` may tell that it begins soon, where block time lags behind.

    Raises:
        Inadmissible: the subclass says why.
    """
    statement = transaction.statement
    if statement.claims.audience != chain.hex():
        raise WrongChain
    begins, ends = statement.claims.not_before, statement.claims.expires
    _check_time(seen, transaction.id, begins, ends, time, clock)
    return _find_key(view, statement.issuer, statement.key_id, statement.algorithm)


def check_still_admissible(
    view: View,
    seen: Seen,
    transaction: VerifiedTransaction,
    time: Instant,
    *,
    clock: Instant = 0,
) -> None:
    """The same of a transaction that was verified before: what may have changed since.

    It has the answer, and the reason, that `check_admissible` would give, so that it does not
    matter to the network who verified what when.

    Raises:
        Inadmissible: the subclass says why.
    """
    check_in_time(seen, transaction, time, clock=clock)
    signer, algorithm = transaction.signer, transaction.key.algorithm
    if _find_key(view, signer, transaction.key_id, algorithm) != transaction.key:
        raise UnknownKey


def check_in_time(
    seen: Seen, transaction: VerifiedTransaction, time: Instant, *, clock: Instant = 0
) -> None:
    """The half of it that is not about the key, for whoever knows that the key is live.

    Raises:
        Inadmissible: seen, or outside its time.
    """
    _check_time(seen, transaction.id, transaction.begins, transaction.expires, time, clock)


def _check_time(
    seen: Seen, id_: TransactionId, begins: Instant, ends: Instant, now: Instant, clock: Instant
) -> None:
    if seen(id_):  # before its time: "sign it again" would make it happen twice
        raise Replayed
    if begins > max(now, clock) + SKEW_S:
        raise NotYetValid(begins, now)
    if now > ends:
        raise Expired(ends, now)


def _find_key(view: View, signer: SignerId, key_id: Digest, algorithm: Algorithm) -> PublicKey:
    row = live_key(view, signer, key_id)
    if row is None or row.use not in {"transaction", "claim"}:
        raise UnknownKey
    key = public_key(row)
    if key is None or key.algorithm != algorithm:
        raise UnknownKey
    return key


def verify_transaction(transaction: SignedTransaction, key: PublicKey) -> VerifiedTransaction:
    """Check the signature under `key`.

    Raises:
        SignatureInvalid: it does not verify.
    """
    statement = transaction.statement
    try:
        verify(key, statement.signed, statement.signature)
    except BadSignature as error:
        raise SignatureInvalid from error
    return VerifiedTransaction(
        id=transaction.id,
        signer=statement.issuer,
        key_id=statement.key_id,
        key=key,
        begins=statement.claims.not_before,
        expires=statement.claims.expires,
        calls=transaction.calls,
        raw=statement.raw,
    )
