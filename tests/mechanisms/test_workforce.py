"""A custodian's own people need no grant, and a denial that names the custodian stops them."""

from typing import Any

import pytest

from careledger.ledger.record import encode
from careledger.mechanisms.envelope import Envelope
from careledger.mechanisms.policy import Denied, Permit, Use
from careledger.mechanisms.terms import Facts, Provision, Terms, commit, open_terms
from careledger.mechanisms.workforce import workforce
from tests.mechanisms.some import ANA, DAY, LAKEVIEW, RIVERSIDE, SALT

NO_LABS = Terms(base=Provision(effect="deny", types=("Observation",)))


def use(**fields: Any) -> Use:
    asked: dict[str, Any] = {
        "custodian": RIVERSIDE,
        "account": ANA,
        "requester": RIVERSIDE,
        "purpose": "TREAT",
        "action": "read",
        "time": 2 * DAY,
    }
    return Use(**(asked | fields))


def denial(terms: Terms | None = None, **fields: Any) -> Envelope:
    said: dict[str, Any] = {
        "kind": "denial",
        "form": "electronic",
        "custodian": RIVERSIDE,
        "grantee": RIVERSIDE,
        "practitioner": None,
        "role": None,
        "purposes": (),
        "actions": (),
        "valid_from": 0,
        "valid_until": None,
        "terms": None if terms is None else commit(SALT, terms),
        "given": 0,
    }
    return Envelope(**(said | fields))


def answer(*denials: Envelope, terms: Terms | None = None, **fields: Any) -> Permit | Denied:
    opened = None if terms is None else open_terms(commit(SALT, terms), SALT, encode(terms))
    given = [(number.to_bytes(16), envelope) for number, envelope in enumerate(denials)]
    return workforce(use(**fields), given, lambda _: opened)


@pytest.mark.parametrize("purpose", ["TREAT", "HPAYMT", "HOPERAT", "COC", "FRAUD"])
def test_treatment_payment_and_operations_need_no_grant(purpose: str) -> None:
    permit = answer(purpose=purpose)
    assert isinstance(permit, Permit)
    assert permit.basis.name == "workforce"
    assert permit.covers(Facts(type="Observation")).allowed


@pytest.mark.parametrize(
    ("change", "dimension"),
    [
        ({"requester": LAKEVIEW}, "grantee"),
        ({"purpose": "HRESCH"}, "purpose"),
        ({"purpose": "HMARKT"}, "purpose"),
        ({"purpose": "PATRQT"}, "purpose"),
    ],
)
def test_nobody_else_and_nothing_else(change: dict[str, Any], dimension: str) -> None:
    refused = answer(**change)
    assert isinstance(refused, Denied)
    assert refused.dimensions == (dimension,)


def test_a_denial_that_names_the_custodian_stops_it() -> None:
    refused = answer(denial())
    assert isinstance(refused, Denied)
    assert refused.dimensions == ("denial",)
    assert isinstance(answer(denial(grantee=None)), Permit)
    assert isinstance(answer(denial(grantee=LAKEVIEW)), Permit)
    assert isinstance(answer(denial(ended=1)), Permit)


def test_its_terms_say_how_far() -> None:
    permit = answer(denial(NO_LABS), terms=NO_LABS)
    assert isinstance(permit, Permit)
    assert not permit.covers(Facts(type="Observation")).allowed
    assert permit.covers(Facts(type="Condition")).allowed
    missing = answer(denial(NO_LABS))
    assert isinstance(missing, Denied)
    assert missing.dimensions == ("terms",)
