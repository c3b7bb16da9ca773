"""Break-glass: one practitioner's signature, for one patient, for a short time."""

from typing import Any

import pytest

from careledger.ledger.errors import Malformed, UnknownSigner
from careledger.ledger.membership import KEYS, SIGNERS, KeyRow, SignerRow
from careledger.ledger.record import AccountId, MemberId, digest
from careledger.ledger.signature import SigningKey, key_id
from careledger.ledger.state import MemoryReader, View
from careledger.ledger.statement import Claims
from careledger.mechanisms.emergency import (
    MAX_EMERGENCY_S,
    Emergency,
    VerifiedEmergency,
    sign_emergency,
    verify_emergency,
)
from tests.mechanisms.some import ANA, CHO, LAKEVIEW, RIVERSIDE

CHAIN, NOW = digest(b"chain"), 1_790_000_000
KEY = SigningKey("EdDSA", digest(b"Dr Cho"))


def state(
    person: str = "active", member: str = "active", signer: str = CHO, kind: Any = "account"
) -> View:
    statuses: Any = (person, member)
    reader = MemoryReader()
    row = SignerRow(kind=kind, payer=LAKEVIEW, status=statuses[0])
    reader.apply(SIGNERS.put(row, signer))
    reader.apply(
        SIGNERS.put(SignerRow(kind="member", payer=LAKEVIEW, status=statuses[1]), LAKEVIEW)
    )
    public = KEY.public
    key = KeyRow(use="transaction", algorithm="EdDSA", public=public.public, since=0)
    reader.apply(KEYS.put(key, signer, key_id(public)))
    return View(reader)


def statement(issuer: str = CHO, until: int = NOW + 3_600, chain: bytes = CHAIN) -> bytes:
    claims = Claims(
        issuer=issuer,
        subject="emergency",
        audience=chain.hex(),
        not_before=NOW,
        expires=NOW + 600,
        nonce=bytes(16),
    )
    said = Emergency(custodian=RIVERSIDE, account=ANA, reason="unconscious", until=until)
    return sign_emergency(KEY, claims, said)


def check(data: bytes, view: View | None = None, time: int = NOW) -> VerifiedEmergency:
    return verify_emergency(data, view or state(), CHAIN, time)


def test_a_practitioner_states_an_emergency() -> None:
    verified = check(statement())
    assert (verified.practitioner, verified.member) == (AccountId(CHO), MemberId(LAKEVIEW))
    assert verified.emergency.purpose == "ETREAT"


def test_an_emergency_ends_within_a_day() -> None:
    longest = check(statement(until=NOW + MAX_EMERGENCY_S))
    assert longest.emergency.until - longest.since == MAX_EMERGENCY_S
    for until in (NOW + MAX_EMERGENCY_S + 1, NOW, NOW - 1):
        with pytest.raises(Malformed):
            check(statement(until=until))


def test_it_arrives_in_time_and_on_its_chain() -> None:
    with pytest.raises(Malformed):
        check(statement(), time=NOW + 601)
    with pytest.raises(Malformed):
        check(statement(chain=digest(b"another")))


def test_only_somebody_in_good_standing_states_one() -> None:
    for view in (state(person="suspended"), state(person="removed"), state(member="suspended")):
        with pytest.raises(UnknownSigner):
            check(statement(), view)
    with pytest.raises(UnknownSigner):
        check(statement(issuer="@" + "x" * 26))


def test_an_organisation_states_no_emergency() -> None:
    with pytest.raises(UnknownSigner):
        check(statement(issuer="hilltop"), state(signer="hilltop", kind="member"))
