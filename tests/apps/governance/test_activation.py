"""Members agree when an application moves on to another version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.apps.governance.commands import Activate, ActivationAgreed, Propose, Vote
from careledger.apps.governance.motions import (
    ACTIVATION_NOTICE,
    NoSuchApplication,
    NotAnAdvance,
    TooSoon,
)
from careledger.ledger.errors import Refusal
from careledger.ledger.genesis import Activation, Genesis, schedule, versions_at
from careledger.ledger.membership import ACTIVATIONS, NetworkParameters
from tests.apps.network import HILLTOP, LAKEVIEW, NOW, RIVERSIDE, Network

GENESIS = Genesis(
    name="test",
    time=NOW,
    activations=(
        Activation(application="governance", version=1),
        Activation(application="identity", version=1),
    ),
    parameters=NetworkParameters(),
    events=(),
)


def propose(network: Network, name: str, version: int, height: int) -> Propose:
    motion = Activate(application=name, version=version, height=height)
    return Propose(proposal=network.nonce(), motion=motion, until=network.time + 60)


def refused(network: Network, refusal: type[Refusal], name: str, version: int, height: int) -> None:
    network.refuse(RIVERSIDE, refusal, propose(network, name, version, height))


def test_an_activation_is_a_row_that_says_from_when() -> None:
    network = Network()
    proposed = propose(network, "identity", 2, 200)
    network.do(RIVERSIDE, proposed)
    yes = Vote(proposal=proposed.proposal, approve=True)
    network.do(LAKEVIEW, yes)
    happened = network.do(HILLTOP, yes)
    assert happened[-1] == ActivationAgreed(application="identity", version=2, height=200)
    assert network.view.row(ACTIVATIONS, "identity", 200).version == 2


def test_what_does_not_run_here_or_would_not_be_an_advance_is_refused() -> None:
    network = Network(RIVERSIDE)
    refused(network, NoSuchApplication, "nothing", 2, 200)
    refused(network, NotAnAdvance, "identity", 1, 200)
    network.do(RIVERSIDE, propose(network, "identity", 3, 200))
    refused(network, NotAnAdvance, "identity", 3, 200)
    refused(network, NotAnAdvance, "identity", 2, 200)
    refused(network, NotAnAdvance, "identity", 2, 300)
    refused(network, NotAnAdvance, "identity", 3, 300)
    refused(network, NotAnAdvance, "identity", 4, 200)
    refused(network, NotAnAdvance, "identity", 4, 199)
    network.do(RIVERSIDE, propose(network, "identity", 4, 201))
    network.do(RIVERSIDE, propose(network, "identity", 2, 199))


@pytest.mark.parametrize("late", [0, 1])
def test_there_is_time_to_upgrade_between_the_vote_that_carries_it_and_the_height(
    late: int,
) -> None:
    network = Network(RIVERSIDE, LAKEVIEW)
    following = network.height + 1
    refused(network, TooSoon, "identity", 2, following + ACTIVATION_NOTICE - 1)
    following = network.height + 1
    proposed = propose(network, "identity", 2, following + ACTIVATION_NOTICE + 1)
    network.do(RIVERSIDE, proposed)
    network.height += late
    yes = Vote(proposal=proposed.proposal, approve=True)
    if late:
        network.refuse(LAKEVIEW, TooSoon, yes)
    else:
        network.do(LAKEVIEW, yes)


STEPS = st.tuples(
    st.sampled_from(["identity", "governance"]), st.integers(1, 5), st.integers(90, 130)
)


@given(st.lists(STEPS, max_size=12))
def test_whatever_is_agreed_versions_only_rise_with_height(
    steps: list[tuple[str, int, int]],
) -> None:
    network = Network(RIVERSIDE)
    for step in steps:
        network.attempt(RIVERSIDE, propose(network, *step))
    activations = schedule(GENESIS, network.view)
    assert versions_at(activations, ACTIVATION_NOTICE).keys() == {"governance", "identity"}
    before = {"governance": 1, "identity": 1}
    for height in range(200):
        now = {name: one.version for name, one in versions_at(activations, height).items()}
        assert all(now[name] >= before[name] for name in before)
        assert now == before or any(one.height == height for one in activations)
        before = now
