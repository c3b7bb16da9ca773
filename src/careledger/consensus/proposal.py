"""What goes into the next block: admissible transactions, a fair share for every member.

Pure, and the same for every engine: the embedded one fills its blocks with it, and a validator of
a larger network fills its proposals and judges those of others with it. Choosing again from what
was chosen chooses all of it, so honest validators agree. Whatever is changed here changes what
every node must do at once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

from careledger.ledger.errors import Inadmissible
from careledger.ledger.membership import SIGNERS, NetworkParameters
from careledger.ledger.record import (
    Digest,
    Instant,
    Record,
    SignerId,
    TransactionId,
    decode,
    load_cbor,
)
from careledger.ledger.signature import PublicKey
from careledger.ledger.state import View
from careledger.ledger.transaction import (
    Call,
    OverBudget,
    Replayed,
    UnknownKey,
    VerifiedTransaction,
    check_in_time,
    check_still_admissible,
)
from careledger.ledger.transition import Applications
from careledger.ledger.witness import HALTING

MAX_BLOCK_COMMANDS = 4_000
MAX_BLOCK_BYTES = 8_000_000
"""A block's bounds, whoever pays: it must be applied and made durable in well under a second."""

MAX_BLOCKS_AHEAD = 4
"""Blocks' worth of budget that one member may have waiting: nobody fills the queue alone."""


@dataclass
class Budget:
    """What one member has used of one block."""

    commands: int = 0
    bytes: int = 0

    def has_room(
        self, transaction: VerifiedTransaction, limit: NetworkParameters, *, protective: bool
    ) -> bool:
        """Whether it fits too; the last share is kept for protective commands."""
        share = 100 if protective else 100 - limit.protective_percent
        return (
            self.commands + len(transaction.calls) <= limit.transactions_per_block * share // 100
            and self.bytes + len(transaction.raw) <= limit.bytes_per_block * share // 100
        )

    def use(self, transaction: VerifiedTransaction) -> None:
        """Count a transaction: each of its commands, and its bytes."""
        self.commands += len(transaction.calls)
        self.bytes += len(transaction.raw)

    def release(self, transaction: VerifiedTransaction) -> None:
        """Count it no longer."""
        self.commands -= len(transaction.calls)
        self.bytes -= len(transaction.raw)

    def is_full(self, limit: NetworkParameters) -> bool:
        """Whether not even one more command fits that protects nobody."""
        share = 100 - limit.protective_percent
        return self.commands + 1 > limit.transactions_per_block * share // 100

    def is_over(self, limit: NetworkParameters) -> bool:
        """Whether this is more than a member may have waiting."""
        return (
            self.commands > MAX_BLOCKS_AHEAD * limit.transactions_per_block
            or self.bytes > MAX_BLOCKS_AHEAD * limit.bytes_per_block
        )


@dataclass
class Allowance:
    """A member's budget in the making of one block; protective commands wait in a line apart."""

    used: Budget = field(default_factory=Budget)
    waiting: dict[bool, Budget] = field(default_factory=lambda: {False: Budget(), True: Budget()})


