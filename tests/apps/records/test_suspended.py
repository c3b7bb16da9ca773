"""A suspended member keeps break-glass for 72 hours, as custodian and as receiver; nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.apps.consent.commands import RevokeConsent
from careledger.apps.governance.commands import (
    Propose,
    RegisterKey,
    Reinstate,
    RetireKey,
    SetEndpoint,
    Suspend,
    Vote,
)
from careledger.apps.records.commands import (
    AcknowledgeDisclosure,
    AnchorLocalReads,
    AnchorReads,
    CommitRecords,
    Disclosed,
    OfflineRecorded,
    PlaceLegalHold,
)
from careledger.apps.records.queries import next_number
from careledger.apps.records.refusals import (
    BasisFails,
    EmergencyNotGenuine,
    RequestNotGenuine,
)
from careledger.ledger.errors import SignerSuspended
from careledger.ledger.membership import EMERGENCY_GRACE_S, SIGNERS, SignerRow
from careledger.ledger.record import MemberId
from tests.apps.network import ANA, DR_CHO, HILLTOP, LAKEVIEW, RIVERSIDE, id_of, key
from tests.apps.records.stories import GRANT, MANIFEST, Story
from tests.apps.records.test_answers import granted

LAST = EMERGENCY_GRACE_S - 1


def suspend(story: Story, member: MemberId, after_s: int = 0) -> None:
    """The other two suspend `member`; then time passes."""
    row = SignerRow(kind="member", payer=member, status="suspended", suspended=story.time)
    story.state.apply(SIGNERS.put(row, member))
    story.time += after_s


def carried(story: Story, motion: Any) -> None:
    proposal = story.nonce()
    story.do(HILLTOP, Propose(proposal=proposal, motion=motion, until=story.time + 60))
    for voter in (RIVERSIDE, LAKEVIEW):
        story.attempt(voter, Vote(proposal=proposal, approve=True))


@pytest.mark.parametrize("member", [RIVERSIDE, LAKEVIEW], ids=["custodian", "receiver"])
def test_break_glass_goes_on_for_72_hours(member: MemberId) -> None:
    story = granted()
    suspend(story, member, LAST)
    assert isinstance(story.do(RIVERSIDE, story.break_glass())[-1], Disclosed)
    story.time += 1
    receipt = story.attempt(RIVERSIDE, story.break_glass())
    late = SignerSuspended if member == RIVERSIDE else RequestNotGenuine
    assert story.name(receipt.code) == story.name(late.code)


def test_an_emergency_that_began_in_time_does_not_outlast_the_72_hours() -> None:
    story = granted()
    suspend(story, LAKEVIEW, LAST - 100)
    statement = story.emergency(until_s=7_200)
    story.do(RIVERSIDE, story.break_glass(statement=statement))
    story.time += 100
    story.do(RIVERSIDE, story.break_glass(statement=statement))
    story.time += 1
    refused = story.attempt(RIVERSIDE, story.break_glass(statement=statement)).code
    assert refused in {RequestNotGenuine.code, BasisFails.code}


def test_a_vote_suspends_since_its_block_and_reinstatement_ends_it() -> None:
    story = granted()
    motion = Suspend(member=LAKEVIEW)
    proposal = story.nonce()
    story.do(HILLTOP, Propose(proposal=proposal, motion=motion, until=story.time + 60))
    story.do(RIVERSIDE, Vote(proposal=proposal, approve=True))
    story.do(LAKEVIEW, Vote(proposal=proposal, approve=True))
    assert story.view.row(SIGNERS, LAKEVIEW).suspended == story.time
    story.time += EMERGENCY_GRACE_S
    story.refuse(RIVERSIDE, RequestNotGenuine, story.break_glass())
    carried(story, Reinstate(member=LAKEVIEW))
    assert story.view.row(SIGNERS, LAKEVIEW) == SignerRow(kind="member", payer=LAKEVIEW)
    story.do(RIVERSIDE, story.disclose())


def test_what_was_suspended_before_since_when_was_kept_keeps_nothing() -> None:
    story = granted()
    row = SignerRow(kind="member", payer=LAKEVIEW, status="suspended")
    story.state.apply(SIGNERS.put(row, LAKEVIEW))
    story.refuse(RIVERSIDE, RequestNotGenuine, story.break_glass())


def test_a_grant_serves_nobody_who_is_suspended() -> None:
    story = granted()
    suspend(story, LAKEVIEW)
    story.refuse(RIVERSIDE, RequestNotGenuine, story.disclose())
    posing = story.disclose(story.request(purpose="ETREAT"))
    story.refuse(RIVERSIDE, BasisFails, posing)
    other = story.break_glass(story.request(purpose="TREAT"))
    story.refuse(RIVERSIDE, RequestNotGenuine, other)


def test_a_suspended_practitioner_has_no_emergency() -> None:
    story = granted()
    story.state.apply(
        SIGNERS.put(SignerRow(kind="account", payer=LAKEVIEW, status="suspended"), DR_CHO)
    )
    story.refuse(RIVERSIDE, RequestNotGenuine, story.break_glass())
    own = story.request(LAKEVIEW, purpose="ETREAT", practitioner=None, role=None)
    story.refuse(RIVERSIDE, EmergencyNotGenuine, story.break_glass(own))


def test_what_accounts_for_break_glass_stays_open_and_what_accounts_for_a_grant_does_not() -> None:
    story = granted()
    by_grant = story.disclose()
    [first] = story.do(RIVERSIDE, by_grant)
    in_emergency = story.break_glass()
    second = story.do(RIVERSIDE, in_emergency)[-1]
    suspend(story, RIVERSIDE)
    suspend(story, LAKEVIEW)
    reads: dict[str, Any] = {"root": bytes(32), "size": 1, "sequence": 1}
    story.do(RIVERSIDE, AnchorReads(session=in_emergency.session, **reads))
    story.refuse(RIVERSIDE, SignerSuspended, AnchorReads(session=by_grant.session, **reads))
    story.refuse(RIVERSIDE, SignerSuspended, AnchorReads(session=bytes(16), **reads))

    def acknowledge(number: int) -> AcknowledgeDisclosure:
        return AcknowledgeDisclosure(custodian=RIVERSIDE, number=number, manifest=MANIFEST)

    story.do(LAKEVIEW, acknowledge(second.number))
    story.refuse(LAKEVIEW, SignerSuspended, acknowledge(first.number))
    story.refuse(LAKEVIEW, SignerSuspended, acknowledge(99))


def test_what_a_suspended_custodian_released_without_the_ledger_is_recorded() -> None:
    story = granted()
    suspend(story, RIVERSIDE, LAST)
    recorded = story.do(RIVERSIDE, story.offline())[-1]
    assert isinstance(recorded, OfflineRecorded)
    assert recorded.genuine
    story.time += 1
    story.refuse(RIVERSIDE, SignerSuspended, story.offline())


def others(story: Story) -> list[Any]:
    """Everything else that Riverside could ask for."""
    hold = story.nonce()
    return [
        story.disclose(),
        story.own_access(),
        story.refusal(),
        CommitRecords(root=bytes(32), size=1),
        AnchorLocalReads(root=bytes(32), size=1, sequence=1),
        PlaceLegalHold(account=ANA, hold=hold),
        SetEndpoint(gateway=None),
        RegisterKey(key=story.new_key(RIVERSIDE, key(RIVERSIDE, 1))),
        RetireKey(key=id_of(key(RIVERSIDE))),
        Propose(proposal=hold, motion=Suspend(member=HILLTOP), until=story.time + 60),
        Vote(proposal=hold, approve=True),
    ]


@pytest.mark.parametrize("number", range(11))
def test_everything_else_stays_refused(number: int) -> None:
    story = granted()
    suspend(story, RIVERSIDE)
    story.refuse(RIVERSIDE, SignerSuspended, others(story)[number])


def test_one_command_of_another_kind_takes_break_glass_with_it() -> None:
    story = granted()
    suspend(story, RIVERSIDE)
    story.refuse(RIVERSIDE, SignerSuspended, story.break_glass(), SetEndpoint(gateway=None))
    assert next_number(story.view, RIVERSIDE, LAKEVIEW) == 1


def test_the_patients_of_a_suspended_member_still_revoke() -> None:
    story = granted()
    suspend(story, RIVERSIDE, EMERGENCY_GRACE_S)
    story.do(ANA, RevokeConsent(consent_id=GRANT))


@given(
    st.sampled_from([RIVERSIDE, LAKEVIEW]),
    st.integers(0, 2 * EMERGENCY_GRACE_S) | st.integers(LAST - 2, LAST + 3),
)
def test_break_glass_is_open_exactly_until_the_72_hours_are_over(
    member: MemberId, after_s: int
) -> None:
    story = granted()
    suspend(story, member, after_s)
    is_open = story.attempt(RIVERSIDE, story.break_glass()).code == 0
    assert is_open == (after_s < EMERGENCY_GRACE_S)
