"""Whoever votes twice for one height, or shows two histories, is named on the ledger."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from careledger.apps.governance.accountability import KnownMisbehaviour, NotMisbehaviour
from careledger.apps.governance.commands import (
    MemberSuspended,
    Misbehaved,
    Propose,
    RegisterKey,
    Remove,
    ReportCheckpoints,
    RetireKey,
    RotateKey,
    SetEndpoint,
    SetParameters,
    SetPower,
    Suspend,
    Vote,
)
from careledger.apps.governance.motions import NoSuchMember, NotAMember
from careledger.apps.governance.queries import active_members, misbehaviour
from careledger.ledger.checkpoint import Checkpoint, origin_of, sign_checkpoint
from careledger.ledger.entry import Evidence
from careledger.ledger.errors import SignerSuspended
from careledger.ledger.membership import (
    SIGNERS,
    VALIDATORS,
    NetworkParameters,
    consensus_address,
)
from careledger.ledger.merkle import Frontier, consistency_proof, leaf_hash
from careledger.ledger.record import Digest, MemberId, digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.transition import Block, apply_block
from tests.apps.network import (
    ANA,
    CHAIN,
    HILLTOP,
    LAKEVIEW,
    NOW,
    RIVERSIDE,
    Network,
    id_of,
    key,
)

MEMBERS = (RIVERSIDE, LAKEVIEW, HILLTOP)
PING = SetEndpoint(gateway=None)
STRICT = NetworkParameters(vote_threshold_percent=51, suspend_on_evidence=True)
LENIENT = NetworkParameters(vote_threshold_percent=51)


def engine(member: str, generation: int = 0) -> SigningKey:
    return key(f"engine of {member}", generation)


def log_key(member: str, generation: int = 0) -> SigningKey:
    return key(f"log of {member}", generation)


def validating(parameters: NetworkParameters = LENIENT) -> Network:
    """Three validators, each with a checkpoint key."""
    network = Network(parameters=parameters)
    for member in MEMBERS:
        network.do(member, RegisterKey(key=network.new_key(member, engine(member), "consensus")))
        network.do(member, RegisterKey(key=network.new_key(member, log_key(member), "checkpoint")))
        vote(network, SetPower(member=member, power=10))
    return network


def vote(network: Network, motion: Any) -> None:
    proposal = network.nonce()
    network.do(RIVERSIDE, Propose(proposal=proposal, motion=motion, until=network.time + 60))
    if len(active_members(network.view)) > 1:
        network.do(LAKEVIEW, Vote(proposal=proposal, approve=True))


def caught(member: str, height: int = 7, generation: int = 0, **changed: Any) -> Evidence:
    address = consensus_address(engine(member, generation).public.public)
    evidence = Evidence(kind="duplicate-vote", address=address, height=height, time=NOW - 5)
    return replace(evidence, **changed)


def bring(network: Network, *evidence: Evidence, signed: tuple[Any, ...] = ()) -> list[Any]:
    """A block with evidence; what it led to."""
    network.height += 1
    block = Block(height=network.height, time=network.time, transactions=signed, evidence=evidence)
    parent = network.parent(network.height - 1)
    applied = apply_block(network.view, parent, block, CHAIN, network.applications)
    assert applied.alarms == ()
    network.state.apply(applied.changes)
    network.last = applied.receipts
    return [network.event(one) for one in applied.witnessed]


def known(network: Network, member: MemberId) -> list[tuple[str, int]]:
    return [(kind, number) for kind, number, _ in misbehaviour(network.view, member)]


# --- what the engine brings ---------------------------------------------------------------------


def test_evidence_names_the_member_and_suspends_nobody_unless_that_was_agreed() -> None:
    network = validating()
    happened = bring(network, caught(HILLTOP))
    assert happened == [
        Misbehaved(member=HILLTOP, kind="duplicate-vote", number=7, reporter=None, at=NOW)
    ]
    assert known(network, HILLTOP) == [("duplicate-vote", 7)]
    network.do(HILLTOP, PING)
    assert network.view.get(VALIDATORS, HILLTOP) is not None


def test_where_agreed_it_also_suspends_before_the_transactions_of_that_block() -> None:
    network = validating(STRICT)
    signed = (network.signed(HILLTOP, PING), network.signed(LAKEVIEW, PING))
    happened = bring(network, caught(HILLTOP), signed=signed)
    assert happened[1:] == [MemberSuspended(member=HILLTOP, at=NOW)]
    assert [one.code for one in network.last] == [SignerSuspended.code, 0]
    assert network.view.get(VALIDATORS, HILLTOP) is None
    assert network.view.row(SIGNERS, HILLTOP).suspended == NOW


def test_suspension_on_evidence_is_agreed_by_vote() -> None:
    network = validating()
    vote(network, SetParameters(parameters=STRICT))
    assert len(bring(network, caught(HILLTOP))) == 2


def test_a_rotated_key_still_names_its_holder() -> None:
    network = validating()
    new = network.new_key(HILLTOP, engine(HILLTOP, 1), "consensus")
    network.do(HILLTOP, RotateKey(old=id_of(engine(HILLTOP)), key=new))
    assert bring(network, caught(HILLTOP))[0].member == HILLTOP
    vote(network, Remove(member=HILLTOP))
    assert bring(network, caught(HILLTOP, 8, 1))[0].member == HILLTOP


def test_the_same_offence_is_recorded_once() -> None:
    network = validating()
    again = caught(HILLTOP, time=NOW)
    other = caught(HILLTOP, kind="light-client-attack")
    assert len(bring(network, caught(HILLTOP), again)) == 1
    assert bring(network, caught(HILLTOP)) == []
    assert len(bring(network, caught(HILLTOP, 8), other)) == 2
    assert known(network, HILLTOP) == [
        ("duplicate-vote", 7),
        ("duplicate-vote", 8),
        ("light-client-attack", 7),
    ]


def test_evidence_about_nobody_we_know_names_nobody() -> None:
    network = validating()
    assert bring(network, caught("stranger")) == []


def test_the_last_is_named_but_stays() -> None:
    network = validating(STRICT)
    happened = bring(network, *(caught(member) for member in MEMBERS))
    assert [type(event) for event in happened] == [
        Misbehaved,
        MemberSuspended,
        Misbehaved,
        MemberSuspended,
        Misbehaved,
    ]
    assert active_members(network.view) == (HILLTOP,)
    assert [who for (who,), _ in network.view.scan(VALIDATORS)] == [HILLTOP]


def test_whoever_is_suspended_already_stays_so_since_then() -> None:
    network = validating(STRICT)
    vote(network, Suspend(member=HILLTOP))
    network.time += 100
    assert [type(event) for event in bring(network, caught(HILLTOP))] == [Misbehaved]
    assert network.view.row(SIGNERS, HILLTOP).suspended == NOW


PIECES = st.builds(
    caught,
    st.sampled_from([*MEMBERS, "stranger"]),
    st.integers(1, 3),
    st.just(0),
    kind=st.sampled_from(["duplicate-vote", "light-client-attack"]),
)


@given(st.lists(st.lists(PIECES, max_size=4), max_size=4), st.sampled_from([STRICT, LENIENT]))
def test_whatever_is_brought_somebody_stays_and_each_offence_stands_once(
    blocks: list[list[Evidence]], agreed: NetworkParameters
) -> None:
    network = validating(agreed)
    happened: list[Any] = []
    for pieces in blocks:
        happened += bring(network, *pieces)
    assert active_members(network.view)
    assert list(network.view.scan(VALIDATORS))
    named = [
        (event.member, event.kind, event.number)
        for event in happened
        if isinstance(event, Misbehaved)
    ]
    brought = {
        (who, one.kind, one.height)
        for pieces in blocks
        for one in pieces
        for who in MEMBERS
        if one.address == caught(who).address
    }
    assert len(named) == len(set(named))
    assert set(named) == brought
    if agreed is LENIENT:
        assert active_members(network.view) == tuple(sorted(MEMBERS))


# --- what members report ------------------------------------------------------------------------


def frontier_of(leaves: list[bytes]) -> Digest:
    return Frontier().extend([leaf_hash(leaf) for leaf in leaves]).root()


HONEST = [b"entry %d" % number for number in range(9)]
FORKED = [*HONEST[:4], b"another history", *HONEST[5:]]


def note(
    member: str,
    leaves: list[bytes],
    generation: int = 0,
    origin: str = origin_of(CHAIN),
    signer: MemberId | None = None,
) -> str:
    checkpoint = Checkpoint(origin=origin, size=len(leaves), root=frontier_of(leaves))
    return sign_checkpoint(
        checkpoint, signer or MemberId(member), log_key(member, generation), NOW
    ).format()


def split(member: MemberId = HILLTOP, **changed: Any) -> ReportCheckpoints:
    found = ReportCheckpoints(
        member=member, first=note(member, HONEST), second=note(member, FORKED)
    )
    return replace(found, **changed)


def rewritten(leaves: list[bytes] = FORKED, at: int = 6) -> ReportCheckpoints:
    """Hilltop signed the honest log at one size and another one at its greatest."""

    def subtree(level: int, index: int) -> Digest:
        return frontier_of(leaves[index << level : (index + 1) << level])

    return ReportCheckpoints(
        member=HILLTOP,
        first=note(HILLTOP, HONEST[:at]),
        second=note(HILLTOP, leaves),
        older=frontier_of(leaves[:at]),
        path=consistency_proof(at, len(leaves), subtree),
    )


def test_two_checkpoints_of_one_size_name_whoever_signed_both() -> None:
    network = validating()
    assert network.do(RIVERSIDE, split()) == [
        Misbehaved(member=HILLTOP, kind="equivocation", number=9, reporter=RIVERSIDE, at=NOW)
    ]
    network.refuse(LAKEVIEW, KnownMisbehaviour, split())
    assert known(network, HILLTOP) == [("equivocation", 9)]


def test_a_report_suspends_where_that_was_agreed() -> None:
    network = validating(STRICT)
    happened = network.do(RIVERSIDE, split())
    assert happened[1:] == [MemberSuspended(member=HILLTOP, at=NOW)]
    assert network.attempt(HILLTOP, PING).code == SignerSuspended.code


@pytest.mark.parametrize("at", range(5, 9))
def test_a_rewritten_history_is_proved_by_the_path_between_its_sizes(at: int) -> None:
    network = validating()
    [event] = network.do(RIVERSIDE, rewritten(at=at))
    assert (event.member, event.number) == (HILLTOP, at)


def test_a_retired_checkpoint_key_still_tells_on_its_holder() -> None:
    network = validating()
    network.do(HILLTOP, RetireKey(key=id_of(log_key(HILLTOP))))
    assert len(network.do(RIVERSIDE, split())) == 1


def test_a_note_may_have_lost_the_end_of_its_last_line() -> None:
    network = validating()
    report = split(first=note(HILLTOP, HONEST).rstrip("\n"))
    assert len(network.do(RIVERSIDE, report)) == 1


FALSE: dict[str, Callable[[], ReportCheckpoints]] = {
    "the same checkpoint twice": lambda: split(second=note(HILLTOP, HONEST)),
    "of two members": lambda: split(second=note(LAKEVIEW, FORKED)),
    "of another member": lambda: split(member=LAKEVIEW, first=note(HILLTOP, HONEST)),
    "signed in its name by another": lambda: split(
        second=note(LAKEVIEW, FORKED, origin=origin_of(CHAIN), signer=HILLTOP)
    ),
    "under a key it never had": lambda: split(second=note(HILLTOP, FORKED, 1)),
    "of another chain": lambda: split(
        second=note(HILLTOP, FORKED, origin=origin_of(digest(b"other")))
    ),
    "no checkpoint": lambda: split(second="hello"),
    "a changed root": lambda: split(
        second=note(HILLTOP, FORKED).replace(
            note(HILLTOP, FORKED).split("\n")[2], note(HILLTOP, HONEST).split("\n")[2]
        )
    ),
    "one that goes on from the other": lambda: rewritten(HONEST),
    "two sizes without a proof": lambda: replace(rewritten(), older=None, path=()),
    "a wrong older root": lambda: replace(rewritten(), older=digest(b"x")),
    "a path cut short": lambda: replace(rewritten(), path=rewritten().path[:-1]),
    "the larger one first": lambda: replace(
        rewritten(), first=rewritten().second, second=rewritten().first
    ),
    "before the histories part": lambda: rewritten(at=4),
}


@pytest.mark.parametrize("name", FALSE)
def test_a_false_report_is_refused(name: str) -> None:
    network = validating(STRICT)
    network.refuse(RIVERSIDE, NotMisbehaviour, FALSE[name]())


def test_a_report_about_nobody_is_refused() -> None:
    network = validating()
    network.refuse(RIVERSIDE, NoSuchMember, split(MemberId("nowhere")))


def test_a_suspended_member_reports_nobody() -> None:
    network = validating()
    vote(network, Suspend(member=HILLTOP))
    assert network.attempt(HILLTOP, split(LAKEVIEW)).code == SignerSuspended.code


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 9), st.data())
def test_nobody_is_blamed_for_checkpoints_of_one_history(
    first: int, second: int, fork: int, data: st.DataObject
) -> None:
    """Whatever proof comes with it: two sizes of one log blame nobody, of two logs may."""
    network = validating()
    leaves = [*HONEST[:fork], *(b"other %d" % n for n in range(fork, 9))]
    low, high = sorted((first, second))

    def subtree(level: int, index: int) -> Digest:
        return frontier_of(leaves[index << level : (index + 1) << level])

    older = data.draw(st.sampled_from([frontier_of(leaves[:low]), frontier_of(HONEST[:low]), None]))
    report = ReportCheckpoints(
        member=HILLTOP,
        first=note(HILLTOP, HONEST[:low]),
        second=note(HILLTOP, leaves[:high]),
        older=older,
        path=consistency_proof(low, high, subtree) if low < high else (),
    )
    blamed = network.attempt(RIVERSIDE, report).code == 0
    parted = fork < low
    proved = low == high or older == frontier_of(leaves[:low])
    assert blamed == (parted and proved)


def test_a_patient_reports_nobody() -> None:
    network = validating()
    network.enrol_patient(RIVERSIDE, ANA)
    network.refuse(ANA, NotAMember, split())