@dataclass
class Proposal:
    """The outcome of choosing: what enters, what waits for a later block, what never will."""

    chosen: list[VerifiedTransaction] = field(default_factory=list)
    deferred: list[VerifiedTransaction] = field(default_factory=list)
    refused: list[tuple[VerifiedTransaction, Inadmissible]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Committed state and block time, by which a proposal is chosen."""

    view: View
    seen: Callable[[TransactionId], bool]
    time: Instant
    limits: NetworkParameters
    applications: Applications
    _signers: dict[tuple[SignerId, Digest], tuple[PublicKey, SignerId]] = field(
        default_factory=dict, repr=False
    )
    """The live key under each key id that was asked for, and who pays for its signer."""

    def choose(self, waiting: Iterable[VerifiedTransaction]) -> Proposal:
        """Fill a block from `waiting`, in order, within every member's budget."""
        choosing = Choosing(self)
        for transaction in waiting:
            choosing.consider(transaction)
        return choosing.proposal

    def payer(self, transaction: VerifiedTransaction, *, clock: Instant = 0) -> SignerId:
        """Who pays, if it is still admissible at this block's time; as `check_still_admissible`.

        Raises:
            Inadmissible: seen, outside its time, or signed by a key that is no longer live.
        """
        known = self._signers.get((transaction.signer, transaction.key_id))
        if known is not None and known[0] == transaction.key:
            check_in_time(self.seen, transaction, self.time, clock=clock)
            return known[1]
        check_still_admissible(self.view, self.seen, transaction, self.time, clock=clock)
        payer = payer_of(self.view, transaction)
        self._signers[transaction.signer, transaction.key_id] = transaction.key, payer
        return payer


class Choosing:
    """A block that is being filled, one transaction after the other."""

    def __init__(self, judge: Judge) -> None:
        """Fill an empty one by `judge`."""
        self.proposal = Proposal()
        self._judge = judge
        self._allowances: dict[str, Allowance] = {}
        self._within: set[TransactionId] = set()
        self._commands = self._size = 0

    def consider(self, transaction: VerifiedTransaction) -> None:
        """Take it in, if it is admissible and there is room; else `proposal` says why not."""
        proposal = self.proposal
        commands = self._commands + len(transaction.calls)
        size = self._size + len(transaction.raw)
        if commands > MAX_BLOCK_COMMANDS or size > MAX_BLOCK_BYTES:
            proposal.deferred.append(transaction)
            return
        try:
            if transaction.id in self._within:
                raise Replayed
            payer = self._judge.payer(transaction)
            fits = self._fits(self._allowances.setdefault(payer, Allowance()), transaction)
        except Inadmissible as error:
            proposal.refused.append((transaction, error))
            return
        if not fits:
            proposal.deferred.append(transaction)
            return
        proposal.chosen.append(transaction)
        self._within.add(transaction.id)
        self._commands, self._size = commands, size

    def has_room_for(self, payer: SignerId) -> bool:
        """Whether anything of `payer` that protects nobody could still fit."""
        if self._commands >= MAX_BLOCK_COMMANDS:
            return False
        allowance = self._allowances.get(payer)
        return allowance is None or not allowance.used.is_full(self._judge.limits)

    def _fits(self, allowance: Allowance, transaction: VerifiedTransaction) -> bool:
        """Whether it fits into the block, which then counts it; else it waits for a later one.

        Raises:
            OverBudget: it fits into no block, or the member has as much waiting as it may.
        """
        limits, used = self._judge.limits, allowance.used
        if not used.has_room(transaction, limits, protective=False):
            protects = is_protective(transaction.calls, self._judge.applications)
            if not (protects and used.has_room(transaction, limits, protective=True)):
                waiting = allowance.waiting[protects]
                waiting.use(transaction)
                fits_alone = Budget().has_room(transaction, limits, protective=protects)
                if waiting.is_over(limits) or not fits_alone:
                    raise OverBudget
                return False
        used.use(transaction)
        return True


def payer_of(view: View, transaction: VerifiedTransaction) -> SignerId:
    """Whose budget it counts against.

    Raises:
        UnknownKey: its signer is nobody.
    """
    signer = view.get(SIGNERS, transaction.signer)
    if signer is None:
        raise UnknownKey
    return signer.payer  # type: ignore[return-value] # rows hold ids as plain text


def is_protective(calls: Iterable[Call], applications: Applications) -> bool:
    """Whether every command is protective: a revocation, a denial."""
    for call in calls:
        application = applications.get(call.application)
        if application is None or not application.protective:
            return False
        try:
            if not _is_named(call.command, application.protective):
                return False
            command = decode(call.command, application.command_type)
        except HALTING:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it protects nobody
            return False
        if not isinstance(command, application.protective):
            return False
    return True


def _is_named(command: bytes, types: tuple[type[Record], ...]) -> bool:
    """Whether it says that it is of one of `types`: a fifth of the cost of finding out.

    And a tenth of that where none of their names is anywhere in it: text is encoded as it is.
    """
    if not any(name in command for name in _names(types)):
        return False
    plain = load_cbor(command)
    return isinstance(plain, dict) and plain.get("type") in _tags(types)


@cache
def _names(types: tuple[type[Record], ...]) -> tuple[bytes, ...]:
    """Their tags as they stand in an encoding; one without a tag may be in any."""
    return tuple(tag.encode() if isinstance(tag, str) else b"" for tag in _tags(types))


@cache
def _tags(types: tuple[type[Record], ...]) -> frozenset[object]:
    return frozenset(one.__struct_config__.tag for one in types)
