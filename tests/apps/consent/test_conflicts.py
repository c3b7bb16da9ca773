"""One published rule for conflicts, held against a table of our own (cases.py)."""

import pytest

from careledger.apps.consent import queries
from careledger.mechanisms.policy import Denied
from tests.apps.consent.cases import CASES, Case, Said
from tests.apps.consent.story import ANA, NURSE_EMO, ConsentNetwork, consent_id


def tell(network: ConsentNetwork, said: Said, number: int) -> None:
    """Put one consent on the ledger, a minute after the one before."""
    network.time += 60
    match said.how:
        case "grant":
            network.do(ANA, network.grant(number, said.terms, **said.fields))
        case "denial":
            network.do(ANA, network.denial(number, said.terms, **said.fields))
        case "paper":
            paper = network.paper(number, said.terms, **said.fields)
            network.do(NURSE_EMO, network.attest(paper))
        case "revoke":
            network.revoke(said.fields["number"])
    if said.lost:
        del network.terms[consent_id(number)]


def test_there_are_enough_cases_and_no_two_have_one_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_conflict(case: Case) -> None:
    network = ConsentNetwork()
    for number, said in enumerate(case.given, start=1):
        tell(network, said, number)
    answer = network.decide(case.what, **case.asks)
    if isinstance(answer, Denied):
        assert " ".join(answer.dimensions) == case.then
    else:
        assert f"permit {int.from_bytes(answer.basis.id)}" == case.then
        held = queries.basis_holds(network.view, network.use(**case.asks), answer.basis.id)
        assert held, "the ledger must accept whatever basis a permit cites"
