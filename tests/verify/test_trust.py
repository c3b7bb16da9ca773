"""Trust files."""

import json

import pytest

from careledger.ledger.errors import Malformed
from careledger.ledger.signature import key_id
from careledger.verify.trust import find_trust, format_trust, make_trust, parse_trust
from tests.example_log import CHAIN, CHECKPOINT_KEYS, MERCY, ORIGIN, PLAINS, RECEIPT_KEYS
from tests.verify.network import trust


def test_a_trust_file_reads_as_it_was_written() -> None:
    text = format_trust(trust())
    assert parse_trust(text.encode()) == trust()
    assert json.loads(text)["format"] == "careledger-trust/1"


def test_it_knows_its_log_and_its_members_keys() -> None:
    assert find_trust([trust()], ORIGIN) == trust()
    assert find_trust([trust()], "careledger/other") is None
    key = RECEIPT_KEYS[MERCY].public
    assert trust().receipt_keys()[key_id(key)] == (MERCY, key)


def test_it_is_made_from_a_list_of_keys() -> None:
    keys = [
        ("plains", "checkpoint", CHECKPOINT_KEYS[PLAINS].public),
        ("mercy", "checkpoint", CHECKPOINT_KEYS[MERCY].public),
        ("mercy", "receipt", RECEIPT_KEYS[MERCY].public),
        ("mercy", "transaction", CHECKPOINT_KEYS[MERCY].public),
        ("plains", "receipt", RECEIPT_KEYS[PLAINS].public),
    ]
    assert make_trust(CHAIN, 2, keys) == trust()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"{}",
        format_trust(trust(threshold=3)).encode(),
        format_trust(trust(threshold=0)).encode(),
        format_trust(trust(chain="short")).encode(),
        format_trust(trust(format="careledger-trust/2")).encode(),
        format_trust(trust(members=trust().members * 2, threshold=3)).encode(),
        format_trust(trust()).replace('"chain"', '"chains"').encode(),
    ],
)
def test_what_nobody_should_trust_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse_trust(text)
