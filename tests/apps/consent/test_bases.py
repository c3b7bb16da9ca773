"""Bases that need no consent: an emergency, and one's own record."""

from typing import Any

import pytest

from careledger.apps.consent import queries
from careledger.mechanisms.emergency import Emergency, sign_emergency, verify_emergency
from careledger.mechanisms.policy import Denied, Permit
from tests.apps.consent.story import (
    ANA,
    CHAIN,
    DR_CHO,
    DR_DIAZ,
    HILLTOP,
    LAKEVIEW,
    NURSE_EMO,
    RIVERSIDE,
    ConsentNetwork,
)


@pytest.fixture
def network() -> ConsentNetwork:
    return ConsentNetwork()


def emergency(network: ConsentNetwork, **fields: Any) -> bytes:
    said: dict[str, Any] = {
        "custodian": RIVERSIDE,
        "account": ANA,
        "reason": "unconscious",
        "until": network.time + 3_600,
    }
    return sign_emergency(
        network.keys[DR_CHO], network.claims(DR_CHO, "emergency"), Emergency(**(said | fields))
    )


def break_glass(network: ConsentNetwork, statement: bytes, **fields: Any) -> Permit | Denied:
    verified = verify_emergency(statement, network.view, CHAIN, network.time)
    use = network.use(**({"purpose": "ETREAT"} | fields))
    return queries.decide_break_glass(network.view, use, verified)


def test_break_glass_needs_no_consent_and_no_denial_stops_it(network: ConsentNetwork) -> None:
    network.do(ANA, network.denial())
    permit = break_glass(network, emergency(network))
    assert isinstance(permit, Permit)
    assert permit.basis.name == "break-glass"
    assert permit.obligations == ()


@pytest.mark.parametrize(
    ("outside", "dimension"),
    [
        ({"custodian": HILLTOP}, "custodian"),
        ({"requester": HILLTOP, "practitioner": None}, "grantee person"),
        ({"practitioner": DR_DIAZ}, "person"),
        ({"purpose": "TREAT"}, "purpose"),
        ({"time": 1_790_000_000 + 3_600}, "validity"),
    ],
)
def test_break_glass_is_for_one_practitioner_one_patient_and_a_short_time(
    network: ConsentNetwork, outside: dict[str, Any], dimension: str
) -> None:
    answer = break_glass(network, emergency(network), **outside)
    assert isinstance(answer, Denied)
    assert " ".join(answer.dimensions) == dimension


def test_ana_sees_her_own_record_and_nobody_does_in_her_name(network: ConsentNetwork) -> None:
    use = network.use(requester=RIVERSIDE, practitioner=None, role=None, purpose="PATRQT")
    assert isinstance(queries.decide_own_access(network.view, use, ANA), Permit)
    for signer in (NURSE_EMO, RIVERSIDE):
        answer = queries.decide_own_access(network.view, use, signer)
        assert isinstance(answer, Denied)
        assert answer.dimensions == ("person",)
    elsewhere = network.use(custodian=LAKEVIEW, purpose="PATRQT")
    assert isinstance(queries.decide_own_access(network.view, elsewhere, ANA), Denied)
