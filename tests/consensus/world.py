"""A real engine on a real store, with the toy application of the core's tests."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import lmdb
import msgspec

from careledger.consensus.chain import Chain
from careledger.consensus.intake import Limits
from careledger.consensus.solo import SoloEngine
from careledger.consensus.verification import Workers
from careledger.ledger.application import Application, Context
from careledger.ledger.genesis import Activation, Genesis, GenesisEvent, load_genesis
from careledger.ledger.membership import KEYS, SIGNERS, KeyRow, NetworkParameters, SignerRow
from careledger.ledger.record import Digest, Record
from careledger.ledger.signature import SigningKey, key_id
from careledger.ledger.state import Changes, View
from careledger.ledger.transaction import call, sign_transaction
from careledger.store.store import Store
from tests.ledger.world import ANA, LAKEVIEW, NOW, RIVERSIDE, TOY, claims, key


class SignerKnown(Record, tag="known"):
    """From the start, this signer has this key."""

    signer: str
    payer: str
    public: bytes


def _decide(command: Any, context: Context, view: View) -> Iterator[SignerKnown]:
    raise NotImplementedError


def _evolve(event: SignerKnown, view: View) -> Changes:
    kind: Any = "account" if event.signer.startswith("@") else "member"
    row = KeyRow(use="transaction", algorithm="EdDSA", public=event.public, since=0)
    public = SigningKey("EdDSA", bytes(32)).public
    id_ = key_id(type(public)(algorithm="EdDSA", public=event.public))
    return {
        **SIGNERS.put(SignerRow(kind=kind, payer=event.payer), event.signer),
        **KEYS.put(row, event.signer, id_),
    }


CENSUS: Application[Any, SignerKnown] = Application(
    name="census",
    version=1,
    tables=(SIGNERS, KEYS),
    commands=(),
    events=(SignerKnown,),
    refusals=(),
    decide=_decide,
    evolve=_evolve,
)
INSTALLED: dict[tuple[str, int], Application[Any, Any]] = {("toy", 1): TOY, ("census", 1): CENSUS}
APPLICATIONS: dict[str, Application[Any, Any]] = {"toy": TOY, "census": CENSUS}


def genesis_file(limits: NetworkParameters | None = None, *signers: str) -> bytes:
    def known(signer: str) -> GenesisEvent:
        payer = RIVERSIDE if signer.startswith("@") else signer
        event = {
            "type": "known",
            "signer": signer,
            "payer": payer,
            "public": base64.b64encode(key(signer).public.public).decode(),
        }
        return GenesisEvent(application="census", event=msgspec.Raw(json.dumps(event).encode()))

    everyone = signers or (RIVERSIDE, LAKEVIEW, ANA)
    genesis = Genesis(
        name="test",
        time=NOW,
        activations=tuple(Activation(application=name, version=1) for name in APPLICATIONS),
        parameters=limits or NetworkParameters(),
        events=tuple(map(known, everyone)),
    )
    return msgspec.json.encode(genesis)


def sign(chain: Digest, signer: str, command: Record, nonce: int, **changed: Any) -> bytes:
    changed = {"audience": chain.hex()} | changed
    return sign_transaction(key(signer), claims(signer, nonce, **changed), call("toy", command))


@asynccontextmanager
async def engine(
    folder: Path,
    *,
    limits: NetworkParameters | None = None,
    workers: int = 0,
    clock: Callable[[], int] = lambda: NOW,
    commit: Callable[[Any], None] = lmdb.Transaction.commit,
    queue: Limits | None = None,
) -> AsyncIterator[tuple[SoloEngine, Chain]]:
    data = genesis_file(limits)
    chain_id, genesis = load_genesis(data)
    Store.create(folder, data, APPLICATIONS).close()
    store = Store(folder, commit=commit)
    chain = Chain(store, chain_id, genesis, INSTALLED)
    pool = Workers(folder, chain_id, workers) if workers else None
    solo = SoloEngine(chain, clock=clock, workers=pool, limits=queue)
    await solo.start()
    try:
        yield solo, chain
    finally:
        await solo.close()
        if pool:
            pool.close()
        store.close()
