"""Cursors open again, whatever is in them, and their length says nothing of the vault."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.gateway.auth_caller import Caller, Identity
from careledger.gateway.auth_scopes import parse_scopes
from careledger.gateway.fhir_cursor import Cursors, fixed
from careledger.gateway.outcome import Refused
from tests.exchange.world import DR_FINN, NOW


class Page(msgspec.Struct, frozen=True, array_like=True):
    text: str
    after: bytes = b""


CURSORS = Cursors()


def caller(purpose: str = "TREAT") -> Caller:
    who = Identity(signer=DR_FINN, kind="practitioner")
    return Caller(identity=who, purpose=purpose, scopes=parse_scopes("system/*.rs"))  # type: ignore[arg-type] # any text binds


@given(st.text(max_size=40) | st.text(min_size=1_100, max_size=1_200))
def test_what_is_sealed_opens(text: str) -> None:
    """One cursor in three did not: base64 of that length was padded once too often."""
    sealed = CURSORS.seal(caller(), "Patient", Page(text), NOW)
    assert CURSORS.open(caller(), "Patient", sealed, Page, NOW) == Page(text)


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_cursor_is_as_long_whatever_number_it_holds(one: int, other: int) -> None:
    sealed = [CURSORS.seal(caller(), "", Page("x", fixed(n)), NOW) for n in (one, other)]
    assert len(sealed[0]) == len(sealed[1])


def test_a_cursor_is_of_one_caller_purpose_place_and_hour() -> None:
    sealed = CURSORS.seal(caller(), "Patient", Page("x"), NOW)
    for who, place, text, at in (
        (caller("HPAYMT"), "Patient", sealed, NOW),
        (caller(), "Observation", sealed, NOW),
        (caller(), "Patient", sealed[:-1], NOW),
        (caller(), "Patient", "", NOW),
        (caller(), "Patient", "%%%", NOW),
        (caller(), "Patient", sealed, NOW + 3_600),
        (caller(), "Patient", sealed, NOW - 60),
    ):
        with pytest.raises(Refused) as refused:
            CURSORS.open(who, place, text, Page, at)
        assert refused.value.status == 410
