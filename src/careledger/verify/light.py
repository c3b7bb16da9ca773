"""A light client: from validators whom the reader believes to what the log was at a later height.

It follows CometBFT's light client (specification, light-client/verification): each header must be
signed by more than two thirds of its own validators, and be either the next one, whose validators
the header before named, or signed by validators who held more than a third of the votes before.
The app hash in a header is what the application had after the block before it; under it are the
log's size and root, and beneath those every entry and row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from careledger.ledger.checkpoint import Checkpoint, app_hash, origin_of
from careledger.ledger.errors import ProofError
from careledger.ledger.record import Digest, Instant
from careledger.ledger.tendermint import (
    Commit,
    CommitVote,
    EngineHeader,
    Validator,
    header_hash,
    total_power,
    validators_hash,
    verify_vote,
)
from careledger.verify.format import LightBlock, LightFile
from careledger.verify.step import Step, Steps, moment, plural
from careledger.verify.trust import Believed, LogHead, TrustedHeight, find_trust

MAX_DRIFT = 10
"""Seconds that a header's time may lie ahead of the reader's clock."""

_DECIDES = Fraction(2, 3)
_OVERLAPS = Fraction(1, 3)


@dataclass(frozen=True)
class _Point:
    """How far the reader believes: a height, when it was, and who may follow."""

    height: int
    time: tuple[int, int]
    validators: tuple[Validator, ...]
    next_hash: bytes


def check_light(file: LightFile, trusts: Sequence[Believed], now: Instant) -> Steps[LogHead | None]:
    """Follow the headers from the trusted height; the log head that the last one commits to.

    None where no trust file names a height of this chain: nothing is decided then.

    Raises:
        ProofError: the votes do not suffice, a header does not follow, or the trust has expired.
    """
    checkpoint = Checkpoint(
        origin=origin_of(Digest(file.chain)), size=file.size, root=Digest(file.root)
    )
    trust = find_trust(trusts, checkpoint.origin)
    last = file.blocks[-1].header
    if trust is None or not isinstance(trust.height, TrustedHeight):
        yield Step(
            decided=False,
            sentence=f"No trust file names a height of {checkpoint.origin} to begin from, "
            "so its validators are strangers.",
        )
        _check_app_hash(file, last)
        return None
    point = _start(trust.height, now)
    yield Step(
        sentence=f"You trust the {plural(len(point.validators), 'validator')} of height "
        f"{point.height:,} of {trust.height.engine_chain} until {moment(trust.height.until)}."
    )
    voters: list[Validator] = []
    for block in file.blocks:
        point, voters = _follow(point, block, trust.height.engine_chain, now)
    yield Step(
        sentence=f"{plural(len(file.blocks), 'header')} from there to height {last.height:,} of "
        f"{moment(last.time.seconds)}, the last signed by {_names(voters, trust.height)}."
    )
    _check_app_hash(file, last)
    yield Step(
        sentence=f"Its app hash is that of the log with {plural(file.size, 'entry', 'entries')}."
    )
    return LogHead(checkpoint=checkpoint, height=last.height)


def _start(trusted: TrustedHeight, now: Instant) -> _Point:
    if now > trusted.until:
        raise ProofError(
            "the trusted height has expired: get a newer trust file from somebody you believe",
            expected=f"used until {moment(trusted.until)}",
        )
    validators = tuple(Validator(public=one.public, power=one.power) for one in trusted.validators)
    # The first block of a chain has the very time of its genesis.
    return _Point(trusted.height, (trusted.time, -1), validators, validators_hash(validators))


def _follow(
    point: _Point, block: LightBlock, chain: str, now: Instant
) -> tuple[_Point, list[Validator]]:
    """Believe one more header, because those validators signed it.

    Raises:
        ProofError: there is no reason to.
    """
    header, time = block.header, (block.header.time.seconds, block.header.time.nanos)
    _check_header(point, block, chain, now)
    if header.height == point.height + 1:
        if header.validators_hash != point.next_hash:
            raise ProofError(
                f"height {header.height} has other validators than the header before it named",
                expected=point.next_hash.hex(),
                actual=header.validators_hash.hex(),
            )
    else:
        _check_votes(block, point.validators, _OVERLAPS, "validators trusted before")
    voters = _check_votes(block, block.validators, _DECIDES, "its own validators")
    return _Point(header.height, time, block.validators, header.next_validators_hash), voters


def _check_header(point: _Point, block: LightBlock, chain: str, now: Instant) -> None:
    header, time = block.header, (block.header.time.seconds, block.header.time.nanos)
    if header.chain != chain:
        raise ProofError("a header of another chain", expected=chain, actual=header.chain)
    if header.height <= point.height:
        raise ProofError(
            "heights must rise", expected=f"above {point.height}", actual=header.height
        )
    if time <= point.time:
        raise ProofError(f"height {header.height} is not later than the header before it")
    if header.time.seconds > now + MAX_DRIFT:
        raise ProofError("a header from the future", actual=moment(header.time.seconds))
    if len({one.public for one in block.validators}) != len(block.validators):
        raise ProofError("a validator is named twice")
    if validators_hash(block.validators) != header.validators_hash:
        raise ProofError(f"height {header.height} names other validators than the file brings")
    if block.commit.block.hash != header_hash(header):
        raise ProofError(f"the votes at height {header.height} are for another block")


def _check_votes(
    block: LightBlock, validators: Sequence[Validator], part: Fraction, whose: str
) -> list[Validator]:
    """Those of `validators` who signed, which takes more than `part` of their votes together.

    Raises:
        ProofError: they did not, or a vote in their name is forged.
    """
    header, voters = block.header, []
    for validator, vote in _votes_of(block.commit, validators):
        if not verify_vote(validator.public, header.chain, header.height, block.commit, vote):
            raise ProofError("a vote is forged", expected=validator.public.hex())
        voters.append(validator)
    power, needed = total_power(voters), part * total_power(validators)
    if power <= needed:
        raise ProofError(
            f"too few of {whose} signed height {header.height}",
            expected=f"more than {float(needed):g} votes",
            actual=power,
        )
    return voters


def _votes_of(
    commit: Commit, validators: Iterable[Validator]
) -> Iterable[tuple[Validator, CommitVote]]:
    """Each validator that voted, once, with its vote."""
    votes = {vote.address: vote for vote in commit.votes}
    for validator in validators:
        vote = votes.get(validator.address)
        if vote is not None:
            yield validator, vote


def _check_app_hash(file: LightFile, last: EngineHeader) -> None:
    computed = app_hash(file.size, file.root, file.version)
    if last.app_hash != computed:
        raise ProofError(
            "the last header commits to another log",
            expected=last.app_hash.hex(),
            actual=computed.hex(),
        )


def _names(voters: Iterable[Validator], trusted: TrustedHeight) -> str:
    """Who signed, by the names that the trust file knows."""
    names = {one.public: one.member for one in trusted.validators}
    return ", ".join(
        sorted(names.get(one.public, f"validator {one.address.hex()}") for one in voters)
    )
