"""`.tlog-proof` files: round trips and refusals."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.tlog_proof import TlogProof, parse_tlog_proof
from tests.example_log import COMMITTED, GRANTED, example_log

LOG = example_log()
PROOF = TlogProof(
    extra=LOG.entries[COMMITTED],
    index=COMMITTED,
    path=LOG.path(COMMITTED),
    checkpoint=LOG.checkpoint(),
)


@given(st.integers(0, LOG.size - 1), st.booleans())
def test_a_proof_reads_as_it_was_written_and_verifies(index: int, extra: bool) -> None:  # noqa: FBT001
    proof = TlogProof(
        extra=LOG.entries[index] if extra else None,
        index=index,
        path=LOG.path(index),
        checkpoint=LOG.checkpoint(),
    )
    parsed = parse_tlog_proof(proof.format())
    assert parsed == proof
    parsed.verify(LOG.entries[index])


def test_the_text_is_the_one_of_c2sp() -> None:
    lines = PROOF.format().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1].startswith("extra ")
    assert lines[2] == "index 1"
    assert lines[3 + len(PROOF.path)] == ""
    assert PROOF.format().endswith(PROOF.checkpoint.format())


def test_another_entry_fails() -> None:
    with pytest.raises(ProofError):
        PROOF.verify(LOG.entries[GRANTED])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("@v1", "@v2"),
        lambda text: text.replace("index 1", "index 01"),
        lambda text: text.replace("index 1", "index  1"),
        lambda text: text.replace("index 1\n", ""),
        lambda text: text.replace("extra ", "extra  "),
        lambda text: text.replace("extra ", "more "),
        lambda text: text.replace("index", "extra AA==\nindex"),
        lambda text: text.replace("\n\n", "\nAA==\n\n", 1),
        lambda text: text.replace("\n\n", "\n\n\n", 1),
        lambda text: text.split("\n\n")[0],
        lambda text: "",
    ],
)
def test_other_spellings_are_malformed(spoil: Callable[[str], str]) -> None:
    with pytest.raises(Malformed):
        parse_tlog_proof(spoil(PROOF.format()))
