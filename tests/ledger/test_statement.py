import pytest

from careledger.ledger.errors import Malformed, UnknownSigner
from careledger.ledger.record import digest
from careledger.ledger.state import View
from careledger.ledger.statement import (
    ContentType,
    parse_statement,
    sign_statement,
    verify_statement,
)
from tests.ledger.world import ANA, CHAIN, NOW, claims, first_state, key

REQUEST: ContentType = "application/vnd.careledger.request+cbor"
EMERGENCY: ContentType = "application/vnd.careledger.emergency+cbor"


def test_a_statement_verifies_against_the_live_key_of_its_issuer() -> None:
    statement = parse_statement(sign_statement(key(ANA), REQUEST, claims(ANA), b"why"), REQUEST)
    assert statement.payload == b"why"
    assert statement.issuer == ANA
    verify_statement(statement, View(first_state()), CHAIN, NOW)


def test_one_content_type_is_not_taken_for_another() -> None:
    with pytest.raises(Malformed):
        parse_statement(sign_statement(key(ANA), REQUEST, claims(ANA), b""), EMERGENCY)


@pytest.mark.parametrize(
    ("time", "chain"), [(NOW - 100, CHAIN), (NOW + 601, CHAIN), (NOW, digest(b"another"))]
)
def test_outside_its_window_or_chain_it_says_nothing(time: int, chain: bytes) -> None:
    statement = parse_statement(sign_statement(key(ANA), REQUEST, claims(ANA), b""), REQUEST)
    with pytest.raises(Malformed):
        verify_statement(statement, View(first_state()), chain, time)  # type: ignore[arg-type] # bytes


def test_a_stranger_a_wrong_use_and_a_bad_signature_are_unknown() -> None:
    view = View(first_state())
    stranger = parse_statement(sign_statement(key("stranger"), REQUEST, claims(ANA), b""), REQUEST)
    own = parse_statement(sign_statement(key(ANA), REQUEST, claims(ANA), b""), REQUEST)
    with pytest.raises(UnknownSigner):
        verify_statement(stranger, view, CHAIN, NOW)
    with pytest.raises(UnknownSigner):
        verify_statement(own, view, CHAIN, NOW, use="client")
    forged = parse_statement(own.raw[:-64] + bytes(64), REQUEST)
    with pytest.raises(UnknownSigner):
        verify_statement(forged, view, CHAIN, NOW)
