"""What the gateway remembers of sign-ins is bounded, and nothing is forgotten early."""

import pytest

from careledger.gateway.auth_caller import Caller, Identity
from careledger.gateway.auth_scopes import grant
from careledger.gateway.auth_tokens import TOKEN_S, SeenAssertions, Tokens
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import Digest, MemberId

NOW = 1_790_000_000
RIVERSIDE = Caller(
    identity=Identity(signer=MemberId("riverside"), kind="member", key_id=Digest(bytes(32))),
    purpose="TREAT",
    scopes=grant("system/*.rs", "member"),
)


def test_a_token_is_its_callers_until_it_ends() -> None:
    tokens = Tokens()
    first, second = tokens.issue(RIVERSIDE, NOW), tokens.issue(RIVERSIDE, NOW)
    assert first != second
    assert tokens.find(first, NOW + TOKEN_S - 1) is RIVERSIDE
    assert tokens.find(first, NOW + TOKEN_S) is None
    assert tokens.find("no token", NOW) is None


def test_a_full_memory_refuses_newcomers_until_something_ends() -> None:
    tokens = Tokens(most=2)
    first = tokens.issue(RIVERSIDE, NOW)
    tokens.issue(RIVERSIDE, NOW + 1)
    with pytest.raises(Unavailable):
        tokens.issue(RIVERSIDE, NOW + 2)
    assert tokens.find(first, NOW + 2) is RIVERSIDE
    tokens.issue(RIVERSIDE, NOW + TOKEN_S)
    with pytest.raises(Unavailable):
        tokens.issue(RIVERSIDE, NOW + TOKEN_S)


def test_a_full_memory_of_assertions_lets_none_through() -> None:
    seen = SeenAssertions(most=1)
    assert seen.use("ana", "one", NOW + 10, NOW)
    assert not seen.use("ana", "one", NOW + 10, NOW)
    with pytest.raises(Unavailable):
        seen.use("ana", "two", NOW + 10, NOW)
    assert not seen.use("ana", "one", NOW + 10, NOW + 9)
    assert seen.use("ana", "two", NOW + 20, NOW + 10)


def test_nobody_shuts_others_out() -> None:
    seen = SeenAssertions(most=100, most_each=2)
    assert seen.use("busy", "1", NOW + 10, NOW)
    assert seen.use("busy", "2", NOW + 20, NOW)
    with pytest.raises(Unavailable):
        seen.use("busy", "3", NOW + 20, NOW)
    assert seen.use("ana", "3", NOW + 20, NOW)
    assert seen.use("busy", "3", NOW + 20, NOW + 10)
    assert not seen.use("busy", "2", NOW + 20, NOW + 10)


def test_issuer_and_jti_cannot_be_cut_differently() -> None:
    seen = SeenAssertions()
    assert seen.use("riverside", "x", NOW + 10, NOW)
    assert seen.use("riversidex", "", NOW + 10, NOW)
