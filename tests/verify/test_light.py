"""The light client: who must have signed before a header is believed, and what it then shows."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.checkpoint import app_hash
from careledger.ledger.errors import LedgerError, ProofError
from careledger.ledger.merkle import leaf_hash
from careledger.ledger.merkle import root as tree_root
from careledger.ledger.record import digest
from careledger.ledger.tendermint import BlockId, CommitVote, EngineTime, Parts
from careledger.verify.format import LightBlock, LightFile, decode_file, encode_file
from careledger.verify.light import check_light
from careledger.verify.main import command
from careledger.verify.step import Step
from careledger.verify.trust import LogHead, Trust, format_trust, parse_trust
from tests.example_log import COMMITTED, ORIGIN, STATE_ROWS
from tests.verify.engine import (
    ENGINE_CHAIN,
    EQUAL,
    HONEST,
    NAMES,
    NOW,
    START,
    STRANGERS,
    UNTIL,
    engine,
    heights,
    light_file,
    trust_from,
)
from tests.verify.network import LOG, receipt_file, row_file, trust

Verify = Callable[..., Result]
replace = msgspec.structs.replace


def follow(file: LightFile, trusts: Trust, now: int = NOW) -> tuple[list[Step], LogHead | None]:
    """The steps, and the head that they lead to."""
    steps = check_light(file, [trusts], now)
    found: list[Step] = []
    while True:
        try:
            found.append(next(steps))
        except StopIteration as end:
            return found, end.value


def refuses(file: LightFile, reason: str, trusts: Trust | None = None, now: int = NOW) -> None:
    with pytest.raises(ProofError, match=reason):
        follow(file, trusts or trust_from(), now)


def test_from_genesis_each_header_names_who_signs_the_next() -> None:
    steps, head = follow(light_file(*HONEST), trust_from())
    assert head is not None
    assert (head.checkpoint.size, head.checkpoint.root, head.height) == (LOG.size, LOG.root(), 3)
    assert "3 headers from there to height 3" in steps[1].sentence
    assert "the last signed by clinic, hospital, payer, pharmacy" in steps[1].sentence


def test_headers_between_may_be_left_out_while_the_voters_overlap() -> None:
    _, head = follow(light_file(engine().block(5_000)), trust_from(7))
    assert head is not None


def test_three_of_four_suffice_and_only_they_are_named() -> None:
    file = light_file(engine(voters=NAMES[:3]).block(9))
    steps, _ = follow(file, trust_from(7))
    assert "the last signed by clinic, hospital, payer." in steps[1].sentence


def test_two_of_three_are_not_more_than_two_thirds() -> None:
    three = dict.fromkeys(NAMES[:3], 10)
    file = light_file(engine(three, voters=NAMES[:2]).block(1))
    refuses(file, "too few of its own validators signed height 1", trust_from(0, three))


@given(
    powers=st.tuples(*[st.integers(1, 50)] * 4),
    voters=st.sets(st.sampled_from(NAMES)),
)
def test_more_than_two_thirds_of_the_votes_decide_and_no_less(
    powers: tuple[int, ...], voters: set[str]
) -> None:
    named = dict(zip(NAMES, powers, strict=True))
    file = light_file(engine(named, voters=sorted(voters)).block(1))
    enough = 3 * sum(named[name] for name in voters) > 2 * sum(powers)
    if enough:
        assert follow(file, trust_from(0, named))[1] is not None
    else:
        refuses(file, "too few", trust_from(0, named))


def test_a_network_that_changed_altogether_is_followed_step_by_step_or_not_at_all() -> None:
    """Each change keeps a third of the votes; all changes together keep none."""
    first, last = dict.fromkeys(NAMES[:2], 10), dict.fromkeys(NAMES[2:], 10)
    both = first | last
    blocks = [
        engine(first, both).block(1),
        engine(both, last).block(2),
        engine(last, voters=NAMES[2:]).block(3),
    ]
    assert follow(light_file(*blocks), trust_from(0, first))[1] is not None
    refuses(light_file(blocks[-1]), "too few of validators trusted before", trust_from(0, first))


def test_the_next_header_s_validators_must_be_those_named_before() -> None:
    usurped = engine(EQUAL | {"payer": 1_000}).block(1)
    refuses(light_file(usurped), "other validators than the header before it named")


def test_strangers_who_agree_with_each_other_are_not_believed() -> None:
    forged = engine(keys=STRANGERS)
    refuses(light_file(forged.block(1)), "other validators than the header before it named")
    refuses(light_file(forged.block(9)), "too few of validators trusted before")


def test_the_trust_ends() -> None:
    refuses(light_file(*HONEST), "has expired", now=UNTIL + 1)


def altered(block: LightBlock, **other: object) -> LightBlock:
    """Another header under the same votes."""
    return replace(block, header=replace(block.header, **other))


BLOCK = engine().block(9)
FORGED_VOTE = replace(
    BLOCK.commit.votes[0], signature=bytes(32) + BLOCK.commit.votes[0].signature[32:]
)


def with_votes(*votes: CommitVote) -> LightBlock:
    return replace(BLOCK, commit=replace(BLOCK.commit, votes=votes))


BAD: dict[str, tuple[tuple[LightBlock, ...], str]] = {
    "another header": ((altered(BLOCK, data_hash=digest(b"x")),), "for another block"),
    "another app hash": ((altered(BLOCK, app_hash=digest(b"x")),), "for another block"),
    "another engine chain": ((engine().block(9, chain="other"),), "another chain"),
    "height again": ((BLOCK, BLOCK), "heights must rise"),
    "height below": ((BLOCK, engine().block(8)), "heights must rise"),
    "height before the trust": ((engine().block(7),), "heights must rise"),
    "time standing still": (
        (BLOCK, engine().block(10, time=BLOCK.header.time)),
        "not later than the header before",
    ),
    "future": (
        (engine().block(9, time=EngineTime(seconds=NOW + 1_000_000, nanos=0)),),
        "from the future",
    ),
    "validators left out": (
        (replace(BLOCK, validators=BLOCK.validators[1:]),),
        "names other validators than the file brings",
    ),
    "validator twice": (
        (replace(BLOCK, validators=(BLOCK.validators[0], *BLOCK.validators)),),
        "named twice",
    ),
    "forged vote": (
        (
            replace(
                BLOCK, commit=replace(BLOCK.commit, votes=(FORGED_VOTE, *BLOCK.commit.votes[1:]))
            ),
        ),
        "forged",
    ),
    "one vote four times": (
        (with_votes(*BLOCK.commit.votes[:1] * 4),),
        "too few",
    ),
    "votes for nothing": (
        (
            replace(
                BLOCK,
                commit=replace(
                    BLOCK.commit, block=BlockId(hash=b"", parts=Parts(total=0, hash=b""))
                ),
            ),
        ),
        "for another block",
    ),
    "another log": (
        (engine().block(9, app_hash=app_hash(LOG.size, digest(b"x"), 1)),),
        "commits to another log",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_follow_is_refused(name: str) -> None:
    blocks, reason = BAD[name]
    refuses(light_file(*blocks), reason, trust_from(7))


def test_a_trust_file_with_a_height_reads_as_it_was_written() -> None:
    assert parse_trust(format_trust(trust_from()).encode()) == trust_from()
    once = trust_from().height
    assert once
    with pytest.raises(LedgerError):
        parse_trust(
            format_trust(trust(height=replace(once, validators=once.validators * 2))).encode()
        )


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    """Run the command on these bytes, with a light proof beside them."""

    def run(data: bytes, trusts: Trust, light: LightFile | None = None) -> Result:
        paths = [tmp_path / name for name in ("evidence", "trust", "light")]
        paths[0].write_bytes(data)
        paths[1].write_text(format_trust(trusts))
        options = ["--trust", str(paths[1])]
        if light is not None:
            paths[2].write_bytes(encode_file(light))
            options += ["--light", str(paths[2])]
        result = CliRunner().invoke(command, [str(paths[0]), *options], standalone_mode=False)
        if result.exception:
            raise result.exception
        return result

    return run


VALIDATORS_ONLY = replace(trust_from(), members=())
KEY = next(iter(STATE_ROWS))


def test_the_file_itself_can_be_checked(verify: Verify) -> None:
    result = verify(encode_file(light_file(*HONEST)), trust_from())
    assert result.return_value == 0, result.output
    assert f"You trust the 4 validators of height 0 of {ENGINE_CHAIN}" in result.output
    undecided = verify(encode_file(light_file(*HONEST)), trust())
    assert undecided.return_value == 2
    assert "its validators are strangers" in undecided.output


@pytest.mark.parametrize(
    "evidence",
    [receipt_file(COMMITTED, b"commit"), row_file(KEY, STATE_ROWS[KEY])],
    ids=["receipt", "row"],
)
def test_votes_vouch_for_entries_and_rows_without_any_cosignature(
    verify: Verify, evidence: object
) -> None:
    data = encode_file(evidence)  # type: ignore[arg-type]
    result = verify(data, trust_from(), light_file(*HONEST))
    assert result.return_value == 0, result.output
    assert "is what the validators' votes on height 3 commit to" in result.output


def test_a_checkpoint_that_the_votes_contradict_is_a_failure_whoever_signed_it(
    verify: Verify,
) -> None:
    other = tree_root([leaf_hash(b"another history")])
    block = engine().block(1, app_hash=app_hash(LOG.size, other, 1))
    data = encode_file(receipt_file(COMMITTED, b"commit"))
    result = verify(data, trust_from(), light_file(block, root=other))
    assert result.return_value == 1
    assert "The validators decided another log of this size" in result.output


@pytest.mark.parametrize("name", BAD)
def test_a_bad_light_proof_makes_nothing_verified(verify: Verify, name: str) -> None:
    data = encode_file(receipt_file(COMMITTED, b"commit"))
    assert verify(data, trust_from(7), light_file(*BAD[name][0])).return_value == 1


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_no_altered_bit_leads_to_another_head(place: int, bit: int) -> None:
    """Votes beyond those needed and the file's own labels aside, an altered file is refused."""
    data = bytearray(encode_file(light_file(*heights(1, 2))))
    data[place % len(data)] ^= 1 << bit
    try:
        file = decode_file(bytes(data))
        assert isinstance(file, LightFile)
        _, head = follow(file, trust_from())
    except LedgerError:
        return
    # Another chain's file is undecided. Who is not counted may differ: a vote in nobody's name.
    assert head is None or (head.checkpoint.root, head.height) == (LOG.root(), 2)
    assert head is None or head.checkpoint.origin == ORIGIN


def test_the_first_block_has_the_time_of_its_genesis() -> None:
    block = engine().block(1, time=EngineTime(seconds=START, nanos=0))
    assert follow(light_file(block), trust_from())[1] is not None
