"""Nodes of one network in one process: the application without an engine or a socket."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb
import msgspec

from careledger.consensus.chain import Chain
from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.application import Application
from careledger.consensus.cometbft.calls import answer
from careledger.consensus.cometbft.genesis import app_state, consensus_parameters, engine_chain_id
from careledger.ledger.application import Application as Domain
from careledger.ledger.application import Context
from careledger.ledger.entry import Evidence
from careledger.ledger.genesis import Activation, GenesisEvent, load_genesis
from careledger.ledger.membership import (
    TABLES,
    VALIDATORS,
    NetworkParameters,
    ValidatorRow,
)
from careledger.ledger.record import Digest, Record
from careledger.ledger.signature import SigningKey
from careledger.ledger.state import Changes, View
from careledger.ledger.transaction import call, sign_transaction
from careledger.store.layout import Commit
from careledger.store.store import Store
from tests.consensus import world
from tests.ledger.world import NOW, claims, key


class SetPower(Record, tag="power"):
    """Let a member's node vote with so much power; none at 0."""

    member: str
    power: int


class Powered(Record, tag="powered"):
    member: str
    power: int


class Named(Record, tag="named"):
    """Somebody was caught."""

    height: int


def voting_key(member: str) -> SigningKey:
    return key(f"{member} votes")


def _decide(command: Any, context: Context, view: View) -> Iterator[Powered]:
    yield Powered(member=command.member, power=command.power)


def _evolve(event: Any, view: View) -> Changes:
    if isinstance(event, Named):
        return {}
    if not event.power:
        return VALIDATORS.remove(event.member)
    row = ValidatorRow(power=event.power, public=voting_key(event.member).public.public)
    return VALIDATORS.put(row, event.member)


def _witness(piece: Evidence, time: int, view: View) -> Iterator[Named]:
    yield Named(height=piece.height)


COUNCIL: Domain[Any, Any] = Domain(
    name="council",
    version=1,
    tables=TABLES,
    commands=(SetPower,),
    events=(Powered, Named),
    refusals=(),
    decide=_decide,
    evolve=_evolve,
    witness=_witness,
)
APPLICATIONS = {**world.APPLICATIONS, "council": COUNCIL}
INSTALLED = {**world.INSTALLED, ("council", 1): COUNCIL}


def genesis_file(powers: dict[str, int], limits: NetworkParameters | None = None) -> bytes:
    _, genesis = load_genesis(world.genesis_file(limits))
    council = Activation(application="council", version=1)
    voters = (
        GenesisEvent(
            application="council",
            event=msgspec.Raw(
                json.dumps({"type": "powered", "member": name, "power": power}).encode()
            ),
        )
        for name, power in powers.items()
    )
    return msgspec.json.encode(
        msgspec.structs.replace(
            genesis,
            activations=(*genesis.activations, council),
            events=(*genesis.events, *voters),
        )
    )


@contextmanager
def open_chain(
    folder: Path,
    powers: dict[str, int],
    limits: NetworkParameters | None = None,
    commit: Commit = lmdb.Transaction.commit,
) -> Iterator[Chain]:
    data = genesis_file(powers, limits)
    chain_id, genesis = load_genesis(data)
    Store.create(folder, data, APPLICATIONS).close()
    with Store(folder, commit=commit) as store:
        yield Chain(store, chain_id, genesis, INSTALLED)


def power(chain: Digest, signer: str, member: str, power: int, nonce: int) -> bytes:
    signed = claims(signer, nonce, audience=chain.hex())
    command = SetPower(member=member, power=power)
    return sign_transaction(key(signer), signed, call("council", command))


def init_request(chain: Chain, powers: dict[str, int], **other: Any) -> m.RequestInitChain:
    request = m.RequestInitChain(
        time=m.Timestamp(seconds=NOW),
        chain_id=engine_chain_id(chain.id),
        consensus_params=consensus_parameters(),
        validators=tuple(
            m.ValidatorUpdate(
                public=m.PublicKey(ed25519=voting_key(name).public.public), power=power
            )
            for name, power in powers.items()
        ),
        app_state_bytes=json.dumps(app_state(chain.id)).encode(),
        initial_height=1,
    )
    return msgspec.structs.replace(request, **other)


class Driver:
    """Calls one application as an engine of one validator would."""

    def __init__(self, chain: Chain, clock: int = NOW) -> None:
        self.time = clock
        self.chain = chain
        self.application = Application(chain, clock=lambda: self.time)

    @property
    def height(self) -> int:
        return self.chain.store.latest.height + 1

    def call(self, request: Any) -> Any:
        return answer(self.application, request)

    def check(self, raw: bytes, *, again: bool = False) -> int:
        code: int = self.call(m.RequestCheckTx(tx=raw, type=int(again))).code
        return code

    def prepare(self, *raws: bytes, most: int = 1 << 23) -> tuple[bytes, ...]:
        request = m.RequestPrepareProposal(
            txs=raws, max_tx_bytes=most, height=self.height, time=m.Timestamp(seconds=self.time)
        )
        chosen: tuple[bytes, ...] = self.call(request).txs
        return chosen

    def accepts(self, *raws: bytes) -> bool:
        request = m.RequestProcessProposal(
            txs=raws, height=self.height, time=m.Timestamp(seconds=self.time)
        )
        return bool(self.call(request).status == m.Vote.ACCEPT)

    def finalize(
        self, *raws: bytes, misbehavior: Sequence[m.Misbehavior] = (), nanos: int = 0
    ) -> m.ResponseFinalizeBlock:
        request = m.RequestFinalizeBlock(
            txs=raws,
            height=self.height,
            time=m.Timestamp(seconds=self.time, nanos=nanos),
            misbehavior=tuple(misbehavior),
        )
        found: m.ResponseFinalizeBlock = self.call(request)
        return found

    def commit(self) -> None:
        self.call(m.RequestCommit())

    def block(self, *raws: bytes) -> m.ResponseFinalizeBlock:
        found = self.finalize(*raws)
        self.commit()
        return found
