"""CometBFT's encodings, held to blocks that a real network of four validators decided.

The blocks come from CometBFT 0.38.25 and its own key-value application. At height 13 a validator's
power is changed, which holds from height 15 on; from height 14 one of the four is away.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.consensus.cometbft.light import light_block
from careledger.ledger.signature import SigningKey
from careledger.ledger.tendermint import (
    Validator,
    address,
    header_hash,
    in_order,
    total_power,
    validators_hash,
    verify_vote,
    vote_bytes,
)
from careledger.verify.format import LightBlock

REAL = [
    light_block(one["commit"], one["validators"])
    for one in json.loads(
        (Path(__file__).parents[1] / "vectors" / "cometbft-light.json").read_bytes()
    )
]
BLOCKS = pytest.mark.parametrize("block", REAL, ids=lambda block: str(block.header.height))


@BLOCKS
def test_the_header_s_hash_is_what_the_votes_are_for(block: LightBlock) -> None:
    assert header_hash(block.header) == block.commit.block.hash


def test_a_header_names_the_hash_of_the_header_before_it() -> None:
    first, second, *_ = REAL
    assert second.header.last_block.hash == header_hash(first.header)


@BLOCKS
def test_the_validators_hash_is_what_the_header_names(block: LightBlock) -> None:
    assert validators_hash(block.validators) == block.header.validators_hash
    assert list(block.validators) == in_order(reversed(block.validators))


@BLOCKS
def test_every_vote_verifies_and_no_other(block: LightBlock) -> None:
    publics = {one.address: one.public for one in block.validators}
    header, commit = block.header, block.commit
    assert commit.votes
    for vote in commit.votes:
        public = publics[vote.address]
        assert verify_vote(public, header.chain, header.height, commit, vote)
        assert not verify_vote(public, header.chain, header.height + 1, commit, vote)
        assert not verify_vote(public, header.chain + "x", header.height, commit, vote)


def test_an_absent_validator_has_no_vote() -> None:
    assert [len(block.commit.votes) for block in REAL] == [4, 4, 4, 4, 3, 3, 3, 3, 3]


def test_a_power_change_moves_the_validator_to_the_front() -> None:
    assert [total_power(block.validators) for block in REAL] == [4, 4, 4, 4, 4, 6, 6, 6, 6]
    assert REAL[-1].validators[0].power == 3


@given(seeds=st.sets(st.binary(min_size=32, max_size=32), min_size=2, max_size=7))
def test_the_order_in_which_validators_are_given_does_not_matter(seeds: set[bytes]) -> None:
    validators = [
        Validator(public=SigningKey("EdDSA", seed).public.public, power=1 + number % 3)
        for number, seed in enumerate(sorted(seeds))
    ]
    assert validators_hash(validators) == validators_hash(reversed(validators))
    assert all(one.address == address(one.public) for one in validators)


@given(round_=st.integers(0, 2**31 - 1), height=st.integers(1, 2**53 - 1))
def test_each_vote_signs_bytes_of_its_own(round_: int, height: int) -> None:
    block = REAL[0]
    commit = type(block.commit)(round=round_, block=block.commit.block, votes=())
    later = type(block.commit)(round=round_ + 1, block=block.commit.block, votes=())
    time = block.commit.votes[0].time
    texts = {
        vote_bytes("chain", height, commit, time),
        vote_bytes("chain", height + 1, commit, time),
        vote_bytes("chain", height, later, time),
        vote_bytes("chains", height, commit, time),
    }
    assert len(texts) == 4
