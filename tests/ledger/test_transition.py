from dataclasses import replace
from typing import NoReturn

import pytest

from careledger.ledger.checkpoint import app_hash
from careledger.ledger.errors import (
    BadSignature,
    CorruptStore,
    InternalFault,
    InvalidBlock,
    Malformed,
    ProofError,
    SignerSuspended,
    Unavailable,
    UnknownApplication,
    UnknownSigner,
    WrongKeyUse,
)
from careledger.ledger.membership import KEYS, SIGNERS
from careledger.ledger.merkle import Frontier, leaf_hash
from careledger.ledger.record import Digest
from careledger.ledger.signature import key_id
from careledger.ledger.state import MemoryReader, View
from careledger.ledger.transaction import (
    Call,
    SignatureInvalid,
    VerifiedTransaction,
    parse_transaction,
    sign_transaction,
)
from careledger.ledger.transaction import verify_transaction as verify
from careledger.ledger.transition import Applied, Block, apply_block, close_block
from tests.ledger.world import (
    ANA,
    APPLICATIONS,
    CHAIN,
    LAKEVIEW,
    NOTES,
    NOW,
    RIVERSIDE,
    Claim,
    Explode,
    Protect,
    SetNote,
    Unwelcome,
    claims,
    enrolled,
    first_state,
    key,
    parent,
    registered,
    verified,
)

HELLO = SetNote(at="door", text="hello")
BAD = SetNote(at="door", text="unwelcome")


def run(
    *transactions: VerifiedTransaction, state: MemoryReader | None = None, time: int = NOW
) -> Applied:
    block = Block(height=1, time=time, transactions=transactions)
    return apply_block(View(state or first_state()), parent(), block, CHAIN, APPLICATIONS)


def codes(applied: Applied) -> list[int]:
    return [receipt.code for receipt in applied.receipts]


def test_a_command_becomes_an_event_and_a_row() -> None:
    applied = run(verified(ANA, HELLO))
    assert codes(applied) == [0]
    assert View(None, applied.changes).row(NOTES, ANA, "door").text == "hello"


def test_a_refusal_leaves_a_numbered_receipt_and_nothing_else() -> None:
    applied = run(verified(ANA, BAD))
    assert codes(applied) == [Unwelcome.code]
    assert applied.changes == {}


def test_commands_of_one_transaction_succeed_or_fail_together() -> None:
    applied = run(verified(ANA, HELLO, BAD))
    assert codes(applied) == [Unwelcome.code]
    assert applied.changes == {}


def test_later_transactions_see_earlier_ones_and_the_last_wins() -> None:
    again = SetNote(at="door", text="again")
    applied = run(verified(ANA, HELLO), verified(ANA, again, nonce=1))
    assert View(None, applied.changes).row(NOTES, ANA, "door").text == "again"


def test_a_bug_in_a_rule_is_a_refusal_and_an_alarm_not_a_halt() -> None:
    applied = run(verified(ANA, Explode()), verified(ANA, HELLO, nonce=1))
    assert codes(applied) == [InternalFault.code, 0]
    assert applied.alarms == ("1/0: ZeroDivisionError",)


@pytest.mark.parametrize("stray", [BadSignature, ProofError, SignatureInvalid, KeyError])
def test_any_other_error_out_of_a_rule_is_a_refusal_too(stray: type[Exception]) -> None:
    def fail(*_: object) -> NoReturn:
        raise stray

    broken = {"toy": replace(APPLICATIONS["toy"], evolve=fail)}
    block = Block(height=1, time=NOW, transactions=(verified(ANA, HELLO),))
    applied = apply_block(View(first_state()), parent(), block, CHAIN, broken)
    assert codes(applied) == [InternalFault.code]


def test_a_damaged_row_is_nobody_s_refusal() -> None:
    state = first_state()
    state.apply({SIGNERS.at(ANA): b"\xa1damage"})
    block = Block(height=1, time=NOW, transactions=(verified(ANA, HELLO),))
    with pytest.raises(CorruptStore):
        apply_block(View(state), parent(), block, CHAIN, APPLICATIONS)


