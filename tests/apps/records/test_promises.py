"""What holds whatever happens, in whatever order."""

from collections import defaultdict
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from careledger.apps.consent.commands import RevokeConsent
from careledger.apps.records.commands import (
    AccessRefused,
    AcknowledgeDisclosure,
    CommitRecords,
    Disclosed,
)
from careledger.apps.records.queries import disclosure, log, refusal, stream
from careledger.ledger.record import MemberId, Record, SignerId
from tests.apps.network import ANA, BEN, HILLTOP, LAKEVIEW, NOW, RIVERSIDE
from tests.apps.records.stories import GRANT, MANIFEST, Story

Step = Callable[[Story], tuple[SignerId, Record]]

STEPS: dict[str, Step] = {
    "revoke": lambda story: (ANA, RevokeConsent(consent_id=GRANT)),
    "disclose": lambda story: (RIVERSIDE, story.disclose()),
    "own": lambda story: (RIVERSIDE, story.own_access()),
    "refuse": lambda story: (RIVERSIDE, story.refusal()),
    "emergency": lambda story: (RIVERSIDE, story.break_glass()),
    "elsewhere": lambda story: (HILLTOP, story.refusal(story.request(custodian=HILLTOP))),
}

steps = st.lists(st.sampled_from(sorted(STEPS)), max_size=14)


def answers(story: Story, order: list[str]) -> list[Disclosed | AccessRefused]:
    """Every answer, in the order of the ledger; a second passes after each step."""
    found = []
    for step in order:
        receipt = story.attempt(*STEPS[step](story))
        happened = [story.event(record) for record in receipt.events]
        found += [event for event in happened if isinstance(event, Disclosed | AccessRefused)]
        story.time += 1
    return found


@given(steps)
def test_answers_are_numbered_without_a_gap_per_pair(order: list[str]) -> None:
    story = Story()
    story.grant()
    numbers = defaultdict[tuple[str, str], list[int]](list)
    for answer in answers(story, order):
        numbers[answer.custodian, answer.receiver].append(answer.number)
        key = MemberId(answer.custodian), MemberId(answer.receiver), answer.number
        found = disclosure(story.view, *key), refusal(story.view, *key)
        assert [row is None for row in found] == [
            isinstance(answer, AccessRefused),
            isinstance(answer, Disclosed),
        ]
    for used in numbers.values():
        assert used == list(range(1, len(used) + 1))


@given(steps)
def test_every_answer_about_ana_is_in_her_log_in_order(order: list[str]) -> None:
    story = Story()
    story.grant()
    given_ = [answer for answer in answers(story, order) if answer.account == ANA]
    lines = list(log(story.view, ANA))
    assert [(line.at, line.receiver, line.number) for line in lines] == [
        (answer.at, answer.receiver, answer.number) for answer in given_
    ]


@given(steps, st.integers(0, 14))
def test_nothing_is_disclosed_on_a_grant_before_it_is_given_or_after_it_is_revoked(
    order: list[str], place: int
) -> None:
    story = Story()
    before = answers(story, order[:place])
    story.grant()
    after = answers(story, order[place:])
    assert not [one for one in before if isinstance(one, Disclosed) and one.basis == "grant"]
    rest = order[place:]
    until_revoked = rest[: rest.index("revoke")] if "revoke" in rest else rest
    on_grant = [one for one in after if isinstance(one, Disclosed) and one.basis == "grant"]
    assert len(on_grant) == until_revoked.count("disclose")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([RIVERSIDE, LAKEVIEW, HILLTOP, ANA, BEN]),
            st.integers(1, 4),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_only_the_receiver_acknowledges_and_only_what_was_committed_to(
    tries: list[tuple[SignerId, int, bool]],
) -> None:
    story = Story()
    story.grant()
    story.do(RIVERSIDE, story.disclose())
    story.do(RIVERSIDE, story.refusal())
    story.do(RIVERSIDE, story.disclose())
    story.do(RIVERSIDE, story.own_access())
    open_: set[tuple[SignerId, int]] = {(LAKEVIEW, 1), (LAKEVIEW, 3), (ANA, 1)}
    for who, number, honest in tries:
        manifest = MANIFEST if honest else bytes(32)
        command = AcknowledgeDisclosure(custodian=RIVERSIDE, number=number, manifest=manifest)
        receipt = story.attempt(who, command)
        assert (receipt.code == 0) == ((who, number) in open_ and honest)
        if receipt.code == 0:
            open_.remove((who, number))


@given(st.lists(st.tuples(st.sampled_from([RIVERSIDE, LAKEVIEW]), st.integers(1, 99)), max_size=12))
def test_batches_are_numbered_without_a_gap_per_custodian(
    batches: list[tuple[SignerId, int]],
) -> None:
    story = Story()
    transactions = [
        story.signed(who, CommitRecords(root=MANIFEST, size=size)) for who, size in batches
    ]
    happened = [story.event(r.events[0]) for r in story.block(*transactions)]
    for custodian in (RIVERSIDE, LAKEVIEW):
        own = [event for event in happened if event.custodian == custodian]
        assert [event.batch for event in own] == list(range(1, len(own) + 1))
        found = stream(story.view, custodian, "records")
        assert found.items == sum(event.size for event in own)
    assert story.time == NOW
