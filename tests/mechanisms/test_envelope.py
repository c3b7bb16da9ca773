"""Envelopes as rows: the fast way to read one is the same as the checked way."""

import pytest
from hypothesis import given

from careledger.ledger.errors import CorruptStore
from careledger.ledger.record import decode, encode
from careledger.mechanisms.envelope import Envelope, stored_envelope
from tests.mechanisms.some import Consent, consents


@given(consents())
def test_the_fast_way_reads_the_same(consent: Consent) -> None:
    envelope, _ = consent
    row = encode(envelope)
    assert stored_envelope(row) == decode(row, Envelope) == envelope


def test_the_fast_way_knows_every_field() -> None:
    assert Envelope.__struct_fields__ == (
        "kind",
        "form",
        "custodian",
        "grantee",
        "practitioner",
        "role",
        "purposes",
        "actions",
        "valid_from",
        "valid_until",
        "terms",
        "given",
        "ended",
    )


@pytest.mark.parametrize("row", [b"", b"\xa1", b"\x80", b"\xa0", b"\x01", b"\xf6"])
def test_a_damaged_row_is_damage_and_no_answer(row: bytes) -> None:
    with pytest.raises(CorruptStore):
        stored_envelope(row)
