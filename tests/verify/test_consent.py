"""Consent receipts: Ana keeps proof of what she allowed, and of whether it still stood."""

import hmac

import pytest

from careledger.apps.consent import APPLICATION
from careledger.apps.consent.commands import ConsentGranted
from careledger.apps.consent.state import CONSENTS
from careledger.ledger.entry import BlockEntry, EventRecord, GenesisEntry
from careledger.ledger.errors import ProofError
from careledger.ledger.record import digest, encode
from careledger.ledger.state_root import Tree
from careledger.mechanisms.envelope import Envelope
from careledger.verify.consent import check_consent
from careledger.verify.format import ConsentFile, ReceiptFile, RowFile, decode_file, encode_file
from tests.example_log import ANA, CHAIN, MERCY, PLAINS, TIME, ExampleLog, event
from tests.verify.network import trust

CONSENT = bytes(range(16))
TERMS, SALT = encode({"base": "medications and results"}), digest(b"salt of terms")
COMMITMENT = hmac.digest(SALT, TERMS, "sha256")
# As the applications themselves make them: the verifier has its own reading of each.
GRANTED = EventRecord(
    application=APPLICATION.name,
    event=encode(
        ConsentGranted(
            account=ANA,
            consent_id=CONSENT,
            custodian=MERCY,
            grantee=PLAINS,
            purposes=("TREAT",),
            actions=("read",),
            valid_from=20_700,
            valid_until=21_065,
            terms=COMMITMENT,
            given=TIME,
        )
    ),
)


def kept(*, ended: int | None = None, key: bytes | None = None) -> ConsentFile:
    """The grant in block 1, and the state after block 2."""
    envelope = Envelope(
        kind="grant",
        form="electronic",
        custodian=MERCY,
        grantee=PLAINS,
        practitioner=None,
        role=None,
        purposes=("TREAT",),
        actions=("read",),
        valid_from=20_700,
        valid_until=21_065,
        terms=COMMITMENT,
        given=TIME,
        ended=ended,
    )
    row, key = encode(envelope), CONSENTS.at(ANA, CONSENT) if key is None else key
    tree = Tree()
    delta = tree.delta({key: row}, lambda _: b"")
    tree.accept(delta)
    log = ExampleLog()
    log.add(GenesisEntry(chain=CHAIN))
    granted = log.transact(b"grant", GRANTED)
    log.add(BlockEntry(height=1, time=TIME, state_root=bytes(32), version=1))
    log.transact(b"other")
    block = BlockEntry(height=2, time=TIME + 60, state_root=tree.root, version=1)
    index = log.add(block)
    checkpoint = log.checkpoint().format()
    receipt = ReceiptFile(
        chain=CHAIN, transaction=None, proof=log.proof(granted), checkpoint=checkpoint
    )
    (bucket,) = delta.buckets.values()
    standing = RowFile(
        chain=CHAIN,
        key=key,
        value=row,
        proof=tree.prove(key, bucket),
        block=block,
        index=index,
        path=log.path(index),
        checkpoint=checkpoint,
    )
    return ConsentFile(receipt=receipt, terms=TERMS, salt=SALT, standing=standing)


def sentences(file: ConsentFile) -> list[str]:
    decoded = decode_file(encode_file(file))
    assert isinstance(decoded, ConsentFile)
    return [step.sentence for step in check_consent(decoded, [trust()])]


def without(file: ConsentFile, **fields: object) -> ConsentFile:
    import msgspec

    return msgspec.structs.replace(file, **fields)


def test_it_says_what_was_allowed_and_that_it_stands() -> None:
    said = sentences(kept())
    assert said[0] == (
        f"{ANA} allows plains: read of what mercy holds, for TREAT, from 2026-09-04 until before "
        "2027-09-04."
    )
    assert said[1] == "The terms given here are those that it commits to."
    assert said[-1] == "It had not been ended."


def test_it_says_that_it_was_ended() -> None:
    assert sentences(kept(ended=TIME + 30))[-1] == "It had been ended, at 2026-09-21 14:13:50 UTC."


def test_terms_may_stay_with_the_parties() -> None:
    said = sentences(without(kept(), terms=None, salt=None, standing=None))
    assert "only its parties hold" in said[1]


def test_other_terms_fail() -> None:
    for fields in ({"terms": b"more"}, {"salt": bytes(32)}, {"salt": None}):
        with pytest.raises(ProofError, match="terms"):
            sentences(without(kept(), **fields))


def test_another_row_does_not_show_its_state() -> None:
    with pytest.raises(ProofError, match="not that of this consent"):
        sentences(kept(key=b"consent.envelopes\0another"))


def test_a_state_from_before_shows_nothing() -> None:
    import msgspec

    file = kept()
    assert file.standing is not None
    earlier = msgspec.structs.replace(file.standing, index=0)
    with pytest.raises(ProofError, match="not from after"):
        sentences(without(file, standing=earlier))


def test_a_transaction_without_consent_is_no_consent_receipt() -> None:
    log = ExampleLog()
    log.add(GenesisEntry(chain=CHAIN))
    index = log.transact(b"other", event("records", "committed"))
    receipt = ReceiptFile(
        chain=CHAIN,
        transaction=None,
        proof=log.proof(index),
        checkpoint=log.checkpoint().format(),
    )
    with pytest.raises(ProofError, match="one consent"):
        sentences(ConsentFile(receipt=receipt))
