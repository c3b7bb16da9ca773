"""A chain to store: a toy application, and blocks that follow from a seed alone."""

import random
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec

from careledger.consensus.chain import Chain
from careledger.ledger.application import Application, Context
from careledger.ledger.entry import Evidence
from careledger.ledger.errors import Refusal, require
from careledger.ledger.genesis import Activation, Genesis, GenesisEvent, load_genesis
from careledger.ledger.membership import KEYS, SIGNERS, KeyRow, NetworkParameters, SignerRow
from careledger.ledger.record import Digest, Record, digest
from careledger.ledger.signature import PublicKey, SigningKey, key_id
from careledger.ledger.state import Changes, Table, View
from careledger.ledger.state_root import Delta
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import (
    VerifiedTransaction,
    call,
    parse_transaction,
    sign_transaction,
    verify_transaction,
)
from careledger.ledger.transition import Applied, Block, Closed, apply_block, close_block
from careledger.store.store import Store

START = 1_700_000_000
MEMBERS = ("riverside", "lakeview", "hillcrest")


class Keep(Record, tag="keep"):
    """Keep a text on a shelf of mine; an empty text clears the shelf."""

    shelf: str
    text: bytes


class Kept(Record, tag="kept"):
    owner: str
    shelf: str
    text: bytes


class Caught(Record, tag="caught"):
    address: bytes


class Enrolled(Record, tag="enrolled"):
    member: str
    public: bytes


class ShelfRow(Record):
    text: bytes


class Unwelcome(Refusal):
    """That text is not welcome."""

    code = 9_000


SHELVES = Table("shelves", ShelfRow, (str, str))


def decide(command: Keep, context: Context, view: View) -> Iterator[Kept]:
    require(command.text != b"unwelcome", Unwelcome)
    yield Kept(owner=context.signer, shelf=command.shelf, text=command.text)


def witness(evidence: Evidence, time: int, view: View) -> Iterator[Caught]:
    yield Caught(address=evidence.address)


def evolve(event: Kept | Enrolled | Caught, view: View) -> Changes:
    if isinstance(event, Caught):
        return SHELVES.put(ShelfRow(text=event.address), "caught", event.address.hex())
    if isinstance(event, Enrolled):
        key = KeyRow(use="transaction", algorithm="EdDSA", public=event.public, since=START)
        signer = SignerRow(kind="member", payer=event.member)
        public = PublicKey(algorithm="EdDSA", public=event.public)
        return dict(SIGNERS.put(signer, event.member)) | dict(
            KEYS.put(key, event.member, key_id(public))
        )
    if not event.text:
        return SHELVES.remove(event.owner, event.shelf)
    return SHELVES.put(ShelfRow(text=event.text), event.owner, event.shelf)


TOY: Application[Any, Any] = Application(
    name="shelves",
    version=1,
    tables=(SHELVES,),
    commands=(Keep,),
    events=(Kept, Enrolled, Caught),
    refusals=(Unwelcome,),
    decide=decide,
    evolve=evolve,
    witness=witness,
)
APPLICATIONS = {"shelves": TOY}
INSTALLED = {("shelves", 1): TOY}


def member_key(member: str) -> SigningKey:
    return SigningKey("EdDSA", digest(member.encode()))


def genesis_file() -> bytes:
    events = tuple(
        GenesisEvent(
            application="shelves",
            event=msgspec.Raw(
                msgspec.json.encode(
                    Enrolled(member=member, public=member_key(member).public.public)
                )
            ),
        )
        for member in MEMBERS
    )
    return msgspec.json.encode(
        Genesis(
            name="A test network",
            time=START,
            activations=(Activation(application="shelves", version=1),),
            parameters=NetworkParameters(),
            events=events,
        )
    )


CHAIN: Digest = digest(genesis_file())


def create(folder: Path, **options: Any) -> Store:
    return Store.create(folder, genesis_file(), APPLICATIONS, **options)


def signed(member: str, *commands: Record, nonce: bytes, time: int) -> VerifiedTransaction:
    claims = Claims(
        issuer=member,
        subject="shelves",
        audience=CHAIN.hex(),
        not_before=time - 5,
        expires=time + 600,
        nonce=nonce,
    )
    key = member_key(member)
    raw = sign_transaction(key, claims, *(call("shelves", one) for one in commands))
    return verify_transaction(parse_transaction(raw), key.public)


def apply(
    store: Store, transactions: Sequence[VerifiedTransaction], *evidence: Evidence
) -> tuple[Applied, Closed, Delta]:
    """The next block, five seconds after the last one, not yet stored."""
    parent = store.latest
    block = Block(
        height=parent.height + 1,
        time=parent.time + 5,
        transactions=tuple(transactions),
        evidence=evidence,
    )
    with store.snapshot() as committed:
        applied = apply_block(View(committed), parent, block, CHAIN, APPLICATIONS)
    delta = store.delta(applied.changes)
    return applied, close_block(applied, block, parent, delta.root, store.frontier), delta


def add(store: Store, transactions: Sequence[VerifiedTransaction], *evidence: Evidence) -> Closed:
    """Apply and store the next block."""
    applied, closed, delta = apply(store, transactions, *evidence)
    raws = [transaction.raw for transaction in transactions]
    store.append(closed, raws, applied.receipts, applied.changes, delta)
    return closed


def run(
    store: Store, blocks: Iterable[Sequence[VerifiedTransaction]], step_s: int = 5
) -> Iterator[float]:
    """Store blocks as an engine does, each prepared while its parent is being made durable.

    Yields when each block was durable, by the performance counter.
    """
    chain = Chain(store, CHAIN, load_genesis(genesis_file())[1], INSTALLED)
    with ThreadPoolExecutor(1) as disk:
        durable: Future[None] | None = None
        for transactions in blocks:
            prepared = chain.prepare(transactions, chain.tip.time + step_s)
            if durable is not None:
                durable.result()
                chain.settle()
                yield perf_counter()
            chain.begin(prepared)
            durable = disk.submit(chain.commit, prepared)
        if durable is not None:
            durable.result()
            chain.settle()
            yield perf_counter()


class Workload:
    """Blocks of a seed: rows put, changed and removed, refusals, empty blocks."""

    def __init__(self, seed: int | str, *, shelves: int = 500, most: int = 8) -> None:
        self._chance = random.Random(seed)
        self._shelves, self._most = shelves, most

    def transactions(self, time: int) -> list[VerifiedTransaction]:
        """Of the next block, which comes at `time`."""
        count = self._chance.randint(0, self._most)
        return [self._transaction(time) for _ in range(count)]

    def _transaction(self, time: int) -> VerifiedTransaction:
        chance = self._chance
        commands = [self._command() for _ in range(chance.randint(1, 3))]
        nonce = chance.randbytes(16)
        return signed(chance.choice(MEMBERS), *commands, nonce=nonce, time=time)

    def _command(self) -> Keep:
        chance = self._chance
        shelf = str(chance.randrange(self._shelves))
        kind = chance.random()
        if kind < 0.05:
            return Keep(shelf=shelf, text=b"unwelcome")
        length = 0 if kind < 0.2 else chance.choice((1, 20, 100, 3_000 if kind > 0.95 else 50))
        return Keep(shelf=shelf, text=chance.randbytes(length))

    def run(self, store: Store, blocks: int) -> list[Closed]:
        """Store so many blocks."""
        return [add(store, self.transactions(store.latest.time + 5)) for _ in range(blocks)]


def rows(store: Store) -> dict[bytes, bytes]:
    """All committed state."""
    with store.snapshot() as committed:
        return dict(committed.scan(b""))
