"""Signature checking in worker processes, where each transaction's signature is checked once.

A worker reads committed state by itself, so nothing but the raw transaction crosses to it. Ed25519
takes some 60 microseconds, most of what a transaction costs; threads would not help.
"""

import logging
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path

from careledger.ledger import transaction as rules
from careledger.ledger.errors import Inadmissible
from careledger.ledger.record import AccountId, Digest, Instant, MemberId, SignerId, TransactionId
from careledger.ledger.signature import Algorithm, PublicKey
from careledger.ledger.state import RememberingReader, View
from careledger.ledger.transaction import (
    Call,
    MalformedTransaction,
    VerifiedTransaction,
    check_admissible,
    parse_transaction,
    verify_transaction,
)
from careledger.ledger.witness import HALTING
from careledger.store.reader import StoreReader

_log = logging.getLogger(__name__)

Checked = tuple[
    bytes, str, bytes, Algorithm, bytes, int, int, tuple[tuple[str, bytes], ...]
]  # plain values pickle at a tenth of a dataclass's cost
"""Id, signer, key id, algorithm, public key, begin, expiry, calls."""

INADMISSIBLE: dict[int, type[Inadmissible]] = {
    error.code: error
    for error in (
        rules.MalformedTransaction,
        rules.TooLarge,
        rules.WrongChain,
        rules.NotYetValid,
        rules.Expired,
        rules.Replayed,
        rules.UnknownKey,
        rules.SignatureInvalid,
        rules.OverBudget,
    )
}


def check(
    raw: bytes, view: View, seen: rules.Seen, time: Instant, chain: Digest, *, clock: Instant = 0
) -> VerifiedTransaction:
    """Parse, judge by committed state, and check the signature of one transaction.

    Bytes over which a parser trips are not a transaction: nobody may stop a node by sending them.

    Raises:
        Inadmissible: it may not enter a block; the subclass says why.
    """
    try:
        transaction = parse_transaction(raw)
        key = check_admissible(view, seen, transaction, time, chain, clock=clock)
        return verify_transaction(transaction, key)
    except (Inadmissible, *HALTING):
        raise
    except Exception as error:
        _log.critical("a transaction could not be checked: %s", type(error).__name__)
        raise MalformedTransaction from error


def plain(transaction: VerifiedTransaction) -> Checked:
    """What crosses from one process to another; `restore` turns it back."""
    return (
        transaction.id,
        transaction.signer,
        transaction.key_id,
        transaction.key.algorithm,
        transaction.key.public,
        transaction.begins,
        transaction.expires,
        tuple((call.application, call.command) for call in transaction.calls),
    )


def restore(raw: bytes, checked: Checked | int) -> VerifiedTransaction:
    """What a worker found, as a value again.

    Raises:
        Inadmissible: that is what it found.
    """
    if isinstance(checked, int):
        raise INADMISSIBLE[checked]
    id_, signer, key_id, algorithm, public, begins, expires, calls = checked
    name: SignerId = AccountId(signer) if signer.startswith("@") else MemberId(signer)
    return VerifiedTransaction(
        id=TransactionId(id_),
        signer=name,
        key_id=Digest(key_id),
        key=PublicKey(algorithm=algorithm, public=public),
        begins=begins,
        expires=expires,
        calls=tuple(Call(application=one, command=command) for one, command in calls),
        raw=raw,
    )


_reader: StoreReader | None = None
_chain: Digest | None = None


def _begin(folder: Path, chain: Digest) -> None:
    """Set a worker up; LMDB must be opened in the process that uses it."""
    global _reader, _chain
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _reader, _chain = StoreReader(folder), chain


def _end_with_parent() -> None:
    """End this worker when the node is gone, even if it was killed: nobody else would."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)


def check_many(raws: Sequence[bytes], time: Instant, clock: Instant) -> list[Checked | int]:
    """What `check` says of each; a number is the code of an `Inadmissible`."""
    if _reader is None or _chain is None:
        raise RuntimeError
    with _reader.snapshot() as committed:
        found: list[Checked | int] = []
        view = View(RememberingReader(committed))
        for raw in raws:
            try:
                found.append(plain(check(raw, view, committed.has, time, _chain, clock=clock)))
            except Inadmissible as error:
                found.append(error.code)
    return found


def _nothing() -> None:
    """What a worker does first."""


class Workers:
    """Processes that check signatures; it owns them until `close`."""

    def __init__(self, folder: Path, chain: Digest, count: int) -> None:
        """Start `count` workers that read the store in `folder`."""
        self.count = count
        self._pool = ProcessPoolExecutor(
            count, mp_context=get_context("spawn"), initializer=_begin, initargs=(folder, chain)
        )

        self._begun = [self._pool.submit(_nothing) for _ in range(count)]

    @property
    def are_ready(self) -> bool:
        """Whether they have started; a second passes until then, and nobody need wait for them."""
        return all(one.done() for one in self._begun)

    @property
    def pool(self) -> ProcessPoolExecutor:
        """For `loop.run_in_executor`."""
        return self._pool

    def close(self) -> None:
        """End the processes, without waiting for what they still check."""
        self._pool.shutdown(wait=False, cancel_futures=True)
