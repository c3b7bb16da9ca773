"""One account cannot make decisions about it cost without end, nor be kept from saying no."""

from msgspec.structs import replace

from careledger.apps.consent.queries import KEPT_FOR_DENIALS, MAX_CONSENTS, MAX_PAPERS
from careledger.apps.consent.rules import TooManyConsents
from careledger.apps.consent.state import CONSENTS, PAPERS
from tests.apps.consent.story import DR_FINN, NURSE_EMO, ConsentNetwork, consent_id
from tests.apps.network import ANA

FIRST = 1_000_000


def fill(network: ConsentNetwork, count: int, *, paper: bool = False) -> None:
    """Put `count` more consents of Ana there, ended ones, as if she had given them."""
    [begun, *_] = [row for _, row in network.view.scan(CONSENTS, ANA)]
    [vouched, *_] = [row for _, row in network.view.scan(PAPERS, ANA)]
    form = replace(begun, form="paper" if paper else "electronic", ended=network.time)
    for number in range(count):
        id_ = consent_id(FIRST * (2 if paper else 1) + number)
        network.state.apply(CONSENTS.put(form, ANA, id_))
        if paper:
            network.state.apply(PAPERS.put(vouched, ANA, id_))


def test_one_account_says_so_much_and_the_last_of_it_are_denials() -> None:
    network = ConsentNetwork()
    network.do(ANA, network.grant(1))
    network.do(DR_FINN, network.attest(network.paper(2), witness=NURSE_EMO))
    fill(network, MAX_CONSENTS - KEPT_FOR_DENIALS - 2)
    network.do(ANA, network.grant(3))
    network.refuse(ANA, TooManyConsents, network.grant(4))
    fill(network, MAX_CONSENTS - KEPT_FOR_DENIALS + 97)
    network.do(ANA, network.denial(5))
    network.refuse(ANA, TooManyConsents, network.denial(6))
    network.revoke(1)


def test_paper_takes_no_room_from_what_the_patient_says() -> None:
    network = ConsentNetwork()
    network.do(ANA, network.grant(1))
    network.do(DR_FINN, network.attest(network.paper(2), witness=NURSE_EMO))
    fill(network, MAX_PAPERS - 1, paper=True)
    another = network.attest(network.paper(3), witness=NURSE_EMO)
    network.refuse(DR_FINN, TooManyConsents, another)
    network.do(ANA, network.denial(4))
