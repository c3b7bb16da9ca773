"""Many copies of the application in one process, driven through ABCI's grammar from one seed.

The grammar is CometBFT's own (specification of ABCI++, "CometBFT's expected behavior"): a start, or
a recovery that replays what the engine has beyond Info's height; in each height any number of
rounds, each with at most one proposal that its proposer prepares and anybody may process more than
once; then one FinalizeBlock and one Commit; CheckTx at any moment. Nodes crash between any two
calls, fall behind and catch up, and one may propose whatever it likes. Nothing here waits or looks
at a clock, so a seed gives one run, call for call.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lmdb

from careledger.consensus.chain import Chain
from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.application import Application
from careledger.consensus.cometbft.calls import answer
from careledger.consensus.cometbft.protobuf import Message, encode
from careledger.ledger.errors import Unavailable
from careledger.ledger.genesis import load_genesis
from careledger.ledger.membership import NetworkParameters, consensus_address
from careledger.ledger.record import Record
from careledger.store.store import Store
from tests.consensus.cometbft.world import (
    APPLICATIONS,
    INSTALLED,
    genesis_file,
    init_request,
    power,
    voting_key,
)
from tests.consensus.world import sign
from tests.ledger.world import ANA, LAKEVIEW, NOW, RIVERSIDE, Explode, Protect, SetNote

SIGNERS = (RIVERSIDE, LAKEVIEW, ANA)
POWERS = {RIVERSIDE: 10, LAKEVIEW: 10}
LIMITS = NetworkParameters(transactions_per_block=12, protective_percent=25)
MOST_ROUNDS = 4


class Crashed(Exception):
    """The node ended in the middle of a call."""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A block that the network agreed on, as every node's engine keeps it."""

    height: int
    time: int
    transactions: tuple[bytes, ...]
    misbehavior: tuple[m.Misbehavior, ...]


@dataclass
class Seen:
    """What happened in a run, to be asserted on: a run in which nothing happens shows nothing."""

    blocks: int = 0
    rounds: int = 0
    crashes: int = 0
    lost_commits: int = 0
    replayed: int = 0
    rejected: int = 0
    admitted: set[bytes] = field(default_factory=set)
    transcript: Any = field(default_factory=hashlib.sha256)  # Any: hashlib's own type has no name


class Node:
    """One application on a disk of its own; its engine's height is that of the simulation."""

    def __init__(self, folder: Path, seen: Seen, chance: random.Random) -> None:
        self._folder, self._seen, self._chance = folder, seen, chance
        self._genesis = genesis_file(POWERS, LIMITS)
        self.doomed: str | None = None
        """How the next commit ends, if not well: "before" or "after" it is durable."""
        self.time = NOW
        Store.create(folder, self._genesis, APPLICATIONS).close()
        self._open()
        self.call(init_request(self.chain, POWERS))

    def _open(self) -> None:
        chain_id, genesis = load_genesis(self._genesis)
        self.store = Store(self._folder, commit=self._commit)
        self.chain = Chain(self.store, chain_id, genesis, INSTALLED)
        self.application = Application(self.chain, clock=lambda: self.time)

    def _commit(self, transaction: "lmdb.Transaction[bytes]") -> None:
        doomed, self.doomed = self.doomed, None
        if doomed == "before":
            self._seen.lost_commits += 1
            raise lmdb.DiskError("simulated")
        lmdb.Transaction.commit(transaction)
        if doomed == "after":
            raise Crashed

    def call(self, request: Message) -> Any:
        """Through the same table as the socket server; call and answer go into the transcript."""
        found = answer(self.application, request)
        for message in (request, found):
            self._seen.transcript.update(type(message).__name__.encode() + encode(message))
        return found

    @property
    def height(self) -> int:
        return self.store.latest.height

    def check(self, raw: bytes, *, again: bool = False) -> bool:
        return bool(self.call(m.RequestCheckTx(tx=raw, type=int(again))).code == 0)

    def crash(self, blocks: Sequence[Decided]) -> None:
        """End without a word, begin again, and be brought what the engine has beyond."""
        self._seen.crashes += 1
        self.store.close()
        self._open()
        info = self.call(m.RequestInfo(version="0.38.25", abci_version="2.0.0"))
        assert info.last_block_app_hash == self.store.latest.app_hash
        for block in blocks[info.last_block_height :]:
            self._seen.replayed += 1
            self.apply(block)

    def apply(self, block: Decided) -> m.ResponseFinalizeBlock:
        request = m.RequestFinalizeBlock(
            txs=block.transactions,
            misbehavior=block.misbehavior,
            height=block.height,
            time=m.Timestamp(seconds=block.time, nanos=self._chance.randrange(1_000_000_000)),
        )
        found: m.ResponseFinalizeBlock = self.call(request)
        self.call(m.RequestCommit())
        assert found.app_hash == self.store.latest.app_hash
        return found


