"""Consent as Ana lives it: what only she can do, and what nobody can do for her."""

from typing import Any

import pytest

from careledger.apps.consent import queries
from careledger.apps.consent.commands import (
    AttestPaperConsent,
    DenyConsent,
    EndPaperConsent,
    GrantConsent,
    RevokeConsent,
)
from careledger.apps.consent.rules import (
    AlreadyOver,
    ConsentIdUsed,
    NotTheCustodian,
    NotTheDesk,
    NotThePatient,
    UnknownConsent,
    UnknownGrantee,
    UnknownPractitioner,
)
from careledger.ledger.errors import SignerSuspended
from careledger.mechanisms.policy import PERMIT_S, Denied, Permit
from careledger.mechanisms.terms import Facts, Provision, Terms
from tests.apps.consent.story import (
    ANA,
    DR_CHO,
    DR_DIAZ,
    HILLTOP,
    LAKEVIEW,
    NURSE_EMO,
    RIVERSIDE,
    ConsentNetwork,
    consent_id,
    ending,
)


@pytest.fixture
def network() -> ConsentNetwork:
    return ConsentNetwork()


# --- granting, denying, revoking -------------------------------------------------------------


def test_without_any_consent_the_answer_is_no(network: ConsentNetwork) -> None:
    assert network.answer() == "consent"


def test_ana_grants_and_lakeview_reads(network: ConsentNetwork) -> None:
    [granted] = network.do(ANA, network.grant())
    assert (granted.account, granted.given) == (ANA, network.time)
    answer = network.decide()
    assert isinstance(answer, Permit)
    assert answer.basis.id == consent_id(1)
    assert answer.expires == network.time + PERMIT_S


@pytest.mark.parametrize(
    ("outside", "dimension"),
    [
        ({"custodian": HILLTOP}, "custodian"),
        ({"practitioner": DR_DIAZ}, "person"),
        ({"practitioner": None}, "person"),
        ({"role": "pharmacist"}, "role"),
        ({"role": None}, "role"),
        ({"purpose": "HRESCH"}, "purpose"),
        ({"action": "export"}, "action"),
        ({"time": 1_790_000_000 + 400 * 86_400}, "validity"),
        ({"time": 1_790_000_000 - 86_400}, "validity"),
    ],
)
def test_a_read_outside_any_one_dimension_names_it(
    network: ConsentNetwork, outside: dict[str, Any], dimension: str
) -> None:
    network.do(ANA, network.grant(practitioner=DR_CHO, role="clinician"))
    assert network.answer() == "permit"
    assert network.answer(**outside) == dimension


def test_a_read_by_another_organisation_names_the_grantee(network: ConsentNetwork) -> None:
    network.do(ANA, network.grant())
    assert network.answer(requester=HILLTOP, practitioner=None) == "grantee"


def test_revocation_acts_on_the_next_decision(network: ConsentNetwork) -> None:
    network.do(ANA, network.grant())
    network.revoke()
    assert network.answer() == "status"
    assert not queries.basis_holds(network.view, network.use(), consent_id(1))


def test_revoking_twice_is_revoking_once(network: ConsentNetwork) -> None:
    network.do(ANA, network.grant())
    network.revoke()
    ended = queries.consent(network.view, ANA, consent_id(1))
    network.time += 60
    assert network.do(ANA, RevokeConsent(consent_id=consent_id(1))) == []
    assert queries.consent(network.view, ANA, consent_id(1)) == ended


def test_history_survives_and_ids_are_never_used_again(network: ConsentNetwork) -> None:
    network.do(ANA, network.grant(1))
    network.revoke(1)
    network.refuse(ANA, ConsentIdUsed, network.grant(1))
    network.refuse(ANA, ConsentIdUsed, network.denial(1))
    network.time += 60
    network.do(ANA, network.grant(2))
    told = queries.history(network.view, ANA)
    assert [(key, row.ended is None) for key, row in told] == [
        (consent_id(1), False),
        (consent_id(2), True),
    ]


def test_a_denial_wins_over_any_grant_until_it_is_revoked(network: ConsentNetwork) -> None:
    network.do(ANA, network.grant(1), network.denial(2))
    assert network.answer() == "denial"
    network.revoke(2)
    assert network.answer() == "permit"


def test_terms_narrow_what_a_grant_opens(network: ConsentNetwork) -> None:
    medications = Terms(base=Provision(effect="permit", types=("MedicationRequest",)))
    network.do(ANA, network.grant(1, medications))
    permit = network.decide()
    assert isinstance(permit, Permit)
    assert permit.obligations[0].duty == "only"
    del network.terms[consent_id(1)]
    assert network.answer() == "terms"


# --- nobody else ---------------------------------------------------------------------------


@pytest.mark.parametrize("stranger", [RIVERSIDE, LAKEVIEW, DR_CHO, NURSE_EMO])
def test_nobody_grants_or_denies_for_ana(network: ConsentNetwork, stranger: Any) -> None:
    network.refuse(stranger, NotThePatient, network.grant())
    network.refuse(stranger, NotThePatient, network.denial())


