"""PKCE: the example of RFC 7636, and what is no verifier."""

import pytest

from careledger.gateway.auth_pkce import challenge_of, is_answer

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_example_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    assert challenge_of(VERIFIER) == CHALLENGE
    assert is_answer(VERIFIER, CHALLENGE)


def test_another_verifier_is_not_the_answer() -> None:
    another = VERIFIER[:-1] + "l"
    assert not is_answer(another, CHALLENGE)
    assert is_answer(another, challenge_of(another))


@pytest.mark.parametrize("text", ["", VERIFIER[:42], "a" * 129, VERIFIER[:42] + "é"])
def test_what_is_no_verifier_answers_nothing(text: str) -> None:
    """RFC 7636, 4.1: 43 to 128 characters."""
    assert not is_answer(text, challenge_of(text))
