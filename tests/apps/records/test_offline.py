"""What Riverside released while the network could not decide, and reports afterwards."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.apps.governance.commands import RotateKey
from careledger.apps.identity.commands import SuspendAccount
from careledger.apps.records.commands import (
    AcknowledgeDisclosure,
    Disclosed,
    EmergencyStated,
    OfflineRecorded,
    RecordOffline,
)
from careledger.apps.records.queries import (
    last_offline,
    late,
    log,
    offline,
    unacknowledged,
)
from careledger.apps.records.refusals import (
    NotYourPatient,
    OfflineFromTheFuture,
    OfflineNotGenuine,
    OfflineOutOfSequence,
)
from careledger.ledger.errors import Refusal
from tests.apps.network import ANA, BEN, DR_CHO, HILLTOP, LAKEVIEW, RIVERSIDE, id_of, key
from tests.apps.records.stories import MANIFEST, Story

OUTAGE_S = 40_000


def recorded(story: Story, command: RecordOffline) -> OfflineRecorded:
    """The last event of what the command did."""
    *_, event = story.do(RIVERSIDE, command)
    assert isinstance(event, OfflineRecorded)
    return event


def test_what_was_released_is_recorded_when_the_network_is_back_however_late() -> None:
    story = Story()
    released, command = story.time, story.offline()
    story.time += OUTAGE_S
    stated, disclosed, told = story.do(RIVERSIDE, command)
    assert isinstance(stated, EmergencyStated)
    assert isinstance(disclosed, Disclosed)
    assert isinstance(told, OfflineRecorded)
    assert (stated.practitioner, disclosed.basis, disclosed.number) == (DR_CHO, "break-glass", 1)
    assert (told.released, told.sequence, told.genuine) == (released, 1, True)
    row = late(story.view, RIVERSIDE, LAKEVIEW, 1)
    assert row is not None
    assert row.released == released


def test_ana_s_log_has_it_and_lakeview_owes_the_acknowledgement() -> None:
    story = Story()
    story.do(RIVERSIDE, story.offline())
    (line,) = log(story.view, ANA)
    assert (line.custodian, line.receiver, line.number) == (RIVERSIDE, LAKEVIEW, 1)
    assert [one.number for one in unacknowledged(story.view, LAKEVIEW)] == [1]
    given_ = AcknowledgeDisclosure(custodian=RIVERSIDE, number=1, manifest=MANIFEST)
    story.do(LAKEVIEW, given_)
    assert not list(unacknowledged(story.view, LAKEVIEW))


def test_both_kinds_of_disclosure_share_one_numbering() -> None:
    story = Story()
    story.do(RIVERSIDE, story.break_glass())
    assert recorded(story, story.offline()).number == 2
    story.do(RIVERSIDE, story.break_glass())
    told = recorded(story, story.offline())
    assert (told.number, told.sequence) == (4, 2)


def test_a_second_use_of_one_statement_is_stated_once() -> None:
    story = Story()
    statement = story.emergency()
    assert len(story.do(RIVERSIDE, story.offline(emergency=statement))) == 3
    assert len(story.do(RIVERSIDE, story.offline(emergency=statement))) == 2


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"number": 2}, OfflineOutOfSequence),
        ({"previous": bytes(31) + b"x"}, OfflineOutOfSequence),
        ({"account": BEN}, OfflineNotGenuine),
        ({"custodian": HILLTOP}, OfflineNotGenuine),
        ({"request": bytes(32)}, OfflineNotGenuine),
        ({"emergency": bytes(32)}, OfflineNotGenuine),
        ({"signer": LAKEVIEW}, OfflineNotGenuine),
        ({"signing": key("a stranger")}, OfflineNotGenuine),
    ],
)
def test_what_would_tell_an_untruth_is_refused(
    changed: dict[str, Any], refusal: type[Refusal]
) -> None:
    story = Story()
    fields = {name: changed.pop(name) for name in ("request", "emergency") if name in changed}
    command = story.offline(**changed)
    if fields:
        command = _about_other_ids(story, fields)
    story.refuse(RIVERSIDE, refusal, command)


def _about_other_ids(story: Story, fields: Mapping[Any, Any]) -> RecordOffline:
    """The entry names another request or emergency than the command brings."""
    other = story.offline()
    return RecordOffline(
        entry=other.entry,
        request=story.request(purpose="ETREAT") if "request" in fields else other.request,
        emergency=story.emergency() if "emergency" in fields else other.emergency,
    )


def test_nobody_s_request_can_be_invented() -> None:
    story = Story()
    forged = story.request(purpose="ETREAT", signing=key("a stranger"))
    story.refuse(RIVERSIDE, OfflineNotGenuine, story.offline(request=forged))
    posing = story.request(HILLTOP, purpose="ETREAT")
    story.refuse(RIVERSIDE, OfflineNotGenuine, story.offline(request=posing))
    unsigned = story.emergency(until_s=3_600)[:-1] + b"x"
    story.refuse(RIVERSIDE, OfflineNotGenuine, story.offline(emergency=unsigned))


def test_only_of_a_patient_of_one_s_own() -> None:
    story = Story()
    elsewhere = story.offline()
    story.refuse(HILLTOP, OfflineNotGenuine, elsewhere)
    stranger = "@" + "z" * 26
    command = story.offline(
        account=stranger,
        request=story.request(purpose="ETREAT", account=stranger),
        emergency=story.emergency(account=stranger),
    )
    story.refuse(RIVERSIDE, NotYourPatient, command)


def test_time_goes_forward() -> None:
    story = Story()
    story.refuse(RIVERSIDE, OfflineFromTheFuture, story.offline(at=story.time + 61))
    story.do(RIVERSIDE, story.offline())
    story.refuse(RIVERSIDE, OfflineFromTheFuture, story.offline(at=story.time - 1))


def test_a_missing_entry_shows() -> None:
    """Whoever leaves one out can record none that follows."""
    story = Story()
    first = story.offline()
    left_out = recorded(story, first)
    alike = Story()
    alike.refuse(RIVERSIDE, OfflineOutOfSequence, story.offline())
    assert left_out.sequence == 1
    assert last_offline(alike.view, RIVERSIDE) == (0, bytes(32), 0)


def test_the_same_entry_is_recorded_once() -> None:
    story = Story()
    command = story.offline()
    story.do(RIVERSIDE, command)
    story.refuse(RIVERSIDE, OfflineOutOfSequence, command)


def test_what_a_quorum_would_not_have_let_be_is_recorded_and_called_so() -> None:
    story = Story()
    assert not recorded(story, story.offline(request=story.request())).genuine  # TREAT
    posing = story.request(LAKEVIEW, purpose="ETREAT", practitioner=None, role=None)
    assert not recorded(story, story.offline(request=posing)).genuine
    wrong_role = story.request(purpose="ETREAT", role="pharmacist")
    assert not recorded(story, story.offline(request=wrong_role)).genuine
    expired = story.emergency(until_s=1)
    story.time += 2
    assert not recorded(story, story.offline(emergency=expired)).genuine


def test_a_practitioner_who_was_suspended_meanwhile_is_told_of() -> None:
    """The part of the network that was cut off could not know; it is recorded all the same."""
    story = Story()
    command = story.offline()
    story.do(LAKEVIEW, SuspendAccount(account=DR_CHO))
    assert not recorded(story, command).genuine


def test_a_key_that_was_rotated_meanwhile_still_signed_what_it_signed() -> None:
    story = Story()
    command = story.offline()
    fresh = key(RIVERSIDE, 1)
    rotation = RotateKey(old=id_of(key(RIVERSIDE)), key=story.new_key(RIVERSIDE, fresh))
    story.do(RIVERSIDE, rotation)
    story.keys[RIVERSIDE] = fresh
    assert recorded(story, command).genuine


@given(st.lists(st.sampled_from(["offline", "online", "again", "gap"]), max_size=12))
def test_entries_are_numbered_without_a_gap_and_chained(order: list[str]) -> None:
    story = Story()
    kept: list[RecordOffline] = []
    for step in order:
        story.time += 1
        match step:
            case "offline":
                kept.append(story.offline())
                story.do(RIVERSIDE, kept[-1])
            case "online":
                story.do(RIVERSIDE, story.break_glass())
            case "again" if kept:
                story.refuse(RIVERSIDE, OfflineOutOfSequence, kept[-1])
            case _:
                ahead = story.offline(number=len(kept) + 2)
                story.refuse(RIVERSIDE, OfflineOutOfSequence, ahead)
    rows = [offline(story.view, RIVERSIDE, number) for number in range(1, len(kept) + 2)]
    assert [row is not None for row in rows] == [True] * len(kept) + [False]
    assert last_offline(story.view, RIVERSIDE)[0] == len(kept)
