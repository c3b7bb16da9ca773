"""Terms: their one encoding, their commitment, and what they look at."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import Malformed
from careledger.ledger.record import decode, encode
from careledger.mechanisms.policy import Use
from careledger.mechanisms.terms import (
    CONFIDENTIALITY,
    SENSITIVITY,
    Facts,
    Period,
    Provision,
    Terms,
    TermsMismatchError,
    commit,
    open_terms,
)
from tests.mechanisms.some import ANA, LAKEVIEW, RIVERSIDE, terms

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "terms.json").read_text())

USE = Use(
    custodian=RIVERSIDE,
    account=ANA,
    requester=LAKEVIEW,
    purpose="TREAT",
    action="read",
    time=0,
)


def allows(what: Facts, **filters: Any) -> bool:
    return Terms(base=Provision(effect="permit", **filters)).covers(what, USE)


def forbids(what: Facts, **filters: Any) -> bool:
    return Terms(base=Provision(effect="deny", **filters)).covers(what, USE)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vector(vector: dict[str, Any]) -> None:
    said = msgspec.json.decode(json.dumps(vector["terms"]), type=Terms)
    encoded, salt = bytes.fromhex(vector["encoded"]), bytes.fromhex(vector["salt"])
    assert encode(said) == encoded
    assert commit(salt, said).hex() == vector["commitment"]
    assert open_terms(bytes.fromhex(vector["commitment"]), salt, encoded).terms == said


@given(terms("permit") | terms("deny"))
def test_terms_have_one_encoding(said: Terms) -> None:
    assert decode(encode(said), Terms) == said


@given(said=terms("permit"), salt=st.binary(min_size=32, max_size=32), at=st.integers(0))
def test_changed_terms_do_not_open(said: Terms, salt: bytes, at: int) -> None:
    encoded = bytearray(encode(said))
    encoded[at % len(encoded)] ^= 1
    with pytest.raises(TermsMismatchError):
        open_terms(commit(salt, said), salt, bytes(encoded))


def test_another_salt_does_not_open() -> None:
    said = Terms(base=Provision(effect="permit"))
    with pytest.raises(TermsMismatchError):
        open_terms(commit(bytes(32), said), b"1" * 32, encode(said))
    with pytest.raises(TermsMismatchError):
        commit(b"short", said)


def test_what_was_committed_to_must_be_terms() -> None:
    import hmac

    commitment = hmac.digest(bytes(32), b"\xa0", "sha256")
    with pytest.raises(Malformed):
        open_terms(commitment, bytes(32), b"\xa0")


# --- labels ------------------------------------------------------------------------------------


def labelled(*codes: str) -> Facts:
    return Facts(type="Observation", labels=codes)


N, R, V = (CONFIDENTIALITY + level for level in "NRV")
ETH, ETHUD, PSY = (SENSITIVITY + code for code in ("ETH", "ETHUD", "PSY"))


def test_the_highest_confidentiality_counts() -> None:
    assert allows(labelled(N), labels=(N,))
    assert not allows(labelled(N, R), labels=(N,))
    assert allows(labelled(N, R), labels=(R,))


def test_a_denial_of_a_level_includes_those_above() -> None:
    assert forbids(labelled(V), labels=(R,))
    assert not forbids(labelled(N), labels=(R,))
    assert not allows(labelled(V), labels=(R,))


def test_a_sensitivity_includes_its_narrower_ones() -> None:
    assert forbids(labelled(ETHUD), labels=(ETH,))
    assert allows(labelled(ETHUD), labels=(ETH,))
    assert not forbids(labelled(ETH), labels=(ETHUD,))
    assert not forbids(labelled(PSY), labels=(ETH,))


def test_an_unlabelled_resource_has_no_label() -> None:
    assert not allows(labelled(), labels=(N,))
    assert not forbids(labelled(), labels=(N,))


# --- time --------------------------------------------------------------------------------------


def during(start: int | None, end: int | None) -> Facts:
    return Facts(type="Encounter", start=start, end=end)


@pytest.mark.parametrize(
    ("start", "end", "verdict"),
    [
        (10, 20, "allowed forbidden"),
        (0, 10, ""),
        (20, 30, ""),
        (5, 15, "forbidden"),
        (15, 25, "forbidden"),
        (0, 30, "forbidden"),
        (None, None, "forbidden"),
        (15, None, "forbidden"),
    ],
)
def test_a_period_is_permitted_whole_and_denied_in_part(
    start: int | None, end: int | None, verdict: str
) -> None:
    period = Period(start=10, end=20)
    assert allows(during(start, end), period=period) == ("allowed" in verdict)
    assert forbids(during(start, end), period=period) == ("forbidden" in verdict)


def test_an_open_period_has_one_end() -> None:
    assert allows(during(10**9, 10**9 + 1), period=Period(start=10))
    assert not allows(during(0, 11), period=Period(start=10))
    assert forbids(during(-5, -4), period=Period(end=0))
