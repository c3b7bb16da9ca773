"""Members decide about members: motions, votes, thresholds, and what would lock everyone out."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.apps.governance.commands import (
    Admit,
    MemberAdmitted,
    MemberReinstated,
    MemberRemoved,
    MemberSuspended,
    Motion,
    ParametersSet,
    ProposalCarried,
    ProposalRejected,
    Propose,
    Proposed,
    Reinstate,
    Remove,
    RolesSet,
    SetEndpoint,
    SetParameters,
    SetRoles,
    Suspend,
    Vote,
    VoteCast,
)
from careledger.apps.governance.founding import founding_faults
from careledger.apps.governance.motions import (
    AlreadySo,
    LocksOut,
    MemberTaken,
    NoSuchMember,
    NotAMember,
)
from careledger.apps.governance.queries import (
    active_members,
    has_role,
    member,
    members,
    proposals,
    votes_needed,
)
from careledger.apps.governance.rules import (
    AlreadyVoted,
    NoSuchProposal,
    ProposalClosed,
    ProposalTaken,
    VoteTooLong,
)
from careledger.ledger.errors import SignerSuspended, UnknownSigner
from careledger.ledger.genesis import (
    Activation,
    Genesis,
    GenesisEvent,
    genesis_changes,
    load_genesis,
)
from careledger.ledger.keyring import KeyKnown, KeyNotProven
from careledger.ledger.membership import NetworkParameters, live_key, parameters
from careledger.ledger.record import MemberId
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

PLAINS = MemberId("plains")
ID = b"i" * 16


def propose(motion: Motion, id_: bytes = ID, until: int = NOW + 3_600) -> Propose:
    return Propose(proposal=id_, motion=motion, until=until)


def admit(network: Network, name: MemberId = PLAINS) -> Admit:
    network.keys[name] = key(name)
    new = network.new_key(name, key(name))
    return Admit(member=name, name="Plains Clinic", roles=("provider",), keys=(new,))


def carried(network: Network, motion: Motion, id_: bytes = ID) -> list[Any]:
    """Everyone who may vote approves until it carries."""
    happened = network.do(RIVERSIDE, propose(motion, id_))
    for voter in (LAKEVIEW, HILLTOP):
        if not any(isinstance(event, ProposalCarried) for event in happened):
            happened += network.do(voter, Vote(proposal=id_, approve=True))
    return happened


def test_admission_takes_effect_with_the_vote_that_carries_it() -> None:
    network = Network()
    first = network.do(RIVERSIDE, propose(admit(network)))
    assert [type(event) for event in first] == [Proposed, VoteCast]
    yes = Vote(proposal=ID, approve=True)
    receipts = network.block(
        network.signed(LAKEVIEW, yes),
        network.signed(PLAINS, SetEndpoint(gateway=None)),
        network.signed(HILLTOP, yes),
        network.signed(PLAINS, SetEndpoint(gateway=None)),
    )
    assert [receipt.code for receipt in receipts] == [0, UnknownSigner.code, 0, 0]
    kinds = [type(network.event(event)) for event in receipts[2].events]
    assert kinds == [VoteCast, ProposalCarried, MemberAdmitted]
    assert has_role(network.view, PLAINS, "provider")
    assert [one.id for one in members(network.view)] == [HILLTOP, LAKEVIEW, PLAINS, RIVERSIDE]


def test_two_thirds_of_three_is_three_and_half_and_one_of_four_is_three() -> None:
    assert [votes_needed(NetworkParameters(), n) for n in (1, 2, 3, 4)] == [1, 2, 3, 3]
    half = NetworkParameters(vote_threshold_percent=51)
    assert [votes_needed(half, n) for n in (1, 2, 3, 4, 100)] == [1, 2, 2, 3, 51]


def test_one_member_alone_decides_at_once() -> None:
    network = Network(RIVERSIDE)
    happened = network.do(RIVERSIDE, propose(admit(network)))
    assert isinstance(happened[-1], MemberAdmitted)


def test_a_suspended_member_neither_acts_nor_votes_nor_counts_until_it_is_reinstated() -> None:
    network = Network()
    happened = carried(network, Suspend(member=HILLTOP))
    assert happened[-1] == MemberSuspended(member=HILLTOP, at=NOW)
    assert active_members(network.view) == (LAKEVIEW, RIVERSIDE)
    vote = Vote(proposal=ID, approve=True)
    assert network.attempt(HILLTOP, vote).code == SignerSuspended.code
    again = carried(network, Reinstate(member=HILLTOP), b"j" * 16)
    assert again[-1] == MemberReinstated(member=HILLTOP)
    network.do(HILLTOP, SetEndpoint(gateway=None))


def test_a_removed_member_is_unknown_and_its_name_is_never_given_again() -> None:
    network = Network()
    happened = carried(network, Remove(member=HILLTOP))
    assert happened[-1] == MemberRemoved(member=HILLTOP, at=NOW)
    assert network.attempt(HILLTOP, SetEndpoint(gateway=None)).code == UnknownSigner.code
    assert not network.admissible(network.signed(HILLTOP, SetEndpoint(gateway=None)))
    network.refuse(RIVERSIDE, MemberTaken, propose(admit(network, HILLTOP), b"j" * 16))
    for motion in (Reinstate(member=HILLTOP), Remove(member=HILLTOP), Suspend(member=HILLTOP)):
        network.refuse(RIVERSIDE, AlreadySo, propose(motion, b"k" * 16))


def test_roles_are_rows() -> None:
    network = Network()
    roles = ("laboratory", "provider")
    happened = carried(network, SetRoles(member=HILLTOP, roles=roles))
    assert happened[-1] == RolesSet(member=HILLTOP, roles=roles, at=NOW)
    assert has_role(network.view, HILLTOP, "laboratory")
    carried(network, SetRoles(member=HILLTOP, roles=("laboratory",)), b"j" * 16)
    assert not has_role(network.view, HILLTOP, "provider")
    found = member(network.view, HILLTOP)
    assert found is not None
    assert found.roles == ("laboratory",)


def test_parameters_change_by_vote() -> None:
    network = Network()
    agreed = NetworkParameters(vote_threshold_percent=51, paper_consent=True)
    assert carried(network, SetParameters(parameters=agreed))[-1] == ParametersSet(
        parameters=agreed
    )
    assert parameters(network.view) == agreed


@pytest.mark.parametrize(
    "locked",
    [
        NetworkParameters(vote_threshold_percent=100),
        NetworkParameters(vote_threshold_percent=50),
        NetworkParameters(vote_threshold_percent=1),
        NetworkParameters(transactions_per_block=1),
        NetworkParameters(transactions_per_block=19, protective_percent=50),
        NetworkParameters(bytes_per_block=1_000),
    ],
)
def test_parameters_that_would_lock_everyone_out_are_refused(locked: NetworkParameters) -> None:
    Network().refuse(RIVERSIDE, LocksOut, propose(SetParameters(parameters=locked)))


def threshold(percent: int, **more: Any) -> SetParameters:
    return SetParameters(parameters=NetworkParameters(vote_threshold_percent=percent, **more))


def test_no_vote_makes_every_voice_necessary_where_it_was_not() -> None:
    """Rounded up, 76 percent of four is all four, 75 is three; whoever began so may stay so."""
    four = Network(RIVERSIDE, LAKEVIEW, HILLTOP, PLAINS)
    four.refuse(RIVERSIDE, LocksOut, propose(threshold(76)))
    four.do(RIVERSIDE, propose(threshold(75)))
    three = Network()  # 67 percent of three is all three already
    assert carried(three, threshold(99, paper_consent=True))[-1]
    assert carried(three, threshold(51), b"j" * 16)[-1]
    three.refuse(RIVERSIDE, LocksOut, propose(threshold(67), b"k" * 16))
    Network(RIVERSIDE, LAKEVIEW).do(RIVERSIDE, propose(threshold(99)))  # two always need both


def test_a_threshold_is_judged_again_by_those_who_are_left_when_it_carries() -> None:
    network = Network(RIVERSIDE, LAKEVIEW, HILLTOP, PLAINS)
    for voter in (RIVERSIDE, LAKEVIEW, HILLTOP):
        command = propose(threshold(51)) if voter == RIVERSIDE else Vote(proposal=ID, approve=True)
        network.do(voter, command)
    later = b"l" * 16
    network.do(RIVERSIDE, propose(threshold(70), later))  # of four, three
    removal = b"r" * 16
    network.do(RIVERSIDE, propose(Remove(member=PLAINS), removal))
    for voter in (LAKEVIEW, HILLTOP):
        network.do(voter, Vote(proposal=removal, approve=True))
    network.refuse(LAKEVIEW, LocksOut, Vote(proposal=later, approve=True))  # of three, all


def test_the_last_active_member_cannot_be_suspended_or_removed() -> None:
    network = Network(RIVERSIDE)
    network.refuse(RIVERSIDE, LocksOut, propose(Suspend(member=RIVERSIDE)))
    network.refuse(RIVERSIDE, LocksOut, propose(Remove(member=RIVERSIDE)))


def test_so_many_against_that_it_cannot_carry_is_a_rejection() -> None:
    network = Network()
    network.do(RIVERSIDE, propose(Suspend(member=HILLTOP)))
    happened = network.do(HILLTOP, Vote(proposal=ID, approve=False))
    assert [type(event) for event in happened] == [VoteCast, ProposalRejected]
    network.refuse(LAKEVIEW, ProposalClosed, Vote(proposal=ID, approve=True))
    [found] = proposals(network.view)
    assert (found.outcome, found.approving, found.disapproving) == (
        "rejected",
        (RIVERSIDE,),
        (HILLTOP,),
    )


def test_nobody_votes_twice_or_late_or_on_nothing() -> None:
    network = Network()
    network.do(RIVERSIDE, propose(Suspend(member=HILLTOP)))
    network.refuse(RIVERSIDE, AlreadyVoted, Vote(proposal=ID, approve=True))
    network.refuse(RIVERSIDE, ProposalTaken, propose(Suspend(member=LAKEVIEW)))
    network.refuse(LAKEVIEW, NoSuchProposal, Vote(proposal=b"n" * 16, approve=True))
    network.time += 3_601
    network.refuse(LAKEVIEW, ProposalClosed, Vote(proposal=ID, approve=True))


def test_a_vote_has_an_end_within_ninety_days() -> None:
    network = Network()
    for until in (NOW, NOW + 90 * 86_400 + 1):
        motion = Suspend(member=HILLTOP)
        network.refuse(RIVERSIDE, VoteTooLong, propose(motion, until=until))


def test_motions_about_nobody_are_refused() -> None:
    network = Network()
    for motion in (Suspend(member=PLAINS), Remove(member=PLAINS), Reinstate(member=PLAINS)):
        network.refuse(RIVERSIDE, NoSuchMember, propose(motion))
    network.refuse(RIVERSIDE, NoSuchMember, propose(SetRoles(member=PLAINS, roles=())))


def test_a_new_member_proves_its_keys_and_has_one_for_transactions() -> None:
    network = Network()
    stolen = network.new_key(RIVERSIDE, key(PLAINS))
    sealing = network.new_key(PLAINS, key(PLAINS), "checkpoint")
    for new in (stolen, sealing):
        motion = Admit(member=PLAINS, name="Plains", roles=(), keys=(new,))
        network.refuse(RIVERSIDE, KeyNotProven, propose(motion))


def test_a_new_members_key_is_named_once() -> None:
    network = Network()
    new = network.new_key(PLAINS, key(PLAINS))
    motion = Admit(member=PLAINS, name="Plains", roles=(), keys=(new, new))
    network.refuse(RIVERSIDE, KeyKnown, propose(motion))


def test_a_patient_governs_nothing() -> None:
    network = Network()
    network.enrol_patient(RIVERSIDE, ANA)
    network.refuse(ANA, NotAMember, propose(Suspend(member=HILLTOP)))
    network.refuse(ANA, NotAMember, SetEndpoint(gateway=None))


def test_a_genesis_that_nobody_could_govern_is_faulty() -> None:
    good = MemberAdmitted(
        member=RIVERSIDE, name="Riverside", roles=(), keys=(published(key(RIVERSIDE)),), at=NOW
    )
    idle = MemberAdmitted(
        member=PLAINS,
        name="Plains",
        roles=(),
        keys=(published(key(PLAINS), "checkpoint"),),
        at=NOW,
    )
    assert founding_faults((good,)) == ()
    assert founding_faults(()) == ("nobody is admitted",)
    assert founding_faults((good, good)) == ("riverside is admitted twice",)
    assert founding_faults((good, idle)) == ("plains has no transaction key",)


VOTERS = (RIVERSIDE, LAKEVIEW, HILLTOP, PLAINS)


@given(
    st.integers(51, 99),
    st.lists(st.tuples(st.sampled_from(VOTERS), st.booleans()), max_size=8),
)
def test_no_motion_carries_below_the_threshold(
    percent: int, cast: list[tuple[MemberId, bool]]
) -> None:
    network = Network(*VOTERS, parameters=NetworkParameters(vote_threshold_percent=percent))
    network.do(RIVERSIDE, propose(SetRoles(member=HILLTOP, roles=())))
    first = {RIVERSIDE: True}
    for who, approve in cast:
        before = [one for one in proposals(network.view) if one.outcome == "open"]
        receipt = network.attempt(who, Vote(proposal=ID, approve=approve))
        assert (receipt.code == 0) == (bool(before) and who not in first)
        if receipt.code == 0:
            first[who] = approve
    approvals, against = (sum(vote is v for v in first.values()) for vote in (True, False))
    [found] = proposals(network.view)
    assert (found.outcome == "carried") == (approvals * 100 >= percent * 4)
    assert (found.outcome == "rejected") == ((4 - against) * 100 < percent * 4)
    assert has_role(network.view, HILLTOP, "provider") == (found.outcome != "carried")


def test_a_genesis_file_is_a_list_of_what_happened() -> None:
    applications_ = applications("governance")
    admitted = MemberAdmitted(
        member=RIVERSIDE,
        name="Riverside",
        roles=("provider",),
        keys=(published(key(RIVERSIDE)),),
        at=NOW,
        gateway="https://riverside.example",
    )
    event = GenesisEvent(application="governance", event=msgspec.Raw(msgspec.json.encode(admitted)))
    genesis = Genesis(
        name="test",
        time=NOW,
        activations=(Activation(application="governance", version=1),),
        parameters=NetworkParameters(),
        events=(event,),
    )
    _, loaded = load_genesis(msgspec.json.encode(genesis))
    view = View(None, genesis_changes(loaded, applications_))
    found = member(view, RIVERSIDE)
    assert found is not None
    assert (found.status, found.roles, found.since) == ("active", ("provider",), NOW)
    assert live_key(view, RIVERSIDE, id_of(key(RIVERSIDE))) is not None
