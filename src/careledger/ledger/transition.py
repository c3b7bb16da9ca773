"""The state transition: how a block turns one world state into the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from careledger.ledger.application import Application, Context
from careledger.ledger.checkpoint import app_hash
from careledger.ledger.entry import (
    BlockEntry,
    EventRecord,
    Evidence,
    LogEntry,
    TransactionEntry,
    encode_entry,
    events_digest,
)
from careledger.ledger.errors import (
    InternalFault,
    InvalidBlock,
    Refusal,
    SignerSuspended,
    UnknownApplication,
    UnknownSigner,
    WrongKeyUse,
    require,
)
from careledger.ledger.membership import SIGNERS, KeyRow, SignerRow, live_key, may_act_in_emergency
from careledger.ledger.merkle import Frontier, leaf_hash
from careledger.ledger.record import (
    Count,
    Digest,
    Hash,
    Instant,
    MemberId,
    Record,
    decode,
    digest,
    encode,
)
from careledger.ledger.state import Changes, Overlay, View
from careledger.ledger.transaction import Call, VerifiedTransaction
from careledger.ledger.witness import HALTING, kept, witness

Applications = Mapping[str, Application[Any, Any]]  # Any: each has its own commands and events

STATE_MACHINE_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Block:
    """Transactions in the order that consensus gave them, and what it caught validators doing."""

    height: int
    time: Instant
    transactions: tuple[VerifiedTransaction, ...]
    evidence: tuple[Evidence, ...] = ()


class Header(Record):
    """Where the chain stands after a block. Log positions of its entries: [first, size)."""

    height: Count
    time: Instant
    first: Count
    size: Count
    version: Count
    state_root: Hash
    log_root: Hash
    app_hash: Hash


class Receipt(Record):
    """What became of one transaction: a refusal code, or 0 and what happened."""

    id: Hash
    code: Count = 0
    events: tuple[EventRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What a block did: a receipt a transaction, and the rows that differ afterwards."""

    receipts: tuple[Receipt, ...]
    changes: Changes
    witnessed: tuple[EventRecord, ...] = ()
    """What followed from the block's evidence, before its first transaction."""
    alarms: tuple[str, ...] = ()
    """Rules that failed unexpectedly: position and type of the exception, for the operators."""


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A block's place in history: its header, its log entries, and the log's frontier."""

    header: Header
    entries: tuple[bytes, ...]
    leaves: tuple[Digest, ...]
    frontier: Frontier
    witnessed: Receipt | None = None
    """What followed from evidence, as a receipt at the block entry's log position; its id is the
    SHA-256 of that entry. `None` if the block had no evidence."""


def apply_block(
    committed: View, parent: Header, block: Block, chain: Digest, applications: Applications
) -> Applied:
    """Apply the evidence of `block`, then its transactions, in order, to `committed`.

    Pure: every node gets the same receipts and the same changes. A refused transaction leaves a
    receipt and nothing else, because changes are returned, never made.

    Raises:
        InvalidBlock: `block` does not follow `parent`.
    """
    if block.height != parent.height + 1 or block.time < parent.time:
        raise InvalidBlock(block.height, parent.height)

    receipts: list[Receipt] = []
    changes = Overlay()
    seen = witness(committed, block.height, block.time, block.evidence, applications)
    changes.lay(seen.changes)
    alarms = list(seen.alarms)
    active = {name: application.version for name, application in applications.items()}
    for position, transaction in enumerate(block.transactions):
        view = committed.under(changes)
        try:
            context = _context(view, transaction, block, position, chain, active)
            events, changed = apply_transaction(view, transaction, context, applications)
        except Refusal as refusal:
            receipts.append(Receipt(id=transaction.id, code=refusal.code))
        except HALTING:
            raise
        except Exception as error:  # noqa: BLE001 - one poison transaction must not stop every node
            receipts.append(Receipt(id=transaction.id, code=InternalFault.code))
            alarms.append(f"{block.height}/{position}: {type(error).__name__}")
        else:
            receipts.append(Receipt(id=transaction.id, events=events))
            changes.lay(changed)
    return Applied(
        receipts=tuple(receipts), changes=changes, witnessed=seen.events, alarms=tuple(alarms)
    )


def _context(
    view: View,
    transaction: VerifiedTransaction,
    block: Block,
    position: int,
    chain: Digest,
    active: Mapping[str, int],
) -> Context:
    """Who signed, checked against the view at this position: rotation acts within the block."""
    signer = view.find(SIGNERS, transaction.signer, absent=UnknownSigner)
    key = live_key(view, transaction.signer, transaction.key_id)
    if key is None or key.public != transaction.key.public:
        raise UnknownSigner
    standing = _standing(view, signer, key, block.time)
    return Context(
        signer=transaction.signer,
        kind=signer.kind,
        payer=MemberId(signer.payer),
        standing=standing,
        key=transaction.key_id,
        use=key.use,
        time=block.time,
        height=block.height,
        position=position,
        chain=chain,
        transaction=transaction.id,
        active=active,
    )


def _standing(view: View, signer: SignerRow, key: KeyRow, time: Instant) -> bool:
    """Whether the signer may do everything.

    An account that is suspended may protect itself, a member, for 72 hours, act in an emergency.

    Raises:
        Refusal: removed, a member suspended for longer, or a key that signs no transactions.
    """
    require(signer.status != "removed", UnknownSigner)
    require(key.use in {"transaction", "claim"}, WrongKeyUse)
    if signer.kind == "member":
        require(may_act_in_emergency(signer, time), SignerSuspended)
        return signer.status == "active"
    payer = view.find(SIGNERS, signer.payer, absent=UnknownSigner)
    return signer.status == payer.status == "active"


def apply_transaction(
    view: View, transaction: VerifiedTransaction, context: Context, applications: Applications
) -> tuple[tuple[EventRecord, ...], Changes]:
    """Let the applications decide each command, then fold what happened into changes.

    Raises:
        Refusal: any command is refused; then none of them happens.
    """
    events: list[EventRecord] = []
    changes: dict[bytes, bytes | None] = {}
    for call in transaction.calls:
        happened, changed = _apply_call(view.under(changes), call, context, applications)
        events.extend(happened)
        changes.update(changed)
    return tuple(events), changes


def _apply_call(
    view: View, call: Call, context: Context, applications: Applications
) -> tuple[list[EventRecord], Changes]:
    application = applications.get(call.application)
    if application is None:
        raise UnknownApplication
    command = decode(call.command, application.command_type)
    _check_open(command, context, application)
    happened: list[EventRecord] = []
    changes: dict[bytes, bytes | None] = {}
    for event in tuple(application.decide(command, context, view)):
        changes.update(application.evolve(event, view.under(changes)))
        happened.append(EventRecord(application=application.name, event=encode(event)))
    return happened, changes


def _check_open(
    command: Record,
    context: Context,
    application: Application[Any, Any],  # Any: whichever application it is
) -> None:
    """A claim key signs claims only; who is suspended only does what stays open to it."""
    claiming = isinstance(command, application.claims)
    require(claiming == (context.use == "claim"), WrongKeyUse)
    if context.standing:
        return
    if context.kind == "member":
        serves = application.emergency is not None and application.emergency(command)
        require(serves, SignerSuspended)
    else:
        require(isinstance(command, application.protective), SignerSuspended)


def close_block(
    applied: Applied, block: Block, parent: Header, state_root: Digest, frontier: Frontier
) -> Closed:
    """Append the block's entries to the log; a block without transactions or evidence has none.

    `state_root` is the root after `applied.changes`, `frontier` the log's before this block.
    """
    entries = _entries(applied, block, state_root)
    leaves = tuple(leaf_hash(entry) for entry in entries)
    after = frontier.extend(leaves) if leaves else frontier
    log_root = after.root()
    header = Header(
        height=block.height,
        time=block.time,
        first=parent.size,
        size=after.size,
        version=STATE_MACHINE_VERSION,
        state_root=state_root,
        log_root=log_root,
        app_hash=app_hash(after.size, log_root, STATE_MACHINE_VERSION),
    )
    witnessed = (
        Receipt(id=digest(entries[-1]), events=applied.witnessed) if block.evidence else None
    )
    return Closed(
        header=header, entries=entries, leaves=leaves, frontier=after, witnessed=witnessed
    )


def _entries(applied: Applied, block: Block, state_root: Digest) -> tuple[bytes, ...]:
    """One entry a transaction, then that of the block; nothing at all if it was empty."""
    if not block.transactions and not block.evidence:
        return ()
    each: list[LogEntry] = [
        TransactionEntry(
            id=transaction.id,
            exp=transaction.expires,
            code=receipt.code,
            events=events_digest(receipt.events),
        )
        for transaction, receipt in zip(block.transactions, applied.receipts, strict=True)
    ]
    ending = BlockEntry(
        height=block.height,
        time=block.time,
        state_root=state_root,
        version=STATE_MACHINE_VERSION,
        evidence=tuple(map(encode, kept(block.evidence))),
        witnessed=events_digest(applied.witnessed) if block.evidence else UNSET,
    )
    return tuple(map(encode_entry, [*each, ending]))