@pytest.mark.parametrize("fatal", [MemoryError, RecursionError, OSError, Unavailable, CorruptStore])
def test_a_machine_at_its_limits_halts(fatal: type[Exception]) -> None:
    def fail(*_: object) -> NoReturn:
        raise fatal

    broken = {"toy": replace(APPLICATIONS["toy"], decide=fail)}
    block = Block(height=1, time=NOW, transactions=(verified(ANA, HELLO),))
    with pytest.raises(fatal):
        apply_block(View(first_state()), parent(), block, CHAIN, broken)


def test_an_unknown_application_is_refused() -> None:
    raw = sign_transaction(key(ANA), claims(ANA), Call(application="nosuch", command=b"\xa0"))
    assert codes(run(verify(parse_transaction(raw), key(ANA).public))) == [UnknownApplication.code]


def test_an_unknown_command_is_refused() -> None:
    raw = sign_transaction(key(ANA), claims(ANA), Call(application="toy", command=b"\xa0"))
    assert codes(run(verify(parse_transaction(raw), key(ANA).public))) == [Malformed.code]


def test_a_key_retired_earlier_in_the_block_signs_no_more() -> None:
    state = first_state()
    row = KEYS.at(ANA, key_id(key(ANA).public))
    state.apply({row: None})
    assert codes(run(verified(ANA, HELLO), state=state)) == [UnknownSigner.code]


def test_a_cached_verification_under_another_key_does_not_count() -> None:
    stranger = verified(ANA, HELLO, signing=key("stranger"))
    assert codes(run(stranger)) == [UnknownSigner.code]


def test_a_suspended_member_signs_nothing_but_its_patient_still_protects_herself() -> None:
    state = first_state()
    state.apply(enrolled(RIVERSIDE, RIVERSIDE, "suspended"))
    applied = run(
        verified(RIVERSIDE, HELLO),
        verified(ANA, HELLO),
        verified(ANA, Protect(), nonce=1),
        verified(LAKEVIEW, HELLO),
        state=state,
    )
    assert codes(applied) == [SignerSuspended.code, SignerSuspended.code, 0, 0]


def test_a_removed_account_is_unknown() -> None:
    state = first_state()
    state.apply(enrolled(ANA, RIVERSIDE, "removed"))
    assert codes(run(verified(ANA, Protect()), state=state)) == [UnknownSigner.code]


def test_a_claim_key_signs_claims_and_nothing_else() -> None:
    state = first_state()
    state.apply(registered(ANA, key("code"), "claim"))
    applied = run(
        verified(ANA, HELLO, signing=key("code")),
        verified(ANA, Claim(), signing=key("code")),
        verified(ANA, Claim()),
        state=state,
    )
    assert codes(applied) == [WrongKeyUse.code, 0, WrongKeyUse.code]


def test_a_block_that_does_not_follow_is_invalid() -> None:
    for height, time in ((2, NOW), (0, NOW), (1, NOW - 1)):
        block = Block(height=height, time=time, transactions=())
        with pytest.raises(InvalidBlock):
            apply_block(View(), parent(), block, CHAIN, APPLICATIONS)


def test_an_empty_block_changes_the_height_only() -> None:
    frontier = Frontier().extend([leaf_hash(b"genesis")])
    block = Block(height=1, time=NOW + 5, transactions=())
    applied = apply_block(View(), parent(), block, CHAIN, APPLICATIONS)
    closed = close_block(applied, block, parent(), Digest(bytes(32)), frontier)
    assert closed.entries == ()
    assert closed.header.app_hash == app_hash(1, parent().log_root, 1)


def test_a_block_ends_with_its_block_entry() -> None:
    frontier = Frontier().extend([leaf_hash(b"genesis")])
    block = Block(height=1, time=NOW, transactions=(verified(ANA, HELLO), verified(ANA, BAD)))
    applied = apply_block(View(first_state()), parent(), block, CHAIN, APPLICATIONS)
    closed = close_block(applied, block, parent(), Digest(bytes(32)), frontier)
    assert len(closed.entries) == 3
    assert closed.header.size == 4
    assert closed.frontier.root() == closed.header.log_root
