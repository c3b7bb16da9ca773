"""A governed chain on disk: three members who vote, and a toy application in two versions."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import msgspec

from careledger.apps import installed
from careledger.apps.governance.commands import MemberAdmitted, Motion, PowerSet, Propose, Vote
from careledger.consensus.chain import Chain
from careledger.ledger.application import Application, Context
from careledger.ledger.entry import Evidence
from careledger.ledger.genesis import (
    Activation,
    Genesis,
    GenesisEvent,
    Installed,
    active_applications,
    load_genesis,
)
from careledger.ledger.membership import NetworkParameters
from careledger.ledger.record import MemberId, Record, digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.state import View
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import (
    VerifiedTransaction,
    call,
    parse_transaction,
    sign_transaction,
    verify_transaction,
)
from careledger.ledger.transition import Block, Receipt, apply_block, close_block
from careledger.store.store import Store
from tests.apps.network import HILLTOP, LAKEVIEW, NOW, RIVERSIDE, key, published
from tests.ledger.world import TOY, NoteSet, SetNote

MEMBERS = (RIVERSIDE, LAKEVIEW, HILLTOP)
GOVERNANCE = installed()["governance", 1]


def _decide_loudly(command: SetNote, context: Context, view: View) -> Iterator[NoteSet]:
    yield NoteSet(owner=context.signer, at=command.at, text=command.text.upper())


TOY_2: Application[Any, Any] = replace(TOY, version=2, decide=_decide_loudly)
"""What it notes, it notes in capitals."""

ALONE: Installed = {("governance", 1): GOVERNANCE}
OLD: Installed = {("governance", 1): GOVERNANCE, ("toy", 1): TOY}
NEW: Installed = {**OLD, ("toy", 2): TOY_2}


def engine(member: str) -> SigningKey:
    return key(f"engine of {member}")


def genesis_file(programs: Installed, parameters: NetworkParameters | None = None) -> bytes:
    """Everyone is a validator and has a checkpoint key; 51 percent carry a motion."""
    events: list[Record] = []
    for member in MEMBERS:
        keys = (
            published(key(member)),
            published(engine(member), "consensus"),
            published(key(f"log of {member}"), "checkpoint"),
        )
        events.append(
            MemberAdmitted(member=member, name=member.title(), roles=(), keys=keys, at=NOW)
        )
    events += [PowerSet(member=member, power=10) for member in MEMBERS]
    return msgspec.json.encode(
        Genesis(
            name="A governed network",
            time=NOW,
            activations=tuple(
                Activation(application=name, version=1)
                for name, version in programs
                if version == 1
            ),
            parameters=parameters or NetworkParameters(vote_threshold_percent=51),
            events=tuple(
                GenesisEvent(
                    application="governance", event=msgspec.Raw(msgspec.json.encode(event))
                )
                for event in events
            ),
        )
    )


class Governed:
    """The chain, driven block by block; owns its store until `close`."""

    def __init__(
        self, folder: Path, programs: Installed, parameters: NetworkParameters | None = None
    ) -> None:
        self.file = genesis_file(programs, parameters)
        self.id, genesis = load_genesis(self.file)
        self.store = Store.create(folder, self.file, active_applications(genesis, programs, 0))
        self.chain = Chain(self.store, self.id, genesis, programs)
        self._nonce = self.store.latest.size

    def sign(self, member: MemberId, command: Record) -> VerifiedTransaction:
        self._nonce += 1
        time = self.store.latest.time
        claims = Claims(
            issuer=member,
            subject="test",
            audience=self.id.hex(),
            not_before=time - 5,
            expires=time + 600,
            nonce=self._nonce.to_bytes(16),
        )
        application = "toy" if isinstance(command, SetNote) else "governance"
        raw = sign_transaction(key(member), claims, call(application, command))
        return verify_transaction(parse_transaction(raw), key(member).public)

    def block(self, *transactions: VerifiedTransaction) -> tuple[Receipt, ...]:
        """The next block, five seconds on, made durable."""
        prepared = self.chain.prepare(transactions, self.store.latest.time + 5)
        assert not prepared.proposal.refused
        self.chain.begin(prepared)
        self.chain.commit(prepared)
        self.chain.settle()
        return prepared.applied.receipts

    def blocks_until(self, height: int) -> None:
        """Empty blocks, up to and with `height`."""
        while self.store.latest.height < height:
            self.block()

    def catch(
        self, *evidence: Evidence, transactions: tuple[VerifiedTransaction, ...] = ()
    ) -> None:
        """The next block, which brings evidence."""
        parent = self.store.latest
        block = Block(
            height=parent.height + 1,
            time=parent.time + 5,
            transactions=transactions,
            evidence=evidence,
        )
        with self.store.snapshot() as committed:
            view = View(committed)
            applications = self.chain.applications(block.height, view)
            applied = apply_block(view, parent, block, self.id, applications)
        delta = self.store.delta(applied.changes)
        closed = close_block(applied, block, parent, delta.root, self.store.frontier)
        raws = [one.raw for one in transactions]
        self.store.append(closed, raws, applied.receipts, applied.changes, delta)

    def vote(self, motion: Motion) -> None:
        """Carry `motion` in one block."""
        proposal = digest(self._nonce.to_bytes(8))[:16]
        until = self.store.latest.time + 3_600
        receipts = self.block(
            self.sign(RIVERSIDE, Propose(proposal=proposal, motion=motion, until=until)),
            self.sign(LAKEVIEW, Vote(proposal=proposal, approve=True)),
        )
        assert [one.code for one in receipts] == [0, 0]

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
