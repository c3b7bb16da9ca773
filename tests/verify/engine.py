"""Blocks as CometBFT's validators would sign them, over the example log."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import msgspec

from careledger.ledger.checkpoint import app_hash
from careledger.ledger.record import Digest, digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.tendermint import (
    BlockId,
    Commit,
    CommitVote,
    EngineHeader,
    EngineTime,
    Parts,
    Validator,
    header_hash,
    in_order,
    validators_hash,
    vote_bytes,
)
from careledger.verify.format import LightBlock, LightFile
from careledger.verify.trust import Trust, TrustedHeight, TrustedValidator
from tests.example_log import CHAIN, TIME
from tests.verify.network import LOG, trust

ENGINE_CHAIN = "careledger-example"
NOW = int(time.time())
START = TIME
UNTIL = 4_000_000_000
NAMES = ("hospital", "clinic", "payer", "pharmacy")
KEYS = {name: SigningKey("EdDSA", digest(name.encode())) for name in NAMES}
STRANGERS = {name: SigningKey("EdDSA", digest(b"not " + name.encode())) for name in NAMES}

Powers = dict[str, int]
EQUAL: Powers = dict.fromkeys(NAMES, 10)


@dataclass(frozen=True)
class Engine:
    """Signs a header at any height. `powers` vote now, `following` at the next height."""

    powers: Powers
    following: Powers
    voters: Sequence[str] = NAMES
    keys: dict[str, SigningKey] = field(default_factory=lambda: KEYS)

    def validators(self, powers: Powers) -> tuple[Validator, ...]:
        return tuple(
            in_order(
                Validator(public=self.keys[name].public.public, power=power)
                for name, power in powers.items()
            )
        )

    def block(self, height: int, **other: object) -> LightBlock:
        now, following = self.validators(self.powers), self.validators(self.following)
        fields: dict[str, object] = {
            "block_version": 11,
            "app_version": 1,
            "chain": ENGINE_CHAIN,
            "height": height,
            "time": EngineTime(seconds=START + height, nanos=height),
            "last_block": BlockId(hash=digest(b"last"), parts=Parts(total=1, hash=digest(b"part"))),
            "last_commit_hash": digest(b"commit"),
            "data_hash": digest(b""),
            "validators_hash": validators_hash(now),
            "next_validators_hash": validators_hash(following),
            "consensus_hash": digest(b"parameters"),
            "app_hash": app_hash(LOG.size, LOG.root(), 1),
            "last_results_hash": digest(b""),
            "evidence_hash": digest(b""),
            "proposer": now[0].address,
        }
        header = EngineHeader(**fields | other)  # type: ignore[arg-type]  # any field may be another
        return LightBlock(header=header, commit=self.commit(header), validators=now)

    def commit(self, header: EngineHeader) -> Commit:
        block = BlockId(hash=header_hash(header), parts=Parts(total=1, hash=digest(b"parts")))
        commit = Commit(round=0, block=block, votes=())
        when = EngineTime(seconds=START + header.height + 1, nanos=7)
        votes = tuple(
            CommitVote(
                address=Validator(public=self.keys[name].public.public, power=1).address,
                time=when,
                signature=self.keys[name].sign(
                    vote_bytes(header.chain, header.height, commit, when)
                ),
            )
            for name in self.voters
        )
        return msgspec.structs.replace(commit, votes=votes)


def engine(powers: Powers = EQUAL, following: Powers | None = None, **other: object) -> Engine:
    made = Engine(powers, following or powers)
    return replace(made, **other)  # type: ignore[arg-type]  # any field may be another


def light_file(*blocks: LightBlock, root: Digest | None = None) -> LightFile:
    return LightFile(chain=CHAIN, blocks=blocks, size=LOG.size, root=root or LOG.root(), version=1)


def trust_from(height: int = 0, powers: Powers = EQUAL, **other: object) -> Trust:
    """Trust in validators alone: no number of cosignatures would satisfy it."""
    fields: dict[str, object] = {
        "engine_chain": ENGINE_CHAIN,
        "height": height,
        "time": START + height,
        "validators": tuple(
            TrustedValidator(member=name, public=KEYS[name].public.public, power=power)
            for name, power in powers.items()
        ),
        "until": UNTIL,
    }
    return trust(height=TrustedHeight(**fields | other))  # type: ignore[arg-type]


def heights(first: int, last: int) -> list[LightBlock]:
    return [engine().block(height) for height in range(first, last + 1)]


HONEST = tuple(heights(1, 3))