@pytest.mark.parametrize("stranger", [RIVERSIDE, LAKEVIEW, DR_CHO])
def test_nobody_revokes_for_ana(network: ConsentNetwork, stranger: Any) -> None:
    network.do(ANA, network.grant())
    network.refuse(stranger, NotThePatient, RevokeConsent(consent_id=consent_id(1)))
    network.refuse(stranger, NotTheDesk, ending(1))


def test_only_the_custodian_that_enrolled_ana_can_be_named(network: ConsentNetwork) -> None:
    network.refuse(ANA, NotTheCustodian, network.grant(custodian=LAKEVIEW))
    network.refuse(ANA, NotTheCustodian, network.denial(custodian=HILLTOP))


def test_grantees_must_exist(network: ConsentNetwork) -> None:
    network.refuse(ANA, UnknownGrantee, network.grant(grantee="nowhere"))
    network.refuse(ANA, UnknownPractitioner, network.grant(practitioner=NURSE_EMO))
    network.refuse(ANA, UnknownPractitioner, network.grant(practitioner=ANA))
    network.refuse(ANA, UnknownPractitioner, network.denial(practitioner=DR_CHO))


def test_days_must_lie_ahead(network: ConsentNetwork) -> None:
    today = network.today
    network.refuse(ANA, AlreadyOver, network.grant(valid_from=today - 9, valid_until=today))
    network.refuse(ANA, AlreadyOver, network.grant(valid_from=today + 2, valid_until=today + 2))


def test_unknown_consents_cannot_be_ended(network: ConsentNetwork) -> None:
    network.refuse(ANA, UnknownConsent, RevokeConsent(consent_id=consent_id(9)))
    network.refuse(NURSE_EMO, UnknownConsent, ending(9))


# --- suspension ----------------------------------------------------------------------------


def test_patients_of_a_suspended_member_can_still_deny_and_revoke(
    network: ConsentNetwork,
) -> None:
    network.do(ANA, network.grant(1))
    network.suspend(RIVERSIDE, RIVERSIDE)
    network.refuse(ANA, SignerSuspended, network.grant(5))
    network.do(ANA, network.denial(2))
    network.do(ANA, RevokeConsent(consent_id=consent_id(1)))


def test_a_suspended_requester_sees_nothing(network: ConsentNetwork) -> None:
    network.do(ANA, network.grant())
    network.suspend(LAKEVIEW, LAKEVIEW)
    assert network.answer() == "grantee"
    network.refuse(ANA, UnknownGrantee, network.grant(2))
    network.do(ANA, network.denial(3, grantee=LAKEVIEW))


def test_a_suspended_practitioner_sees_nothing(network: ConsentNetwork) -> None:
    network.do(ANA, network.grant())
    network.suspend(DR_CHO, LAKEVIEW)
    assert network.answer() == "person"
    assert network.answer(practitioner=DR_DIAZ) == "permit"


def test_a_practitioner_of_somebody_else_is_not_vouched_for(network: ConsentNetwork) -> None:
    network.do(ANA, network.grant())
    assert network.answer(practitioner=NURSE_EMO) == "person"


# --- asking why -------------------------------------------------------------------------------


def test_ana_is_told_how_each_consent_was_read(network: ConsentNetwork) -> None:
    network.do(ANA, network.grant(1), network.grant(2, purposes=("HRESCH",)))
    network.do(ANA, network.grant(3, Terms(base=Provision(effect="permit"))))
    del network.terms[consent_id(3)]
    told = queries.explain(network.view, network.use(), network.terms.get)
    assert [(one.reading, one.failing) for one in told] == [
        ("matches", ()),
        ("outside", ("purpose",)),
        ("terms-missing", ()),
    ]


def test_ana_is_told_about_one_resource(network: ConsentNetwork) -> None:
    labs = Terms(base=Provision(effect="permit", types=("Observation",)))
    network.do(ANA, network.grant(1, labs))
    network.do(NURSE_EMO, network.attest(network.paper(3)))
    for type_, reading in (("Observation", "covers"), ("Condition", "silent")):
        told = queries.explain(network.view, network.use(), network.terms.get, Facts(type=type_))
        assert [one.reading for one in told] == [reading, "set-aside"]


def test_what_the_requester_is_told_says_nothing_of_the_terms(network: ConsentNetwork) -> None:
    labs = Terms(base=Provision(effect="permit", types=("Observation",)))
    network.do(ANA, network.grant(1, labs))
    refused = network.decide(Facts(type="Condition", codes=("x|secret",)))
    assert isinstance(refused, Denied)
    assert refused.dimensions == ("terms",)
    assert "secret" not in repr(refused)


def test_a_cited_consent_is_the_basis(network: ConsentNetwork) -> None:
    network.do(ANA, network.grant(1), network.grant(2))
    cited = queries.decide(network.view, network.use(), network.terms.get, consent_id(2))
    assert isinstance(cited, Permit)
    assert cited.basis.id == consent_id(2)
    unknown = queries.decide(network.view, network.use(), network.terms.get, consent_id(7))
    assert isinstance(unknown, Denied)


def test_commands_hold_nothing_that_could_name_another_account() -> None:
    """Whose consent it is follows from who signed, except where the desk acts on paper."""
    for command in (GrantConsent, DenyConsent, RevokeConsent):
        assert "account" not in command.__struct_fields__
    assert "account" in EndPaperConsent.__struct_fields__
    assert "consent" in AttestPaperConsent.__struct_fields__
