"""What CometBFT's validators sign: headers, validator sets and votes, in its own encodings.

These are the wire facts of CometBFT 0.38 (its specification: core/data_structures and
core/encoding), written with the few protobuf rules that they need, so that a reader of proofs needs
no protobuf library. Only Ed25519 validator keys exist on our chains.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated

import ed25519_zebra
import msgspec

from careledger.ledger.merkle import leaf_hash, root
from careledger.ledger.record import Count, Digest, Hash, Instant, Record, digest

ADDRESS_BYTES = 20
NANOS = 1_000_000_000

Address = Annotated[bytes, msgspec.Meta(min_length=ADDRESS_BYTES, max_length=ADDRESS_BYTES)]
"""The first 20 bytes of SHA-256 of a validator's public key."""

HashOrNone = Annotated[bytes, msgspec.Meta(max_length=32)]
"""32 bytes, or none where the engine has nothing to hash."""

Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
Nanos = Annotated[int, msgspec.Meta(ge=0, lt=NANOS)]
ChainName = Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
Small = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
Power = Annotated[int, msgspec.Meta(ge=1, lt=2**53)]

MAX_VALIDATORS = 1_000
"""More than any consortium; a proof that names more is refused before it costs anything."""

_PRECOMMIT = 2


class EngineTime(Record):
    """A time as the engine has it: `Instant` and the nanoseconds beyond it."""

    seconds: Instant
    nanos: Nanos


class Parts(Record):
    """In how many parts a block travelled, and the root over them."""

    total: Count
    hash: HashOrNone


class BlockId(Record):
    """Which block: the hash of its header, and its parts. Both empty before the first block."""

    hash: HashOrNone
    parts: Parts


class EngineHeader(Record):
    """A CometBFT block header. `app_hash` is what the application had after the block before."""

    block_version: Count
    app_version: Count
    chain: ChainName
    height: Count
    time: EngineTime
    last_block: BlockId
    last_commit_hash: HashOrNone
    data_hash: HashOrNone
    validators_hash: Hash
    next_validators_hash: Hash
    consensus_hash: HashOrNone
    app_hash: HashOrNone
    last_results_hash: HashOrNone
    evidence_hash: HashOrNone
    proposer: Address


class Validator(Record):
    """One voter: its Ed25519 public key and its voting power."""

    public: Hash
    power: Power

    @property
    def address(self) -> bytes:
        """How votes name it."""
        return address(self.public)


class CommitVote(Record):
    """One validator's precommit for the block."""

    address: Address
    time: EngineTime
    signature: Signature


class Commit(Record):
    """The precommits that decided a block. Those for nil and those absent are left out."""

    round: Small
    block: BlockId
    votes: Annotated[tuple[CommitVote, ...], msgspec.Meta(max_length=MAX_VALIDATORS)]


def address(public: bytes) -> bytes:
    """A validator's address: 20 bytes."""
    return digest(public)[:ADDRESS_BYTES]


def header_hash(header: EngineHeader) -> Digest:
    """The hash by which votes name a block: an RFC 6962 tree over the header's fields."""
    fields = (
        _number(1, header.block_version) + _number(2, header.app_version),
        _data(1, header.chain.encode()),
        _number(1, header.height),
        _timestamp(header.time),
        _block_id(header.last_block),
        _data(1, header.last_commit_hash),
        _data(1, header.data_hash),
        _data(1, header.validators_hash),
        _data(1, header.next_validators_hash),
        _data(1, header.consensus_hash),
        _data(1, header.app_hash),
        _data(1, header.last_results_hash),
        _data(1, header.evidence_hash),
        _data(1, header.proposer),
    )
    return root(leaf_hash(field) for field in fields)


def in_order(validators: Iterable[Validator]) -> list[Validator]:
    """Validators as the engine lists them: most power first, equals by address."""
    return sorted(validators, key=lambda one: (-one.power, one.address))


def validators_hash(validators: Iterable[Validator]) -> Digest:
    """The hash that headers name a validator set by."""
    return root(
        leaf_hash(_message(1, _data(1, one.public)) + _number(2, one.power))
        for one in in_order(validators)
    )


def vote_bytes(chain: str, height: int, commit: Commit, time: EngineTime) -> bytes:
    """What a validator signed when it precommitted to that block at `time`."""
    vote = (
        _number(1, _PRECOMMIT)
        + _fixed(2, height)
        + _fixed(3, commit.round)
        + _message(4, _block_id(commit.block))
        + _message(5, _timestamp(time))
        + _data(6, chain.encode())
    )
    return _varint(len(vote)) + vote


def verify_vote(public: bytes, chain: str, height: int, commit: Commit, vote: CommitVote) -> bool:
    """Whether that key signed that vote, by ZIP 215, as the engine itself decides it."""
    signed = vote_bytes(chain, height, commit, vote.time)
    return bool(ed25519_zebra.ed_verify(vote.signature, signed, public))


def total_power(validators: Sequence[Validator]) -> int:
    """All votes together."""
    return sum(one.power for one in validators)


# --- protobuf (https://protobuf.dev/programming-guides/encoding), as far as it is needed ---------


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value) if value else b""


def _fixed(field: int, value: int) -> bytes:
    return _varint(field << 3 | 1) + value.to_bytes(8, "little") if value else b""


def _message(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _data(field: int, value: bytes) -> bytes:
    return _message(field, value) if value else b""


def _timestamp(time: EngineTime) -> bytes:
    return _number(1, time.seconds) + _number(2, time.nanos)


def _block_id(block: BlockId) -> bytes:
    parts = _number(1, block.parts.total) + _data(2, block.parts.hash)
    return _data(1, block.hash) + _message(2, parts)
