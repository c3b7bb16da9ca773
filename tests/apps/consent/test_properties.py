"""Whatever anybody signs, in any order: only Ana's own signature moves what Ana signed."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from careledger.apps.consent import queries
from careledger.apps.consent.commands import EndPaperConsent, RevokeConsent
from careledger.mechanisms.envelope import Envelope
from careledger.mechanisms.policy import Permit
from tests.apps.consent.story import (
    ANA,
    BEN,
    DR_CHO,
    DR_FINN,
    LAKEVIEW,
    NURSE_EMO,
    RIVERSIDE,
    ConsentNetwork,
    consent_id,
)

STRANGERS = st.sampled_from([RIVERSIDE, LAKEVIEW, BEN, DR_CHO, NURSE_EMO, DR_FINN])
NUMBERS = st.integers(1, 5)
DOINGS = st.sampled_from(["grant", "deny", "revoke", "attest", "end"])


def command(network: ConsentNetwork, doing: str, number: int) -> Any:
    match doing:
        case "grant":
            return network.grant(number)
        case "deny":
            return network.denial(number)
        case "revoke":
            return RevokeConsent(consent_id=consent_id(number))
        case "attest":
            return network.attest(network.paper(number))
        case _:
            return EndPaperConsent(account=ANA, consent_id=consent_id(number))


def signed_by_ana(network: ConsentNetwork) -> list[tuple[bytes, Envelope]]:
    every = queries.consents(network.view, ANA)
    return [(key, row) for key, row in every if row.form == "electronic"]


@given(st.lists(st.tuples(STRANGERS, DOINGS, NUMBERS), max_size=8))
def test_only_ana_moves_what_ana_signed(attempts: list[tuple[Any, str, int]]) -> None:
    network = ConsentNetwork()
    network.enrol_patient(LAKEVIEW, BEN)
    network.do(ANA, network.grant(1), network.denial(2, purposes=("HRESCH",)))
    network.do(ANA, network.grant(3))
    network.revoke(3)
    before = signed_by_ana(network)
    for signer, doing, number in attempts:
        network.attempt(signer, command(network, doing, number))
    assert signed_by_ana(network) == before
    assert network.answer() == "permit"
    assert network.answer(purpose="HRESCH") == "denial"


@given(st.lists(st.tuples(DOINGS, NUMBERS), max_size=8))
def test_history_only_grows(attempts: list[tuple[str, int]]) -> None:
    """Every row stays, says what it said, and is ended at most once."""
    network = ConsentNetwork()
    said: dict[bytes, Envelope] = {}
    for doing, number in attempts:
        network.time += 60
        signer = NURSE_EMO if doing in {"attest", "end"} else ANA
        network.attempt(signer, command(network, doing, number))
        now = dict(queries.consents(network.view, ANA))
        for key, row in said.items():
            assert now[key] in {row, *_ended(row, network.time)}
        said = now


def _ended(row: Envelope, time: int) -> list[Envelope]:
    from msgspec.structs import replace

    return [] if row.ended is not None else [replace(row, ended=time)]


@given(st.lists(st.tuples(st.sampled_from(["grant", "deny"]), NUMBERS), max_size=5))
def test_no_permit_is_given_after_everything_is_revoked(told: list[tuple[str, int]]) -> None:
    network = ConsentNetwork()
    for doing, number in told:
        network.attempt(ANA, command(network, doing, number))
    for key, _ in queries.consents(network.view, ANA):
        network.do(ANA, RevokeConsent(consent_id=key))
    assert not isinstance(network.decide(), Permit)
    for key, _ in queries.consents(network.view, ANA):
        assert not queries.basis_holds(network.view, network.use(), key)
