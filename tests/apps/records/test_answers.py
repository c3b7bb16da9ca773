"""Answers: what a custodian may disclose, to whom, on which basis, and what it cannot invent."""

from typing import Any

import pytest
from msgspec.structs import replace

from careledger.apps.consent.commands import DenyConsent, RevokeConsent
from careledger.apps.governance.commands import Propose, RotateKey, Suspend
from careledger.apps.identity.commands import SetCredentialRoles, SuspendAccount
from careledger.apps.records.basis import (
    GrantBasis,
    NetworkPolicyBasis,
    OwnAccessBasis,
    RequiredByLawBasis,
)
from careledger.apps.records.commands import AccessRefused, Disclosed, EmergencyStated
from careledger.apps.records.queries import (
    disclosure,
    emergency,
    is_answered,
    log,
    next_number,
    refusal,
    session,
)
from careledger.apps.records.refusals import (
    BasisFails,
    BasisNotYet,
    EmergencyNotGenuine,
    NotACustodian,
    NotAPractitioner,
    NotYourPatient,
    RequestAnswered,
    RequestForOther,
    RequestNotGenuine,
    SessionTaken,
)
from careledger.ledger.errors import Malformed
from careledger.ledger.membership import PARAMETERS, NetworkParameters
from careledger.ledger.record import AccountId, decode, encode
from tests.apps.network import (
    ANA,
    BEN,
    DR_CHO,
    HILLTOP,
    LAKEVIEW,
    NOW,
    RIVERSIDE,
    id_of,
    key,
)
from tests.apps.records.stories import GRANT, MANIFEST, Story

DAN, DR_EVE = AccountId("@" + "d" * 26), AccountId("@" + "e" * 26)


def granted() -> Story:
    story = Story()
    story.grant()
    return story


def test_dr_cho_is_answered_under_anas_grant() -> None:
    story = granted()
    command = story.disclose()
    [happened] = story.do(RIVERSIDE, command)
    assert isinstance(happened, Disclosed)
    assert (happened.custodian, happened.receiver, happened.number) == (RIVERSIDE, LAKEVIEW, 1)
    assert (happened.account, happened.practitioner) == (ANA, DR_CHO)
    assert (happened.basis, happened.basis_id) == ("grant", GRANT)
    assert (happened.at, happened.expires) == (NOW, NOW + 900)
    row = disclosure(story.view, RIVERSIDE, LAKEVIEW, 1)
    assert row is not None
    assert (row.manifest, row.acknowledged) == (MANIFEST, None)
    assert is_answered(story.view, RIVERSIDE, happened.request)
    opened = session(story.view, RIVERSIDE, command.session)
    assert opened is not None
    assert (opened.account, opened.expires) == (ANA, NOW + 900)
    assert next_number(story.view, RIVERSIDE, LAKEVIEW) == 2
    [line] = log(story.view, ANA)
    assert (line.answer, line.reads) == (row, None)
    assert not list(log(story.view, BEN))


def test_no_session_is_longer_than_fifteen_minutes() -> None:
    story = granted()
    command = story.disclose(ttl_s=901)
    with pytest.raises(Malformed):
        decode(encode(command), type(command))
    assert story.attempt(RIVERSIDE, command).code == Malformed.code
    [happened] = story.do(RIVERSIDE, story.disclose(ttl_s=60))
    assert happened.expires == NOW + 60


def test_the_organisation_may_sign_for_its_staff() -> None:
    story = granted()
    staff = story.request(LAKEVIEW, practitioner=None, role="nurse")
    [happened] = story.do(RIVERSIDE, story.disclose(staff))
    assert (happened.practitioner, happened.role) == (None, "nurse")


@pytest.mark.parametrize(
    "asked",
    [
        {"purpose": "HMARKT"},
        {"actions": ("read", "export")},
        {"consent_id": b"another consent!"},
    ],
)
def test_what_the_grant_does_not_cover_is_refused(asked: dict[str, Any]) -> None:
    story = granted()
    story.refuse(RIVERSIDE, BasisFails, story.disclose(story.request(**asked)))


def test_a_grant_covers_its_grantee_only() -> None:
    story = granted()
    for other in (HILLTOP, RIVERSIDE):
        request = story.request(other, requester=other, practitioner=None, role=None)
        story.refuse(RIVERSIDE, BasisFails, story.disclose(request))


