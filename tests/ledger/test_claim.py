import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.claim import CODE_BYTES, claim_key, format_code, parse_code
from careledger.ledger.errors import Malformed
from careledger.ledger.record import AccountId, digest

CHAIN = digest(b"chain")
ANA, BEN = AccountId("@" + "a" * 26), AccountId("@" + "b" * 26)
NO_CODES = ["", "ABCD", "ABCD-" * 7, "ABCD-" * 5 + "AB9D", "é" * 24, "=" * 24]


@given(st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES))
def test_a_code_is_read_as_it_was_printed_however_it_is_typed(entropy: bytes) -> None:
    code = format_code(entropy)
    assert parse_code(code) == entropy
    typed = code.lower().replace("-", " ").replace("o", "0").replace("i", "1").replace("b", "8")
    assert parse_code(f" {typed}\n") == entropy


@pytest.mark.parametrize("typed", NO_CODES)
def test_what_is_no_code_is_malformed(typed: str) -> None:
    with pytest.raises(Malformed):
        parse_code(typed)


def test_a_code_is_another_key_for_every_account_and_chain() -> None:
    entropy = bytes(CODE_BYTES)
    keys = {
        claim_key(entropy, ANA, CHAIN).public.public,
        claim_key(entropy, BEN, CHAIN).public.public,
        claim_key(entropy, ANA, digest(b"another chain")).public.public,
        claim_key(b"\x01" + entropy[1:], ANA, CHAIN).public.public,
    }
    assert len(keys) == 4


def test_a_short_code_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="14"):
        claim_key(bytes(14), ANA, CHAIN)
    with pytest.raises(ValueError, match="14"):
        format_code(bytes(14))
