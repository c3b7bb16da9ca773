"""Requests: what one party signs when it asks a custodian for records, and how that is checked.

The custodian's answer carries the request onto the ledger, so that nobody can invent one. What
exactly is asked for travels beside it; here stands only its salted commitment.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from careledger.ledger.errors import UnknownSigner
from careledger.ledger.membership import SIGNERS, may_act_in_emergency
from careledger.ledger.record import (
    AccountName,
    Digest,
    Hash,
    Instant,
    MemberId,
    MemberName,
    Record,
    SignerId,
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
from careledger.mechanisms.envelope import ConsentId
from careledger.mechanisms.policy import Role, Use
from careledger.mechanisms.purpose import Purpose
from careledger.mechanisms.terms import Action

CONTENT_TYPE: Final[ContentType] = "application/vnd.careledger.request+cbor"

AskedActions = Annotated[tuple[Action, ...], msgspec.Meta(min_length=1, max_length=3)]


class AccessRequest(Record):
    """What the requester signs."""

    custodian: MemberName
    account: AccountName | None
    """The patient, as the custodian's account; None where only the custodian can know it."""
    requester: MemberName
    """The organisation that asks; the custodian itself, where a patient asks for their own."""
    purpose: Purpose
    actions: AskedActions
    practitioner: AccountName | None = None
    role: Role | None = None
    consent_id: ConsentId | None = None
    """The grant that the requester relies on, if it knows of one."""
    query: Hash | None = None
    """Salted commitment to what exactly is asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedRequest:
    """A request whose signature is that of whoever it says asks, in good standing."""

    id: TransactionId
    signer: SignerId
    request: AccessRequest

    @property
    def receiver(self) -> SignerId:
        """Who is answered: the patient, of their own request, else the organisation."""
        own = self.request.account is not None and self.signer == self.request.account
        return self.signer if own else MemberId(self.request.requester)

    def emergency_at(self, time: Instant) -> Instant | None:
        """`time`, if whoever asks then says that it is an emergency; else `None`."""
        return time if self.request.purpose == "ETREAT" else None

    def uses(self, account: str, time: Instant) -> Iterator[Use]:
        """What is to be decided, at `time`, about the patient `account`: a use for each action."""
        asked = self.request
        for action in asked.actions:
            yield Use(
                custodian=asked.custodian,
                account=account,
                requester=asked.requester,
                purpose=asked.purpose,
                action=action,
                time=time,
                practitioner=asked.practitioner,
                role=asked.role,
            )


def sign_request(key: SigningKey, claims: Claims, request: AccessRequest) -> bytes:
    """The request, signed by `claims.issuer`: the member, its practitioner, or the patient."""
    return sign_statement(key, CONTENT_TYPE, claims, encode(request))


def verify_request(data: bytes, view: View, chain: Digest, time: Instant) -> VerifiedRequest:
    """Check a request against committed state.

    Raises:
        Malformed: not such a statement, for another chain, or outside its window.
        UnknownSigner: not signed by a live key of whoever asks, or one of them is not active. Who
            asks in an emergency may be of a member that has been suspended for 72 hours at most.
    """
    statement = parse_statement(data, CONTENT_TYPE)
    verify_statement(statement, view, chain, time)
    request = decode(statement.payload, AccessRequest)
    signer = statement.issuer
    if signer != request.requester:
        _check_person(signer, request)
        _check_active(view, signer, request.requester)
    if request.practitioner is not None:
        _check_active(view, request.practitioner, request.requester)
    member = view.find(SIGNERS, request.requester, absent=UnknownSigner)
    in_emergency = request.purpose == "ETREAT" and may_act_in_emergency(member, time)
    if not in_emergency:
        _check_active(view, request.requester, request.requester)
    return VerifiedRequest(id=statement.id, signer=signer, request=request)


def _check_person(signer: SignerId, request: AccessRequest) -> None:
    """An account asks as the practitioner that is named, or as the patient at their custodian.

    A patient names nobody else: it would stand in the log that they had asked.
    """
    is_practitioner = signer == request.practitioner
    is_patient = signer == request.account and request.requester == request.custodian
    if not (is_practitioner or (is_patient and request.practitioner is None)):
        raise UnknownSigner


def _check_active(view: View, signer: str, payer: str) -> None:
    row = view.find(SIGNERS, signer, absent=UnknownSigner)
    if row.payer != payer or row.status != "active":
        raise UnknownSigner
