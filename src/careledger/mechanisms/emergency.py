"""Break-glass: in an emergency a practitioner signs for it, and is answerable for it.

It needs no envelope and no denial stops it; it needs one practitioner's signature over custodian,
patient account, ETREAT, a coded reason and an end at most 24 hours on (45 CFR 164.312(a)(2)(ii),
42 CFR 2.51). The patient is told of every use.
"""

from dataclasses import dataclass
from typing import Final, Literal

from careledger.ledger.errors import Malformed, UnknownSigner
from careledger.ledger.membership import SIGNERS, may_act_in_emergency
from careledger.ledger.record import (
    AccountName,
    Digest,
    Instant,
    MemberName,
    Record,
    TransactionId,
    decode,
    encode,
)
from careledger.ledger.signature import SigningKey
from careledger.ledger.state import View
from careledger.ledger.statement import (
    Claims,
    ContentType,
    parse_statement,
    sign_statement,
    verify_statement,
)
from careledger.mechanisms.policy import Basis, Denied, Dimension, Permit, Use, decided
from careledger.mechanisms.purpose import includes

CONTENT_TYPE: Final[ContentType] = "application/vnd.careledger.emergency+cbor"

MAX_EMERGENCY_S: Final = 86_400

EmergencyReason = Literal[
    "unconscious", "cannot-consent", "threat-to-life", "threat-to-others", "disaster"
]


class Emergency(Record):
    """What the practitioner signs."""

    custodian: MemberName
    account: AccountName
    purpose: Literal["ETREAT"] = "ETREAT"
    reason: EmergencyReason
    until: Instant
    """First second at which it no longer counts; at most 24 hours after the statement began."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedEmergency:
    """An emergency, signed by an active practitioner of a member that may act in one."""

    id: TransactionId
    practitioner: str
    member: str
    since: Instant
    emergency: Emergency


def sign_emergency(key: SigningKey, claims: Claims, emergency: Emergency) -> bytes:
    """The statement, signed by the practitioner whose account `claims.issuer` is."""
    return sign_statement(key, CONTENT_TYPE, claims, encode(emergency))


def verify_emergency(data: bytes, view: View, chain: Digest, time: Instant) -> VerifiedEmergency:
    """Check an emergency statement against committed state.

    The statement has to arrive within its own window, as every statement has; what it says counts
    until `Emergency.until`. So a rule that saw it arrive may check it again at the time it began.

    Raises:
        Malformed: not such a statement, outside its window, or its end is too far off.
        UnknownSigner: not signed by a live key of an active account of an active member, or of
            one that has been suspended for 72 hours at most.
    """
    statement = parse_statement(data, CONTENT_TYPE)
    verify_statement(statement, view, chain, time)
    emergency = decode(statement.payload, Emergency)
    since = statement.claims.not_before
    if not since < emergency.until <= since + MAX_EMERGENCY_S:
        raise Malformed
    signer = view.find(SIGNERS, statement.issuer, absent=UnknownSigner)
    member = view.find(SIGNERS, signer.payer, absent=UnknownSigner)
    stands = signer.status == "active" and may_act_in_emergency(member, time)
    if signer.kind != "account" or not stands:
        raise UnknownSigner
    return VerifiedEmergency(
        id=statement.id,
        practitioner=statement.issuer,
        member=signer.payer,
        since=since,
        emergency=emergency,
    )


def break_glass(use: Use, verified: VerifiedEmergency) -> Permit | Denied:
    """Decide a use on the strength of a practitioner's emergency statement."""
    said = verified.emergency
    failing: list[Dimension] = []
    if use.custodian != said.custodian:
        failing.append("custodian")
    if use.requester != verified.member:
        failing.append("grantee")
    if use.practitioner != verified.practitioner or use.account != said.account:
        failing.append("person")
    if not includes(("ETREAT",), use.purpose):
        failing.append("purpose")
    if not verified.since <= use.time < said.until:
        failing.append("validity")
    if failing:
        return Denied(use=use, dimensions=tuple(failing), rule="break-glass")
    basis = Basis(name="break-glass", id=verified.id)
    return decided(use, basis, "break-glass", until=said.until)
