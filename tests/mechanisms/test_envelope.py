"""Envelopes as rows: the fast way to read one is the same as the checked way."""

from hypothesis import given

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