class Simulation:
    """A network of `count` nodes; the last one is dishonest when it proposes."""

    def __init__(self, folder: Path, chance: random.Random, count: int = 4) -> None:
        self.seen, self.chance, self.time = Seen(), chance, NOW
        self.blocks: list[Decided] = []
        self._nonce = 0
        self._sent: list[bytes] = []
        self._mempool: list[bytes] = []
        self.nodes = [Node(folder / str(n), self.seen, chance) for n in range(count)]
        self._results: dict[int, m.ResponseFinalizeBlock] = {}

    def close(self) -> None:
        for node in self.nodes:
            node.store.close()

    # --- what clients send ---------------------------------------------------------------------

    def _transaction(self) -> bytes:
        """Mostly good; now and then refused, forged, old, of tomorrow, or no transaction at all."""
        self._nonce += 1
        chain, chance = self.nodes[0].chain.id, self.chance
        signer = chance.choice(SIGNERS)
        kind = chance.random()
        window = {"not_before": self.time - 5, "expires": self.time + chance.choice((3, 600))}
        if kind < 0.05:
            return power(
                chain, signer, chance.choice((*SIGNERS, "third")), chance.randrange(4), self._nonce
            )
        if kind < 0.1:
            return chance.randbytes(chance.randrange(80))
        if kind < 0.15:
            window = {"not_before": self.time - 99, "expires": self.time - 9}
        elif kind < 0.2:
            window = {"not_before": self.time + 61, "expires": self.time + 99}
        text = chance.choice(("hello", "unwelcome", "x" * chance.randrange(500)))
        note = SetNote(at=f"n{chance.randrange(50)}", text=text)
        command: Record = chance.choices((note, Protect(), Explode()), (8, 2, 1))[0]
        raw = sign(chain, signer, command, self._nonce, **window)
        if kind > 0.95:
            spoilt = bytearray(raw)
            spoilt[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
            return bytes(spoilt)
        return raw

    def _send(self) -> None:
        """Clients send new ones and old ones, to some nodes, in any order; some are rechecked."""
        raws = [self._transaction() for _ in range(self.chance.randrange(14))]
        raws += self.chance.sample(self._sent, min(3, len(self._sent)))
        self._sent += raws
        for raw in raws:
            for node in self.chance.sample(self.nodes, self.chance.randint(1, len(self.nodes))):
                if node.check(raw):
                    self.seen.admitted.add(raw)
                    self._mempool.append(raw)
        for raw in self.chance.sample(self._mempool, min(4, len(self._mempool))):
            self.chance.choice(self.nodes).check(raw, again=True)

    # --- one height ----------------------------------------------------------------------------

    def step(self) -> None:
        """Decide one more block, and let every node that is not away apply it."""
        self._tick()
        self._send()
        present = [one for one in self.nodes if one.height == len(self.blocks)]
        block = Decided(
            height=len(self.blocks) + 1,
            time=self.time,
            transactions=self._agree(present),
            misbehavior=self._misbehavior(),
        )
        self.blocks.append(block)
        self.seen.blocks += 1
        self._mempool = [raw for raw in self._mempool if raw not in block.transactions]
        away = self.nodes[0] if block.height % 17 < 5 else None  # falls behind, then catches up
        for node in self.nodes:
            if node is not away:
                self._bring(node)

    def _tick(self) -> None:
        """Block time: the median of votes, so it may stand still, or jump after a quiet time."""
        self.time += self.chance.choice((0, 0, 1, 1, 2, 5, 30))
        for node in self.nodes:  # their own clocks differ
            node.time = self.time + self.chance.randint(-3, 3)

    def _agree(self, present: Sequence[Node]) -> tuple[bytes, ...]:
        for round_ in range(MOST_ROUNDS):
            self.seen.rounds += 1
            proposer = self.chance.choice(present)
            proposed = self._propose(proposer)
            honest = True
            if proposer is self.nodes[-1] and self.chance.random() < 0.7:
                proposed, honest = self._tamper(proposed), False
            votes = {self._vote(node, proposed) for node in present for _ in range(self._times())}
            assert len(votes) == 1, "honest nodes vote differently"
            accepted = votes.pop()
            assert accepted or not honest, "an honest proposal was voted down"
            self.seen.rejected += not accepted
            if accepted and (round_ == MOST_ROUNDS - 1 or self.chance.random() < 0.7):
                return proposed
            if self.chance.random() < 0.1:
                self.chance.choice(present).crash(self.blocks)
        return ()

    def _times(self) -> int:
        return 2 if self.chance.random() < 0.1 else 1

    def _propose(self, proposer: Node) -> tuple[bytes, ...]:
        """Prepared twice, it is the same: an engine may lose the first to a crash."""
        offered = tuple(self.chance.sample(self._mempool, min(30, len(self._mempool))))
        request = m.RequestPrepareProposal(
            txs=offered,
            max_tx_bytes=self.chance.choice((2_000, 1 << 23)),
            height=len(self.blocks) + 1,
            time=m.Timestamp(seconds=self.time),
        )
        found: tuple[bytes, ...] = proposer.call(request).txs
        return found

    def _tamper(self, proposed: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """What no honest validator would propose, or might by chance."""
        tampered = [*proposed]
        tampered += self.chance.sample(self._sent, min(2, len(self._sent)))
        tampered += [self._transaction() for _ in range(self.chance.randrange(3))]
        self.chance.shuffle(tampered)
        return tuple(tampered)

    def _vote(self, node: Node, proposed: tuple[bytes, ...]) -> bool:
        request = m.RequestProcessProposal(
            txs=proposed, height=len(self.blocks) + 1, time=m.Timestamp(seconds=self.time)
        )
        accepted = bool(node.call(request).status == m.Vote.ACCEPT)
        if accepted and self.chance.random() < 0.5:  # some work ahead, and some of that in vain
            node.application.anticipate(request)
        return accepted

    def _misbehavior(self) -> tuple[m.Misbehavior, ...]:
        if not self.blocks or self.chance.random() > 0.05:
            return ()
        address = consensus_address(voting_key(LAKEVIEW).public.public)
        caught = m.Misbehavior(
            type=self.chance.choice((1, 2)),
            validator=m.Validator(address=address, power=10),
            height=self.chance.randint(1, len(self.blocks)),
            time=m.Timestamp(seconds=self.time - 1),
        )
        return (caught,) * self.chance.choice((1, 2))

    def _bring(self, node: Node) -> None:
        """Every block that the node lacks, whatever happens to it meanwhile."""
        while node.height < len(self.blocks):
            block = self.blocks[node.height]
            fate = self.chance.random()
            node.doomed = "before" if fate < 0.04 else "after" if fate < 0.08 else None
            try:
                found = node.apply(block)
            except (Crashed, Unavailable):
                node.crash(self.blocks[: block.height])
            else:
                expected = self._results.setdefault(block.height, found)
                assert found == expected, "nodes differ"
                if self.chance.random() < 0.04:
                    node.crash(self.blocks[: block.height])

    def settle(self) -> None:
        """Let everybody catch up."""
        for node in self.nodes:
            self._bring(node)


@contextmanager
def simulation(folder: Path, chance: random.Random, count: int = 4) -> Iterator[Simulation]:
    with ExitStack() as owned:
        running = Simulation(folder, chance, count)
        owned.callback(running.close)
        yield running
