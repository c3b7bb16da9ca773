"""Permits come out of decisions, and out of nothing else."""

import re
from pathlib import Path

import msgspec
import pytest

from careledger.mechanisms import policy
from careledger.mechanisms.policy import (
    Basis,
    Denied,
    ForgedPermitError,
    Permit,
    Use,
    own_access,
)
from careledger.mechanisms.terms import Facts, Provision, Terms
from tests.mechanisms.some import ANA, CHO, LAKEVIEW, RIVERSIDE

SOURCE = Path(policy.__file__).parents[1]
OWN = Use(
    custodian=RIVERSIDE,
    account=ANA,
    requester=RIVERSIDE,
    purpose="PATRQT",
    action="export",
    time=100,
)


def test_a_permit_cannot_be_made_by_hand() -> None:
    for token in (None, object(), True):
        with pytest.raises(ForgedPermitError):
            Permit(
                use=OWN,
                basis=Basis(name="grant", id=bytes(16)),
                rule="grant",
                expires=10**9,
                _grant=None,
                _denials=(),
                _token=token,
            )


def test_a_permit_cannot_be_changed_or_decoded() -> None:
    permit = own_access(OWN, ANA)
    assert isinstance(permit, Permit)
    with pytest.raises(AttributeError):
        permit.expires = 10**9  # type: ignore[misc]
    with pytest.raises((ForgedPermitError, msgspec.ValidationError, TypeError)):
        msgspec.json.decode(b"{}", type=Permit)


def test_only_decisions_make_permits() -> None:
    """`decided` is the one way, and only these modules know it."""
    callers = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        if re.search(r"\bdecided\(|\bimport .*\bdecided\b", file.read_text())
    }
    room = "mechanisms"
    assert callers <= {
        f"{room}/policy.py",
        f"{room}/conflict.py",
        f"{room}/emergency.py",
        f"{room}/workforce.py",
    }


@pytest.mark.parametrize(
    ("change", "dimensions"),
    [
        ({"requester": LAKEVIEW}, ("grantee",)),
        ({"practitioner": CHO}, ("person",)),
        ({"purpose": "TREAT"}, ("purpose",)),
        ({"requester": LAKEVIEW, "purpose": "TREAT"}, ("grantee", "purpose")),
    ],
)
def test_own_access_is_for_the_patient(change: dict[str, str], dimensions: tuple[str, ...]) -> None:
    answer = own_access(msgspec.structs.replace(OWN, **change), ANA)
    assert isinstance(answer, Denied)
    assert answer.dimensions == dimensions


def test_own_access_opens_everything_for_half_a_minute() -> None:
    permit = own_access(OWN, ANA)
    assert isinstance(permit, Permit)
    assert permit.covers(Facts(type="Observation")).allowed
    assert permit.is_unlimited
    assert permit.obligations == ()
    assert permit.is_live(100)
    assert permit.is_live(129)
    assert not permit.is_live(130)
    assert not permit.is_live(99)


def test_obligations_say_what_will_be_withheld() -> None:
    drugs = Provision(effect="permit", types=("MedicationRequest",))
    alcohol = Provision(effect="deny", codes=("x|alcohol",))
    permit = policy.decided(
        OWN,
        Basis(name="grant", id=bytes(16)),
        "grant",
        until=None,
        grant=Terms(base=drugs, exceptions=(alcohol,)),
        denials=(Terms(base=Provision(effect="deny", types=("Observation",))),),
    )
    told = [(one.duty, one.provision.types or one.provision.codes) for one in permit.obligations]
    assert told == [
        ("only", ("MedicationRequest",)),
        ("withhold", ("x|alcohol",)),
        ("withhold", ("Observation",)),
    ]
    assert not permit.is_unlimited
    assert permit.covers(Facts(type="Observation")).rule == "denial"
    assert permit.covers(Facts(type="Condition")).rule == "terms"
    assert permit.covers(Facts(type="MedicationRequest")).allowed
