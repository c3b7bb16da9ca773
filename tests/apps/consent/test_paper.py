"""Consent on paper: two of the desk attest it, it never widens, and Ana can end it."""

from typing import Any

import pytest

from careledger.apps.consent import queries
from careledger.apps.consent.rules import (
    ConsentIdUsed,
    GrantTooWide,
    NotOnPaper,
    NotTheCustodian,
    NotTheDesk,
    NoWitness,
    PaperNotAllowed,
)
from careledger.ledger.errors import SignerSuspended
from tests.apps.consent.story import (
    ANA,
    DR_CHO,
    DR_FINN,
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


def test_a_paper_is_attested_by_two_and_shown_as_paper(network: ConsentNetwork) -> None:
    [attested] = network.do(NURSE_EMO, network.attest(network.paper()))
    assert (attested.staff, attested.witness) == (NURSE_EMO, DR_FINN)
    row = queries.consent(network.view, ANA, consent_id(3))
    assert row is not None
    assert row.form == "paper"
    assert network.answer() == "permit"


def test_paper_only_where_the_network_allows_it() -> None:
    network = ConsentNetwork(paper=False)
    network.refuse(NURSE_EMO, PaperNotAllowed, network.attest(network.paper()))


@pytest.mark.parametrize("stranger", [RIVERSIDE, LAKEVIEW, DR_CHO, ANA])
def test_only_the_desk_attests(network: ConsentNetwork, stranger: Any) -> None:
    network.refuse(stranger, NotTheDesk, network.attest(network.paper()))


@pytest.mark.parametrize("witness", [NURSE_EMO, DR_CHO, ANA])
def test_the_witness_is_a_second_practitioner_of_the_custodian(
    network: ConsentNetwork, witness: Any
) -> None:
    network.refuse(NURSE_EMO, NoWitness, network.attest(network.paper(), witness))


def test_the_witness_saw_the_same_paper(network: ConsentNetwork) -> None:
    seen = network.paper(purposes=("HRESCH",))
    network.refuse(NURSE_EMO, NoWitness, network.attest(network.paper(), seen=seen))


def test_a_witness_statement_serves_once(network: ConsentNetwork) -> None:
    attestation = network.attest(network.paper())
    network.do(NURSE_EMO, attestation)
    network.refuse(NURSE_EMO, ConsentIdUsed, attestation)


def test_a_grant_on_paper_is_as_exact_as_any(network: ConsentNetwork) -> None:
    for missing in ({"grantee": None}, {"purposes": ()}, {"actions": ()}):
        network.refuse(NURSE_EMO, GrantTooWide, network.attest(network.paper(**missing)))


def test_paper_is_for_patients_of_the_desk(network: ConsentNetwork) -> None:
    network.refuse(NURSE_EMO, NotTheCustodian, network.attest(network.paper(account=DR_FINN)))
    network.refuse(NURSE_EMO, NotTheCustodian, network.attest(network.paper(custodian=LAKEVIEW)))


def test_ana_or_the_desk_can_end_a_grant_on_paper(network: ConsentNetwork) -> None:
    network.do(NURSE_EMO, network.attest(network.paper(3)))
    network.do(NURSE_EMO, network.attest(network.paper(4)))
    network.revoke(3)
    [ended] = network.do(DR_FINN, ending(4))
    assert ended.staff == DR_FINN
    assert network.do(NURSE_EMO, ending(4)) == []
    assert network.answer() == "status"


def test_the_desk_cannot_end_what_ana_signed_nor_a_denial(network: ConsentNetwork) -> None:
    network.do(ANA, network.grant(1))
    network.do(NURSE_EMO, network.attest(network.paper(3, kind="denial")))
    network.refuse(NURSE_EMO, NotOnPaper, ending(1))
    network.refuse(NURSE_EMO, NotOnPaper, ending(3))
    assert network.answer() == "denial"


def test_the_desk_of_a_suspended_member_can_end_paper_and_nothing_else(
    network: ConsentNetwork,
) -> None:
    network.do(NURSE_EMO, network.attest(network.paper(3)))
    network.suspend(RIVERSIDE, RIVERSIDE)
    network.refuse(NURSE_EMO, SignerSuspended, network.attest(network.paper(4)))
    network.do(NURSE_EMO, ending(3))


def test_suspended_staff_end_nothing(network: ConsentNetwork) -> None:
    network.do(NURSE_EMO, network.attest(network.paper(3)))
    network.suspend(NURSE_EMO, RIVERSIDE)
    network.refuse(NURSE_EMO, NotTheDesk, ending(3))
