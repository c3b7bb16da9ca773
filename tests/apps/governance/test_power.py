"""Who votes on blocks: consensus keys, power, and a set of validators that never runs empty."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.apps.governance.commands import (
    Admit,
    MemberAdmitted,
    Motion,
    PowerSet,
    Propose,
    RegisterKey,
    Reinstate,
    Remove,
    RetireKey,
    RotateKey,
    SetPower,
    Suspend,
    Vote,
)
from careledger.apps.governance.founding import founding_faults
from careledger.apps.governance.keys import (
    ConsensusKeyTaken,
    OneConsensusKey,
    StillValidates,
    consensus_key,
)
from careledger.apps.governance.motions import AlreadySo, LocksOut, NoConsensusKey, NoSuchMember
from careledger.apps.identity.commands import RegisterAccountKey
from careledger.ledger.genesis import (
    Activation,
    Genesis,
    GenesisEvent,
    genesis_changes,
    load_genesis,
)
from careledger.ledger.keyring import KeyKnown, KeyNotProven
from careledger.ledger.membership import (
    CONSENSUS_KEYS,
    MAX_POWER,
    VALIDATORS,
    NetworkParameters,
    consensus_address,
)
from careledger.ledger.record import MemberId
from careledger.ledger.signature import SigningKey
from careledger.ledger.state import View
from tests.apps.network import (
    ANA,
    HILLTOP,
    LAKEVIEW,
    NOW,
    RIVERSIDE,
    Network,
    applications,
    id_of,
    key,
    published,
)

MEMBERS = (RIVERSIDE, LAKEVIEW, HILLTOP)
PLAINS = MemberId("plains")


def engine(member: str, generation: int = 0) -> SigningKey:
    return key(f"engine of {member}", generation)


def register(network: Network, member: MemberId, generation: int = 0) -> RegisterKey:
    return RegisterKey(key=network.new_key(member, engine(member, generation), "consensus"))


def rotate(network: Network, member: MemberId, old: int, new: int) -> RotateKey:
    proved = network.new_key(member, engine(member, new), "consensus")
    return RotateKey(old=id_of(engine(member, old)), key=proved)


def vote(network: Network, motion: Motion) -> list[Any]:
    """Put it to the vote; everyone who may approves until it carries. What happened last."""
    proposal = network.nonce()
    happened: list[Any] = []
    commands: dict[MemberId, Propose | Vote] = {
        RIVERSIDE: Propose(proposal=proposal, motion=motion, until=network.time + 60)
    }
    commands |= {other: Vote(proposal=proposal, approve=True) for other in (LAKEVIEW, HILLTOP)}
    for member, command in commands.items():
        receipt = network.attempt(member, command)
        happened += map(network.event, receipt.events)
    return happened


def powers(network: Network) -> dict[str, int]:
    return {str(member): row.power for (member,), row in network.view.scan(VALIDATORS)}


def validating(*members: MemberId) -> Network:
    """Three members with consensus keys, of whom `members` have power over blocks."""
    network = Network(parameters=NetworkParameters(vote_threshold_percent=51))
    for member in MEMBERS:
        network.do(member, register(network, member))
    for member in members:
        vote(network, SetPower(member=member, power=10))
    assert set(powers(network)) == set(members)
    return network


def test_power_is_given_changed_and_taken_by_vote() -> None:
    network = validating(RIVERSIDE, LAKEVIEW)
    assert vote(network, SetPower(member=HILLTOP, power=7))[-1] == PowerSet(member=HILLTOP, power=7)
    row = network.view.row(VALIDATORS, HILLTOP)
    assert row.public == engine(HILLTOP).public.public
    vote(network, SetPower(member=HILLTOP, power=MAX_POWER))
    vote(network, SetPower(member=LAKEVIEW, power=0))
    assert powers(network) == {RIVERSIDE: 10, HILLTOP: MAX_POWER}


def test_power_needs_a_member_in_standing_with_a_consensus_key() -> None:
    network = Network()

    def refused(refusal: Any, motion: SetPower) -> None:
        proposal = Propose(proposal=network.nonce(), motion=motion, until=network.time + 60)
        network.refuse(RIVERSIDE, refusal, proposal)

    refused(NoConsensusKey, SetPower(member=LAKEVIEW, power=10))
    refused(NoSuchMember, SetPower(member=PLAINS, power=10))
    refused(AlreadySo, SetPower(member=LAKEVIEW, power=0))
    network.do(LAKEVIEW, register(network, LAKEVIEW))
    network.refuse(LAKEVIEW, OneConsensusKey, register(network, LAKEVIEW, 1))


def test_rotating_the_consensus_key_changes_the_validator_at_once() -> None:
    network = validating(RIVERSIDE)
    network.do(RIVERSIDE, rotate(network, RIVERSIDE, 0, 1))
    assert network.view.row(VALIDATORS, RIVERSIDE).public == engine(RIVERSIDE, 1).public.public
    assert powers(network) == {RIVERSIDE: 10}
    network.do(LAKEVIEW, rotate(network, LAKEVIEW, 0, 1))
    assert powers(network) == {RIVERSIDE: 10}, "a key gives no power"
    for generation in (0, 1):
        address = consensus_address(engine(RIVERSIDE, generation).public.public)
        row = network.view.get(CONSENSUS_KEYS, address)
        assert row is not None, "the retired key still names its holder"
        assert row.member == RIVERSIDE


def test_no_two_members_ever_have_one_consensus_key() -> None:
    network = validating(RIVERSIDE)
    network.do(RIVERSIDE, rotate(network, RIVERSIDE, 0, 1))
    network.do(LAKEVIEW, RetireKey(key=id_of(engine(LAKEVIEW))))
    for generation in (0, 1):
        shared = network.new_key(LAKEVIEW, engine(RIVERSIDE, generation), "consensus")
        network.refuse(LAKEVIEW, ConsensusKeyTaken, RegisterKey(key=shared))
        swapped = RotateKey(
            old=id_of(engine(HILLTOP)),
            key=network.new_key(HILLTOP, engine(RIVERSIDE, generation), "consensus"),
        )
        network.refuse(HILLTOP, ConsensusKeyTaken, swapped)
    network.refuse(LAKEVIEW, KeyKnown, register(network, LAKEVIEW))


def test_a_new_member_brings_one_consensus_key_of_its_own() -> None:
    network = validating(RIVERSIDE)
    sign = network.new_key(PLAINS, key(PLAINS))

    def admit(*consensus: SigningKey) -> Propose:
        keys = (sign, *(network.new_key(PLAINS, one, "consensus") for one in consensus))
        motion = Admit(member=PLAINS, name="Plains", roles=(), keys=keys)
        return Propose(proposal=network.nonce(), motion=motion, until=network.time + 60)

    network.refuse(LAKEVIEW, ConsensusKeyTaken, admit(engine(RIVERSIDE)))
    network.refuse(LAKEVIEW, OneConsensusKey, admit(engine(PLAINS), engine(PLAINS, 1)))
    vote(network, admit(engine(PLAINS)).motion)
    assert consensus_key(network.view, PLAINS) == engine(PLAINS).public.public
    assert powers(network) == {RIVERSIDE: 10}
    vote(network, SetPower(member=PLAINS, power=1))
    assert powers(network) == {PLAINS: 1, RIVERSIDE: 10}


def test_a_consensus_key_is_ed25519() -> None:
    network = Network()
    other = SigningKey("ES256", bytes(31) + b"\1")
    new = network.new_key(RIVERSIDE, other, "consensus")
    network.refuse(RIVERSIDE, KeyNotProven, RegisterKey(key=new))


def test_a_validator_may_not_retire_the_key_it_votes_with() -> None:
    network = validating(RIVERSIDE, LAKEVIEW)
    retire = RetireKey(key=id_of(engine(LAKEVIEW)))
    network.refuse(LAKEVIEW, StillValidates, retire)
    vote(network, SetPower(member=LAKEVIEW, power=0))
    network.do(LAKEVIEW, retire)
    assert consensus_key(network.view, LAKEVIEW) is None


def test_suspension_takes_power_away_and_reinstatement_does_not_give_it_back() -> None:
    network = validating(RIVERSIDE, HILLTOP)
    vote(network, Suspend(member=HILLTOP))
    assert powers(network) == {RIVERSIDE: 10}
    vote(network, Reinstate(member=HILLTOP))
    assert powers(network) == {RIVERSIDE: 10}
    vote(network, SetPower(member=HILLTOP, power=3))
    vote(network, Remove(member=HILLTOP))
    assert powers(network) == {RIVERSIDE: 10}


def test_a_suspended_member_is_given_no_power() -> None:
    network = validating(RIVERSIDE)
    vote(network, Suspend(member=HILLTOP))
    proposal = Propose(
        proposal=network.nonce(),
        motion=SetPower(member=HILLTOP, power=1),
        until=network.time + 60,
    )
    network.refuse(RIVERSIDE, AlreadySo, proposal)


@pytest.mark.parametrize(
    "motion",
    [Suspend(member=HILLTOP), Remove(member=HILLTOP), SetPower(member=HILLTOP, power=0)],
    ids=["suspend", "remove", "power"],
)
def test_the_last_validator_stays(motion: Motion) -> None:
    network = validating(HILLTOP)
    proposal = Propose(proposal=network.nonce(), motion=motion, until=network.time + 60)
    network.refuse(RIVERSIDE, LocksOut, proposal)


def test_what_was_not_the_last_validator_when_proposed_may_be_when_it_carries() -> None:
    network = validating(LAKEVIEW, HILLTOP)
    first, second = network.nonce(), network.nonce()
    for proposal, member in ((first, LAKEVIEW), (second, HILLTOP)):
        motion = SetPower(member=member, power=0)
        network.do(RIVERSIDE, Propose(proposal=proposal, motion=motion, until=network.time + 60))
    network.do(LAKEVIEW, Vote(proposal=first, approve=True))
    network.refuse(LAKEVIEW, LocksOut, Vote(proposal=second, approve=True))
    assert powers(network) == {HILLTOP: 10}


MOTIONS = st.one_of(
    st.builds(SetPower, member=st.sampled_from(MEMBERS), power=st.integers(0, 3)),
    st.builds(Suspend, member=st.sampled_from(MEMBERS)),
    st.builds(Reinstate, member=st.sampled_from(MEMBERS)),
    st.builds(Remove, member=st.sampled_from(MEMBERS)),
)
ROTATIONS = st.tuples(st.sampled_from(MEMBERS), st.integers(0, 2), st.integers(0, 2))


@given(st.lists(MOTIONS | ROTATIONS, max_size=10))
def test_whatever_is_voted_somebody_validates_with_a_live_key_of_their_own(
    steps: list[Motion | tuple[MemberId, int, int]],
) -> None:
    network = validating(RIVERSIDE, LAKEVIEW)
    for step in steps:
        if isinstance(step, tuple):
            network.attempt(step[0], rotate(network, *step))
        else:
            vote(network, step)
        rows = [(str(who), row) for (who,), row in network.view.scan(VALIDATORS)]
        assert rows, "the set never runs empty"
        assert len({row.public for _, row in rows}) == len(rows)
        for who, row in rows:
            member = MemberId(who)
            assert row.public == consensus_key(network.view, member)
            known = network.view.row(CONSENSUS_KEYS, consensus_address(row.public))
            assert known.member == member


# --- genesis ------------------------------------------------------------------------------------


def admitted(member: MemberId, *engines: SigningKey) -> MemberAdmitted:
    keys = (published(key(member)), *(published(one, "consensus") for one in engines))
    return MemberAdmitted(member=member, name=member.title(), roles=(), keys=keys, at=NOW)


def test_a_genesis_file_sets_power() -> None:
    events = (
        admitted(RIVERSIDE, engine(RIVERSIDE)),
        admitted(LAKEVIEW, engine(LAKEVIEW)),
        PowerSet(member=RIVERSIDE, power=10),
    )
    assert founding_faults(events) == ()
    genesis = Genesis(
        name="test",
        time=NOW,
        activations=(Activation(application="governance", version=1),),
        parameters=NetworkParameters(),
        events=tuple(
            GenesisEvent(application="governance", event=msgspec.Raw(msgspec.json.encode(event)))
            for event in events
        ),
    )
    _, loaded = load_genesis(msgspec.json.encode(genesis))
    view = View(None, genesis_changes(loaded, applications("governance")))
    rows = {str(who): (row.power, row.public) for (who,), row in view.scan(VALIDATORS)}
    assert rows == {RIVERSIDE: (10, engine(RIVERSIDE).public.public)}


def test_a_genesis_that_no_engine_could_run_is_faulty() -> None:
    good = admitted(RIVERSIDE, engine(RIVERSIDE))
    power = PowerSet(member=RIVERSIDE, power=10)
    cases: list[tuple[tuple[Any, ...], str]] = [
        (
            (good, admitted(LAKEVIEW, engine(RIVERSIDE))),
            "lakeview and riverside have the same consensus key",
        ),
        (
            (admitted(RIVERSIDE, engine(RIVERSIDE), engine(LAKEVIEW)),),
            "riverside has 2 consensus keys, and may have one",
        ),
        (
            (admitted(LAKEVIEW), PowerSet(member=LAKEVIEW, power=1)),
            "lakeview is given power over blocks, but had no consensus key",
        ),
        ((power, good), "riverside is given power over blocks, but had no consensus key"),
        ((good, power, power), "the power of riverside is set twice"),
        ((good, PowerSet(member=RIVERSIDE, power=0)), "the power of riverside is set to 0"),
    ]
    for events, fault in cases:
        assert founding_faults(events) == (fault,)


def test_a_patient_has_no_consensus_key() -> None:
    network = Network()
    network.enrol_patient(RIVERSIDE, ANA)
    new = network.new_key(ANA, engine(ANA), "consensus")
    network.refuse(ANA, KeyNotProven, RegisterAccountKey(key=new))
