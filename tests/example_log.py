"""A small log that proofs, receipts, exports and their spec pages are all about.

Mercy Hospital and Plains Clinic run the chain. Ana is Mercy's patient. Mercy commits five of her
records in one batch; Ana lets Plains see them; a command of Ben's is refused.
"""

from dataclasses import dataclass, field
from functools import cached_property

from careledger.ledger.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    origin_of,
    sign_checkpoint,
)
from careledger.ledger.commitment import Batch, Opening, RecordName, TransactionProof, commit
from careledger.ledger.cose import encode_headers, encode_sign1, sig_structure
from careledger.ledger.entry import (
    BlockEntry,
    EventRecord,
    GenesisEntry,
    LogEntry,
    TransactionEntry,
    encode_entry,
    events_digest,
)
from careledger.ledger.merkle import Frontier, Subtree, inclusion_proof, leaf_hash
from careledger.ledger.record import Digest, MemberId, digest, encode
from careledger.ledger.signature import SigningKey
from careledger.ledger.state_root import Tree

CHAIN = digest(b"example genesis file")
ORIGIN = origin_of(CHAIN)
MERCY, PLAINS = MemberId("mercy"), MemberId("plains")
ANA = "@" + "a" * 26
TIME = 1_790_000_000

CHECKPOINT_KEYS = {
    MERCY: SigningKey("EdDSA", digest(b"mercy checkpoint")),
    PLAINS: SigningKey("EdDSA", digest(b"plains checkpoint")),
}
RECEIPT_KEYS = {
    MERCY: SigningKey("ES256", digest(b"mercy receipt")),
    PLAINS: SigningKey("EdDSA", digest(b"plains receipt")),
}
ANA_KEY = SigningKey("EdDSA", digest(b"ana"))

RESOURCES = tuple(
    b'{"resourceType":"Observation","id":"glucose-%d","valueQuantity":{"value":%d.00}}'
    % (number, 90 + number)
    for number in range(5)
)
NAMES = tuple(
    RecordName(custodian=MERCY, account=ANA, type="Observation", id=f"glucose-{number}", version=1)
    for number in range(5)
)
SALTS = tuple(digest(b"salt %d" % number) for number in range(5))


def transaction(payload: bytes, key: SigningKey = ANA_KEY) -> bytes:
    """A signed message; the verifier asks no more of it than that its id is right."""
    protected = encode_headers({1: -8, 4: digest(key.public.public)})
    return encode_sign1(protected, payload, key.sign(sig_structure(protected, payload)))


def transaction_id(payload: bytes, key: SigningKey = ANA_KEY) -> Digest:
    protected = encode_headers({1: -8, 4: digest(key.public.public)})
    return digest(sig_structure(protected, payload))


def event(application: str, tag: str, **fields: object) -> EventRecord:
    return EventRecord(application=application, event=encode({"type": tag, **fields}))


@dataclass
class ExampleLog:
    """Entries, their events by index, and the proofs that anyone with the log can make."""

    entries: list[bytes] = field(default_factory=list)
    events: dict[int, tuple[EventRecord, ...]] = field(default_factory=dict)
    leaves: list[Digest] = field(default_factory=list)

    def add(self, entry: LogEntry, events: tuple[EventRecord, ...] | None = None) -> int:
        self.entries.append(encode_entry(entry))
        self.leaves.append(leaf_hash(self.entries[-1]))
        if events is not None:
            self.events[self.size - 1] = events
        return self.size - 1

    def transact(self, payload: bytes, *events: EventRecord, code: int = 0) -> int:
        entry = TransactionEntry(
            id=transaction_id(payload), exp=TIME + 600, code=code, events=events_digest(events)
        )
        return self.add(entry, events)

    @property
    def size(self) -> int:
        return len(self.entries)

    @cached_property
    def subtree(self) -> Subtree:
        def subtree(level: int, index: int) -> Digest:
            leaves = self.leaves[index << level : (index + 1) << level]
            assert len(leaves) == 1 << level
            return Frontier().extend(leaves).root()

        return subtree

    def root(self, size: int | None = None) -> Digest:
        return Frontier().extend(self.leaves[:size]).root()

    def path(self, index: int) -> tuple[Digest, ...]:
        return inclusion_proof(index, self.size, self.subtree)

    def proof(self, index: int) -> TransactionProof:
        from careledger.ledger.entry import decode_entry

        entry = decode_entry(self.entries[index])
        assert isinstance(entry, TransactionEntry)
        return TransactionProof(
            entry=entry, events=self.events[index], index=index, path=self.path(index)
        )

    def checkpoint(self, size: int | None = None) -> SignedCheckpoint:
        """Signed by both members."""
        at = self.size if size is None else size
        plain = Checkpoint(origin=ORIGIN, size=at, root=self.root(at))
        mercy = sign_checkpoint(plain, MERCY, CHECKPOINT_KEYS[MERCY], TIME + 10)
        plains = sign_checkpoint(plain, PLAINS, CHECKPOINT_KEYS[PLAINS], TIME + 11)
        return mercy.with_signatures(plains.signatures)


def batch() -> Batch:
    """Ana's five records."""
    return Batch.of(
        commit(name, salt, content)
        for name, salt, content in zip(NAMES, SALTS, RESOURCES, strict=True)
    )


def opening(index: int) -> Opening:
    tree = batch()
    return Opening(
        name=NAMES[index],
        salt=SALTS[index],
        root=tree.root,
        size=tree.size,
        index=index,
        path=tree.path(index),
    )


STATE_ROWS = {b"consent\0ana\0plains": b"active", b"member\0mercy": b"active"}
COMMITTED, GRANTED, REFUSED = 1, 2, 3
"""Where the transactions are in the log."""


def state() -> tuple[Tree, dict[int, bytes]]:
    tree = Tree()
    delta = tree.delta(dict(STATE_ROWS), lambda _: b"")
    tree.accept(delta)
    return tree, dict(delta.buckets)


def example_log() -> ExampleLog:
    log = ExampleLog()
    log.add(GenesisEntry(chain=CHAIN))
    tree = batch()
    committed = event(
        "records", "committed", custodian=MERCY, batch=1, root=tree.root, size=tree.size
    )
    granted = event("consent", "granted", account=ANA, grantee=PLAINS, terms=digest(b"terms"))
    assert log.transact(b"commit", committed) == COMMITTED
    assert log.transact(b"grant", granted) == GRANTED
    assert log.transact(b"refused", code=301) == REFUSED
    log.add(BlockEntry(height=1, time=TIME, state_root=state()[0].root, version=1))
    log.transact(b"grant again", granted)
    log.add(BlockEntry(height=2, time=TIME + 5, state_root=state()[0].root, version=1))
    return log