def test_without_a_grant_nothing_is_disclosed() -> None:
    story = Story()
    story.refuse(RIVERSIDE, BasisFails, story.disclose())
    story.refuse(RIVERSIDE, BasisFails, story.disclose(basis=GrantBasis(consent_id=b"n" * 16)))


def test_anas_grant_is_no_basis_for_bens_records() -> None:
    story = granted()
    bens = story.disclose(story.request(account=BEN), account=BEN)
    story.refuse(RIVERSIDE, BasisFails, bens)


def test_revocation_acts_within_the_block_and_the_refusal_is_on_the_ledger() -> None:
    story = granted()
    receipts = story.block(
        story.signed(RIVERSIDE, story.disclose()),
        story.signed(ANA, RevokeConsent(consent_id=GRANT)),
        story.signed(RIVERSIDE, story.disclose()),
        story.signed(RIVERSIDE, story.refusal(dimensions=("status",))),
    )
    assert [receipt.code for receipt in receipts] == [0, 0, BasisFails.code, 0]
    kinds = [type(line.answer).__name__ for line in log(story.view, ANA)]
    assert kinds == ["DisclosureRow", "RefusalRow"]


def test_a_denial_of_the_whole_record_wins_over_the_grant() -> None:
    story = granted()
    no = DenyConsent(consent_id=b"d" * 16, custodian=RIVERSIDE, valid_from=NOW // 86_400)
    story.do(ANA, no)
    story.refuse(RIVERSIDE, BasisFails, story.disclose())


def test_a_grant_over_is_no_basis() -> None:
    story = Story()
    story.grant(valid_until=NOW // 86_400 + 1)
    story.do(RIVERSIDE, story.disclose())
    story.time += 86_400
    story.refuse(RIVERSIDE, BasisFails, story.disclose())


def test_a_request_is_answered_once() -> None:
    story = granted()
    request = story.request()
    story.do(RIVERSIDE, story.disclose(request))
    story.refuse(RIVERSIDE, RequestAnswered, story.disclose(request))
    story.refuse(RIVERSIDE, RequestAnswered, story.refusal(request))


def test_a_refused_request_is_answered_too() -> None:
    story = granted()
    request = story.request()
    story.do(RIVERSIDE, story.refusal(request))
    story.refuse(RIVERSIDE, RequestAnswered, story.disclose(request))


def test_a_custodian_cannot_invent_a_request() -> None:
    story = granted()
    for invented in (
        b"not a statement",
        story.request(signing=key(RIVERSIDE)),
        story.request(RIVERSIDE),
        story.request(LAKEVIEW, requester=HILLTOP, practitioner=None),
        story.request(DR_CHO, practitioner=None),
        story.request(ANA, practitioner=None, role=None),
        story.request(DR_CHO, requester=HILLTOP),
        story.emergency(),
    ):
        story.refuse(RIVERSIDE, RequestNotGenuine, story.disclose(invented))
        story.refuse(RIVERSIDE, RequestNotGenuine, story.refusal(invented))


def test_a_request_counts_in_its_own_hour() -> None:
    story = granted()
    request = story.request()
    story.time += 601
    story.refuse(RIVERSIDE, RequestNotGenuine, story.disclose(request))


def test_a_request_under_a_rotated_key_counts_no_more_within_the_block() -> None:
    story = granted()
    request = story.request(LAKEVIEW, practitioner=None)
    new = story.new_key(LAKEVIEW, key(LAKEVIEW, 1))
    receipts = story.block(
        story.signed(LAKEVIEW, RotateKey(old=id_of(key(LAKEVIEW)), key=new)),
        story.signed(RIVERSIDE, story.disclose(request)),
    )
    assert [receipt.code for receipt in receipts] == [0, RequestNotGenuine.code]


def test_a_suspended_person_or_organisation_is_not_answered() -> None:
    story = granted()
    story.do(LAKEVIEW, SuspendAccount(account=DR_CHO))
    story.refuse(RIVERSIDE, RequestNotGenuine, story.disclose())
    vouched = story.request(LAKEVIEW)
    story.refuse(RIVERSIDE, RequestNotGenuine, story.disclose(vouched))
    parameters = NetworkParameters(vote_threshold_percent=1)
    story.state.apply(PARAMETERS.put(parameters, "network"))
    motion = Suspend(member=LAKEVIEW)
    story.do(HILLTOP, Propose(proposal=b"p" * 16, motion=motion, until=NOW + 60))
    staff = story.request(LAKEVIEW, practitioner=None)
    story.refuse(RIVERSIDE, RequestNotGenuine, story.disclose(staff))


def test_whoever_is_named_has_the_role_that_is_named() -> None:
    story = granted()
    story.refuse(RIVERSIDE, NotAPractitioner, story.disclose(story.request(role="pharmacist")))
    story.do(LAKEVIEW, SetCredentialRoles(account=DR_CHO, roles=("pharmacist",)))
    story.do(RIVERSIDE, story.disclose(story.request(role="pharmacist")))


def test_a_patient_is_nobodys_practitioner() -> None:
    story = granted()
    request = story.request(RIVERSIDE, requester=RIVERSIDE, practitioner=BEN, role=None)
    story.refuse(RIVERSIDE, NotAPractitioner, story.disclose(request))


def test_answers_are_given_in_ones_own_name_about_ones_own_patients() -> None:
    story = granted()
    story.refuse(HILLTOP, RequestForOther, story.disclose())
    story.refuse(RIVERSIDE, RequestForOther, story.disclose(account=BEN))
    story.refuse(RIVERSIDE, RequestForOther, story.refusal(account=BEN))
    elsewhere = story.disclose(story.request(custodian=HILLTOP))
    story.refuse(HILLTOP, NotYourPatient, elsewhere)
    story.refuse(ANA, NotACustodian, story.disclose())
    story.refuse(DR_CHO, NotACustodian, story.refusal())


def test_a_request_without_an_account_can_only_be_refused() -> None:
    story = granted()
    story.refuse(RIVERSIDE, RequestForOther, story.disclose(story.request(account=None)))
    [known] = story.do(RIVERSIDE, story.refusal(story.request(account=None)))
    [unknown] = story.do(RIVERSIDE, story.refusal(story.request(account=None), account=None))
    assert (known.account, unknown.account) == (ANA, None)
    assert [line.number for line in log(story.view, ANA)] == [1]


def test_a_refusal_about_another_custodians_patient_is_in_nobodys_log() -> None:
    story = granted()
    [happened] = story.do(HILLTOP, story.refusal(story.request(custodian=HILLTOP)))
    assert happened.account is None
    assert not list(log(story.view, ANA))


def test_a_custodian_cannot_hide_a_refusal_from_the_patient_who_was_named() -> None:
    story = granted()
    story.refuse(RIVERSIDE, RequestForOther, story.refusal(account=None))


def test_a_refusal_names_dimensions_and_no_more() -> None:
    story = granted()
    request = story.request(purpose="HMARKT")
    [happened] = story.do(RIVERSIDE, story.refusal(request, dimensions=("purpose", "action")))
    assert isinstance(happened, AccessRefused)
    row = refusal(story.view, RIVERSIDE, LAKEVIEW, happened.number)
    assert row is not None
    assert (row.dimensions, row.purpose) == (("purpose", "action"), "HMARKT")
    assert disclosure(story.view, RIVERSIDE, LAKEVIEW, happened.number) is None
    empty = story.attempt(RIVERSIDE, story.refusal(dimensions=()))
    assert empty.code == Malformed.code
    prose = story.attempt(RIVERSIDE, story.refusal(dimensions=("because of her diagnosis",)))
    assert prose.code == Malformed.code


def test_a_session_id_is_taken_once() -> None:
    story = granted()
    first = story.disclose()
    story.do(RIVERSIDE, first)
    story.refuse(RIVERSIDE, SessionTaken, story.disclose(session=first.session))


def test_ana_sees_her_own_records_without_anyones_consent() -> None:
    story = Story()
    [happened] = story.do(RIVERSIDE, story.own_access())
    assert (happened.receiver, happened.basis, happened.basis_id) == (ANA, "own-access", None)


@pytest.mark.parametrize(
    "asked",
    [{"purpose": "TREAT"}, {"account": BEN}],
)
def test_own_access_is_the_patients_own(asked: dict[str, Any]) -> None:
    story = Story()
    request = story.own_request(**asked)
    command = replace(story.own_access(request), account=asked.get("account", ANA))
    refusal_ = RequestNotGenuine if "account" in asked else BasisFails
    story.refuse(RIVERSIDE, refusal_, command)


def test_ana_asks_in_nobody_elses_name() -> None:
    story = granted()
    story.enrol_practitioner(RIVERSIDE, DR_EVE)
    for who in (DR_EVE, DR_CHO):
        posing = story.own_request(practitioner=who)
        story.refuse(RIVERSIDE, RequestNotGenuine, story.own_access(posing))
        story.refuse(RIVERSIDE, RequestNotGenuine, story.refusal(posing))


def test_a_patient_of_the_requester_does_not_ask_for_it() -> None:
    story = granted()
    story.enrol_patient(LAKEVIEW, DAN)
    posing = story.request(DAN, practitioner=DAN, role=None)
    story.refuse(RIVERSIDE, RequestNotGenuine, story.refusal(posing))
    story.refuse(RIVERSIDE, RequestNotGenuine, story.disclose(posing))


def test_nobody_else_claims_own_access() -> None:
    story = granted()
    story.refuse(RIVERSIDE, BasisFails, story.disclose(basis=OwnAccessBasis()))
    posing = story.request(RIVERSIDE, requester=RIVERSIDE, purpose="PATRQT", practitioner=None)
    story.refuse(RIVERSIDE, BasisFails, story.own_access(posing))


def test_in_an_emergency_dr_cho_signs_for_it_and_ana_sees_that() -> None:
    story = Story()
    stated, disclosed = story.do(RIVERSIDE, story.break_glass())
    assert isinstance(stated, EmergencyStated)
    assert (stated.practitioner, stated.reason) == (DR_CHO, "unconscious")
    assert (disclosed.basis, disclosed.basis_id) == ("break-glass", stated.emergency)
    row = emergency(story.view, RIVERSIDE, stated.emergency)
    assert row is not None
    assert (row.account, row.until) == (ANA, stated.until)


def test_an_emergency_counts_as_long_as_it_says_and_is_stated_once() -> None:
    story = Story()
    statement = story.emergency(until_s=7_200)
    assert len(story.do(RIVERSIDE, story.break_glass(statement=statement))) == 2
    story.time += 7_000
    assert len(story.do(RIVERSIDE, story.break_glass(statement=statement))) == 1
    story.time += 195
    story.refuse(RIVERSIDE, BasisFails, story.break_glass(statement=statement))


def test_an_emergency_statement_arrives_in_its_own_hour() -> None:
    story = Story()
    statement = story.emergency(until_s=7_200)
    story.time += 3_700
    story.refuse(RIVERSIDE, EmergencyNotGenuine, story.break_glass(statement=statement))


def test_an_emergency_needs_a_practitioner_and_ends_within_a_day() -> None:
    story = Story()
    for statement in (
        b"not a statement",
        story.emergency(LAKEVIEW),
        story.emergency(until_s=86_401),
        story.request(),
    ):
        story.refuse(RIVERSIDE, EmergencyNotGenuine, story.break_glass(statement=statement))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"purpose": "TREAT"}, {}),
        ({}, {"account": BEN}),
        ({}, {"custodian": HILLTOP}),
        ({"practitioner": None, "role": None}, {}),
    ],
)
def test_an_emergency_covers_what_it_says_and_who_says_it(
    asked: dict[str, Any], said: dict[str, Any]
) -> None:
    story = Story()
    signer = DR_CHO if asked.get("practitioner", DR_CHO) else LAKEVIEW
    request = story.request(signer, **({"purpose": "ETREAT"} | asked))
    command = story.break_glass(request, story.emergency(**said))
    story.refuse(RIVERSIDE, BasisFails, command)


def test_policy_and_law_come_later() -> None:
    story = granted()
    for basis in (
        NetworkPolicyBasis(policy=bytes(32)),
        RequiredByLawBasis(citation=bytes(32)),
    ):
        story.refuse(RIVERSIDE, BasisNotYet, story.disclose(basis=basis))
