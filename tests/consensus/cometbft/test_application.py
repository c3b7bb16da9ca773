"""Every call of ABCI, without an engine: what may wait, what is proposed, what a block does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.admission import BUSY_CODE
from careledger.consensus.cometbft.application import WrongEngine
from careledger.consensus.cometbft.genesis import WrongGenesis
from careledger.consensus.cometbft.pool import Pool
from careledger.consensus.proposal import Judge
from careledger.ledger.entry import BlockEntry, Evidence, decode_entry
from careledger.ledger.errors import InvalidBlock
from careledger.ledger.membership import NetworkParameters, consensus_address
from careledger.ledger.record import decode, encode
from careledger.ledger.tendermint import Validator, validators_hash
from careledger.ledger.transaction import (
    Expired,
    MalformedTransaction,
    NotYetValid,
    OverBudget,
    Replayed,
    SignatureInvalid,
    WrongChain,
)
from tests.consensus.cometbft.world import Driver, init_request, open_chain, power, voting_key
from tests.consensus.world import sign
from tests.ledger.world import ANA, LAKEVIEW, NOW, RIVERSIDE, Protect, SetNote, Unwelcome

POWERS = {RIVERSIDE: 10, LAKEVIEW: 5}
TIGHT = NetworkParameters(transactions_per_block=10, protective_percent=20)


@contextmanager
def network(folder: Path, limits: NetworkParameters | None = None) -> Iterator[Driver]:
    with open_chain(folder / "chain", POWERS, limits) as chain:
        yield Driver(chain)


def note(driver: Driver, number: int, signer: str = ANA, **changed: Any) -> bytes:
    command = SetNote(at=f"n{number}", text=changed.pop("text", "hello"))
    return sign(driver.chain.id, signer, command, number, **changed)


def revocation(driver: Driver, number: int) -> bytes:
    return sign(driver.chain.id, ANA, Protect(), number)


def test_the_chain_begins_where_its_genesis_says(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        found = driver.call(m.RequestInfo(version="0.38.25", abci_version="2.0.0"))
        latest = driver.chain.store.latest
        assert (found.last_block_height, found.last_block_app_hash) == (0, latest.app_hash)
        begun = driver.call(init_request(driver.chain, POWERS))
        assert begun.app_hash == latest.app_hash
        assert begun.consensus_params.block.max_gas == -1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chain_id", "another"),
        ("validators", ()),
        ("app_state_bytes", b'{"careledger": "00"}'),
        ("app_state_bytes", b"\xff"),
        ("time", m.Timestamp(seconds=NOW + 1)),
        ("initial_height", 7),
    ],
)
def test_a_wrong_genesis_is_refused_and_named(tmp_path: Path, field: str, value: Any) -> None:
    named = {"app_state_bytes": "app_state", "time": "genesis_time"}.get(field, field)
    with network(tmp_path) as driver, pytest.raises(WrongGenesis, match=f"has {named} "):
        driver.call(init_request(driver.chain, POWERS, **{field: value}))


def test_an_engine_of_another_version_is_refused(tmp_path: Path) -> None:
    with network(tmp_path) as driver, pytest.raises(WrongEngine, match=r"1\.0\.1.*0\.38"):
        driver.call(m.RequestInfo(version="1.0.1"))


def test_what_may_not_wait_is_told_why(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        forged = bytearray(note(driver, 1))
        forged[-1] ^= 1
        wrong = {
            b"garbage": MalformedTransaction,
            bytes(forged): SignatureInvalid,
            note(driver, 2, audience="00" * 32): WrongChain,
            note(driver, 3, not_before=NOW - 90, expires=NOW - 1): Expired,
            note(driver, 4, not_before=NOW + 61, expires=NOW + 90): NotYetValid,
        }
        assert [driver.check(raw) for raw in wrong] == [error.code for error in wrong.values()]
        assert not any(driver.accepts(raw) for raw in wrong)
        assert driver.prepare(*wrong) == ()
        assert driver.check(note(driver, 5)) == 0


def test_a_clock_that_is_an_hour_wrong_keeps_nobody_out(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        for number, error in enumerate((-3_600, 0, 3_600)):
            driver.application.admission.clock = lambda error=error: NOW + error  # type: ignore[misc]
            assert driver.check(note(driver, number, expires=NOW + 60)) == 0


def test_on_a_quiet_chain_the_clock_lets_wait_what_blocks_do_not_take_yet(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        soon = note(driver, 1, not_before=NOW + 70, expires=NOW + 600)
        assert driver.check(soon) == NotYetValid.code
        driver.application.admission.clock = lambda: NOW + 70
        assert driver.check(soon) == 0
        assert driver.prepare(soon) == ()
        assert not driver.accepts(soon)
        driver.time = NOW + 10
        assert driver.prepare(soon) == (soon,)
        assert driver.accepts(soon)


def test_what_trips_a_parser_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trips(data: bytes) -> Any:
        raise ZeroDivisionError

    with network(tmp_path) as driver:
        good, poison = note(driver, 1), note(driver, 2)
        assert driver.check(good) == 0
        monkeypatch.setattr("careledger.consensus.verification.parse_transaction", trips)
        assert driver.check(poison) == MalformedTransaction.code
        assert driver.prepare(poison) == (good,)
        assert not driver.accepts(poison)
        found = driver.block(poison, good)
        assert [one.code for one in found.tx_results] == [MalformedTransaction.code, 0]


def test_what_was_ordered_or_is_too_old_waits_no_longer(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        ordered, old, other = note(driver, 1), note(driver, 2, expires=NOW + 5), note(driver, 3)
        assert [driver.check(raw) for raw in (ordered, old, other)] == [0, 0, 0]
        driver.time += 10
        driver.block(ordered)
        found = [driver.check(raw, again=True) for raw in (ordered, old, other)]
        assert found == [Replayed.code, Replayed.code, 0]
        assert driver.check(ordered) == Replayed.code
        assert driver.check(old) == Expired.code


def test_a_block_leaves_receipts_and_results(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        raws = note(driver, 1), note(driver, 2, text="unwelcome")
        found = driver.block(*raws)
        assert [one.code for one in found.tx_results] == [0, Unwelcome.code]
        latest = driver.chain.store.latest
        assert found.app_hash == latest.app_hash
        assert (latest.height, latest.size) == (1, 4)
        info = driver.call(m.RequestInfo(version="0.38.25"))
        assert (info.last_block_height, info.last_block_app_hash) == (1, found.app_hash)


def test_nothing_is_durable_before_commit(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        raw = note(driver, 1)
        first = driver.finalize(raw)
        assert driver.chain.store.latest.height == 0
    with network(tmp_path) as driver:
        assert driver.block(raw) == first
    with network(tmp_path) as driver:
        assert driver.chain.store.latest.height == 1
        with pytest.raises(InvalidBlock):
            driver.commit()


def test_an_empty_block_changes_nothing_but_height_and_time(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        before = driver.chain.store.latest
        driver.time += 5
        found = driver.finalize(nanos=999_999_999)
        driver.commit()
        after = driver.chain.store.latest
        assert found.app_hash == before.app_hash == after.app_hash
        assert (after.height, after.time) == (1, NOW + 5)
        driver.time -= 3  # an engine whose clock ran back: time stands still
        driver.block()
        assert driver.chain.store.latest.time == NOW + 5


def test_what_is_inadmissible_in_a_decided_block_is_left_out_everywhere(tmp_path: Path) -> None:
    with network(tmp_path / "a", TIGHT) as first, network(tmp_path / "b", TIGHT) as second:
        good = note(first, 1)
        raws = [
            b"garbage",
            good,
            good,
            note(first, 2, not_before=NOW - 90, expires=NOW - 1),
            note(first, 3, not_before=NOW + 61, expires=NOW + 90),
            *(note(first, number) for number in range(10, 20)),
        ]
        assert not first.accepts(*raws)
        for raw in raws[1:4]:
            second.check(raw)  # it knows some of them already
        found = first.block(*raws)
        assert second.block(*raws) == found
        codes = [one.code for one in found.tx_results]
        assert codes[:5] == [
            MalformedTransaction.code,
            0,
            Replayed.code,
            Expired.code,
            NotYetValid.code,
        ]
        assert codes[5:] == [0] * 7 + [OverBudget.code] * 3
        assert first.chain.store.latest == second.chain.store.latest
        assert first.chain.store.latest.size == 1 + 8 + 1


def test_what_was_worked_out_ahead_counts_only_if_it_is_decided(tmp_path: Path) -> None:
    with network(tmp_path / "a") as first, network(tmp_path / "b") as second:
        raws = [note(first, number) for number in range(3)]
        caught = m.Misbehavior(type=1, validator=m.Validator(address=bytes(20)), height=1)

        def proposal(height: int, *txs: bytes, **other: Any) -> m.RequestProcessProposal:
            time = m.Timestamp(seconds=first.time)
            return m.RequestProcessProposal(height=height, time=time, txs=txs, **other)

        for height, ahead in enumerate(
            (
                proposal(1, *raws[:1]),
                proposal(2, *raws[1:]),
                proposal(3),
                proposal(4, misbehavior=(caught,)),
            ),
            start=1,
        ):
            first.application.anticipate(ahead)
            decided = raws[height - 1 : height]
            assert first.block(*decided) == second.block(*decided)
            assert first.chain.store.latest == second.chain.store.latest
        with pytest.raises(InvalidBlock):
            first.application.anticipate(proposal(4))

        class Counting(Exception):
            pass

        def prepare(*_: Any) -> Any:
            raise Counting

        first.application.anticipate(proposal(5, note(first, 9)))
        first.chain.prepare = prepare  # type: ignore[method-assign, assignment] # a fault
        assert first.block(note(first, 9)).app_hash == second.block(note(first, 9)).app_hash
        with pytest.raises(Counting):
            first.block()


def test_a_proposal_is_judged_once_however_often_it_comes(tmp_path: Path) -> None:
    with network(tmp_path / "a") as proposer, network(tmp_path / "b") as voter:
        raws = [note(proposer, number) for number in range(3)]
        judged = {driver: counted(driver) for driver in (proposer, voter)}
        chosen = proposer.prepare(*raws)
        for driver in (proposer, voter):
            assert driver.accepts(*chosen)
            assert driver.accepts(*chosen)
            driver.finalize(*chosen)
            assert sum(judged[driver]) == len(chosen)
            driver.commit()
        assert proposer.chain.store.latest == voter.chain.store.latest
        assert not proposer.accepts(*chosen)  # it is another block now, and they are replays


def test_a_proposal_that_differs_in_anything_is_judged_anew(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        short, *raws = note(driver, 1, expires=NOW + 5), note(driver, 2), note(driver, 3)
        chosen = driver.prepare(short, *raws)
        assert driver.accepts(*chosen)
        assert not driver.accepts(*chosen, chosen[0])
        assert not driver.accepts(*chosen[1:], note(driver, 4, audience="00" * 32))
        driver.time += 6
        assert not driver.accepts(*chosen)
        assert [one.code for one in driver.block(*chosen).tx_results] == [Expired.code, 0, 0]


def counted(driver: Driver) -> list[int]:
    """How many transactions were chosen from, each time."""
    found: list[int] = []
    judging = driver.chain.judging

    class Counting(Judge):
        def payer(self, transaction: Any, *, clock: int = 0) -> Any:
            found.append(1)
            return super().payer(transaction, clock=clock)

    @contextmanager
    def count(time: int) -> Iterator[Judge]:
        with judging(time) as judge:
            yield Counting(
                view=judge.view,
                seen=judge.seen,
                time=judge.time,
                limits=judge.limits,
                applications=judge.applications,
            )

    driver.chain.judging = count  # type: ignore[method-assign] # so that it is counted
    return found


def test_who_used_up_a_share_is_passed_over_and_nothing_else_changes(tmp_path: Path) -> None:
    with network(tmp_path, TIGHT) as driver:
        theirs = [note(driver, number, LAKEVIEW) for number in range(12)]
        mine = [note(driver, number) for number in range(20, 32)]
        protective = [revocation(driver, number) for number in range(40, 42)]
        raws = [*theirs[:9], *mine[:9], *protective[:1], *theirs[9:], *mine[9:], *protective[1:]]
        assert {driver.check(raw) for raw in raws} == {0}
        with driver.chain.judging(driver.time) as judge:
            known = [driver.application.verified.get(raw) for raw in raws]
            first = [*driver.application.pool.protective(), *(one for one in known if one)]
            expected = judge.choose({one.id: one for one in first}.values())
        assert driver.prepare(*raws) == tuple(one.raw for one in expected.chosen)
        assert len(expected.chosen) == 8 + 2 + 6


def test_honest_proposals_are_accepted_and_fit(tmp_path: Path) -> None:
    with network(tmp_path / "a", TIGHT) as proposer, network(tmp_path / "b", TIGHT) as voter:
        raws = [note(proposer, number) for number in range(20)]
        chosen = proposer.prepare(*raws)
        assert chosen == tuple(raws[:8])  # two of ten are kept for revocations
        assert voter.accepts(*chosen)
        assert not voter.accepts(*raws[:9])
        size = sum(len(raw) + 3 for raw in raws[:3])  # a byte of tag, two of length
        assert len(proposer.prepare(*raws, most=size)) == 3
        assert len(proposer.prepare(*raws, most=size - 1)) == 2


def test_a_revocation_gets_in_though_the_mempool_is_full_of_others(tmp_path: Path) -> None:
    with network(tmp_path, TIGHT) as driver:
        driver.application.admission.pool = Pool(most_transactions=20)
        flood = [note(driver, number) for number in range(20)]
        assert [driver.check(raw) for raw in flood] == [0] * 16 + [BUSY_CODE] * 4
        revoked = revocation(driver, 90)
        assert driver.check(revoked) == 0
        # The engine offers what came first only; the revocation is in the proposal all the same.
        chosen = driver.prepare(*flood[:9])
        assert chosen == (revoked, *flood[:7])
        assert driver.accepts(*chosen)
        # Nor does it matter that the engine forgot all of them but one.
        assert driver.prepare(flood[8]) == (revoked, flood[8], *flood[:6])


def test_nobody_fills_the_mempool_alone(tmp_path: Path) -> None:
    with network(tmp_path, TIGHT) as driver:
        flood = [note(driver, number) for number in range(45)]
        assert [driver.check(raw) for raw in flood].count(OverBudget.code) == 5
        assert driver.check(note(driver, 90, LAKEVIEW)) == 0
        assert driver.check(revocation(driver, 91)) == 0
        driver.block(*flood[:8])
        assert [driver.check(raw) for raw in flood[40:]] == [0] * 5


def test_power_changes_are_told_to_the_engine(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        chain = driver.chain.id
        found = driver.block(power(chain, ANA, LAKEVIEW, 7, 1))
        key = m.PublicKey(ed25519=voting_key(LAKEVIEW).public.public)
        assert found.validator_updates == (m.ValidatorUpdate(public=key, power=7),)
        same = driver.block(power(chain, ANA, LAKEVIEW, 7, 2))
        assert same.validator_updates == ()
        gone = driver.block(power(chain, ANA, LAKEVIEW, 0, 3), power(chain, ANA, "third", 1, 4))
        powers = {one.public.ed25519: one.power for one in gone.validator_updates if one.public}
        assert powers == {key.ed25519: 0, voting_key("third").public.public: 1}


def test_evidence_becomes_an_entry(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        address = consensus_address(voting_key(LAKEVIEW).public.public)
        caught = m.Misbehavior(
            type=1,
            validator=m.Validator(address=address, power=5),
            height=3,
            time=m.Timestamp(seconds=NOW, nanos=5),
        )
        driver.finalize(misbehavior=[caught])
        driver.commit()
        with driver.chain.store.snapshot() as committed:
            entry = decode_entry(committed.entries(1, 2)[0])
            told = committed.receipt_at(1)
        assert isinstance(entry, BlockEntry)
        expected = Evidence(kind="duplicate-vote", address=address, height=3, time=NOW)
        assert [decode(one, Evidence) for one in entry.evidence] == [expected]
        assert told is not None
        assert [one.application for one in told.events] == ["council"]
        unknown = msgspec.structs.replace(caught, type=9)
        with pytest.raises(InvalidBlock):
            driver.finalize(misbehavior=[unknown])
        assert encode(expected)


def test_a_call_for_another_height_stops_the_node(tmp_path: Path) -> None:
    with network(tmp_path) as driver, pytest.raises(InvalidBlock):
        driver.call(m.RequestFinalizeBlock(height=5, time=m.Timestamp(seconds=NOW)))


def test_the_small_calls(tmp_path: Path) -> None:
    with network(tmp_path) as driver:
        assert driver.call(m.RequestEcho(message="hi")) == m.ResponseEcho(message="hi")
        assert driver.call(m.RequestFlush()) == m.ResponseFlush()
        assert driver.call(m.RequestQuery(path="/app-hash")).value
        assert driver.call(m.RequestQuery(path="/nothing")).code
        assert driver.call(m.RequestExtendVote(height=1)).vote_extension == b""
        voted = driver.call(m.RequestVerifyVoteExtension(vote_extension=b"x"))
        assert voted.status == m.Vote.REJECT
        assert driver.call(m.RequestVerifyVoteExtension()).status == m.Vote.ACCEPT
        assert driver.call(m.RequestListSnapshots()).snapshots == ()
        offered = driver.call(m.RequestOfferSnapshot(snapshot=m.Snapshot(height=1)))
        assert offered.result == m.Offer.ABORT
        assert driver.call(m.RequestLoadSnapshotChunk()).chunk == b""
        assert driver.call(m.RequestApplySnapshotChunk()).result == m.Apply.ABORT


def test_an_engine_that_counts_other_votes_gets_no_further(tmp_path: Path) -> None:
    """As one does that began from a lying header: the ledger says who may vote."""
    with network(tmp_path) as driver:
        voters = [
            Validator(public=voting_key(name).public.public, power=power)
            for name, power in POWERS.items()
        ]
        request = m.RequestFinalizeBlock(
            height=1, time=m.Timestamp(seconds=NOW), next_validators_hash=validators_hash(voters)
        )
        for others in (voters[:1], [*voters, Validator(public=bytes(32), power=1)]):
            lie = msgspec.structs.replace(request, next_validators_hash=validators_hash(others))
            with pytest.raises(InvalidBlock, match="other validators"):
                driver.call(lie)
            assert driver.chain.store.latest.height == 0
        driver.call(request)
        driver.commit()
        assert driver.chain.store.latest.height == 1
