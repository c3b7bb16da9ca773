"""The patient's own access to her record (45 CFR 164.524): asked for, proved, acknowledged.

She asks each custodian under her account there. What comes back is held against the ledger, byte
for byte, before she sees any of it.
"""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Final, assert_never

from careledger.apps.records import APPLICATION
from careledger.apps.records.commands import AcknowledgeDisclosure, Disclosed
from careledger.ledger.commitment import (
    Opening,
    TransactionProof,
    commit,
)
from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.record import (
    AccountId,
    Digest,
    Instant,
    MemberId,
    TransactionId,
    decode,
    encode,
)
from careledger.ledger.statement import parse_statement
from careledger.mechanisms.messages import (
    ANSWER,
    ASK,
    Answer,
    Ask,
    Query,
    Refused,
    Rejected,
    Released,
    ReleasedRecord,
    asked,
    manifest,
    split_parts,
)
from careledger.mechanisms.request import CONTENT_TYPE, AccessRequest, sign_request
from careledger.mechanisms.terms import Action
from careledger.vault.errors import Tampered
from careledger.vault.sealing import Binding, new_sealing_key, open_from
from careledger.verify.record import verify_committed
from careledger.wallet.contents import HeldAccount
from careledger.wallet.errors import NotAccepted, NotAnswered
from careledger.wallet.post import ASK_PATH, gateway_of, seal_letter
from careledger.wallet.proofs import transaction_proof
from careledger.wallet.wallet import Wallet

PATIENT_REQUEST: Final = "PATRQT"
EVERYTHING: Final = Query()

_TRIES, _PAUSE_S = 20, 0.1


@dataclass(frozen=True, slots=True)
class OwnResource:
    """One resource, byte for byte as its custodian committed to it."""

    opening: Opening
    transaction: bytes
    """The transaction that committed it."""
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class OwnRecord:
    """What one custodian gave, all of it checked; `proofs` are by transaction."""

    custodian: MemberId
    resources: tuple[OwnResource, ...]
    proofs: dict[bytes, TransactionProof]
    notice: str
    as_of: Instant
    number: int


@dataclass(frozen=True)
class _Sent:
    """An ask on its way, and what its answer opens with."""

    ask: Ask
    request: TransactionId
    private: bytes


async def read(wallet: Wallet, member: str, query: Query = EVERYTHING) -> OwnRecord:
    """What the custodian `member` holds of the patient, or the part that `query` asks for.

    Raises:
        NoAccount, NotReachable: she is not known there, or it cannot be reached.
        NotAnswered: it refused, which the log then shows.
        ProofError: what it sent is not what it committed to; none of it is returned.
        Unavailable: no answer.
    """
    held = wallet.contents.account_at(member)
    sent = _prepare(wallet, held, query)
    custodian = MemberId(held.member)
    letter = seal_letter(wallet.view, wallet.chain, custodian, ASK, encode(sent.ask))
    answer = await wallet.post.send(gateway_of(wallet.view, custodian) + ASK_PATH, letter)
    said, parts = _open(wallet, held, sent, answer)
    released = _released(parts)
    commitments = [
        commit(record.opening.name, record.opening.salt, data) for record, data in released
    ]
    expected = manifest(said.salt, sent.request, commitments)
    await _check_disclosure(wallet, said, sent, expected)
    proofs = await _check_resources(wallet, held, released)
    await _acknowledge(wallet, held, said, expected)
    return OwnRecord(
        custodian=custodian,
        resources=tuple(
            OwnResource(record.opening, record.transaction, data) for record, data in released
        ),
        proofs=proofs,
        notice=said.notice,
        as_of=said.as_of,
        number=said.number,
    )


def _prepare(wallet: Wallet, held: HeldAccount, query: Query) -> _Sent:
    salt, (private, public) = secrets.token_bytes(32), new_sealing_key()
    request = AccessRequest(
        custodian=held.member,
        account=held.account,
        requester=held.member,
        purpose=PATIENT_REQUEST,
        actions=(_action_of(query),),
        query=asked(salt, query, public),
    )
    claims = wallet.claims(AccountId(held.account), "request")
    signed = sign_request(wallet.key_at(held), claims, request)
    ask = Ask(request=signed, query=query, salt=salt, reply_to=public)
    return _Sent(ask, parse_statement(signed, CONTENT_TYPE).id, private)


def _action_of(query: Query) -> Action:
    if query.type is None:
        return "export"
    return "search" if query.id is None else "read"


def _open(
    wallet: Wallet, held: HeldAccount, sent: _Sent, answer: bytes
) -> tuple[Released, list[bytes]]:
    binding = Binding(
        chain=wallet.chain, channel=ANSWER, receiver=held.account, context=sent.ask.salt
    )
    try:
        head, *parts = split_parts(open_from(sent.private, binding, answer))
        said: Answer = decode(head, Answer)  # type: ignore[arg-type] # a union is no type[T]
    except (Tampered, Malformed, ValueError) as error:
        raise ProofError("the answer is not one to this request") from error
    match said:
        case Refused(dimensions=dimensions):
            raise NotAnswered(f"{held.member} refused your request: {', '.join(dimensions)}")
        case Rejected(text=text):
            raise NotAnswered(f"{held.member} could not answer your request: {text}")
        case Released(custodian=custodian):
            if custodian != held.member:
                raise ProofError("the answer is another custodian's", expected=held.member)
            return said, parts
        case _:
            assert_never(said)


def _released(parts: list[bytes]) -> list[tuple[ReleasedRecord, bytes]]:
    if len(parts) % 2:
        raise ProofError("a resource came without its proof")
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [(decode(proof, ReleasedRecord), data) for proof, data in pairs]


async def _check_disclosure(wallet: Wallet, said: Released, sent: _Sent, expected: Digest) -> None:
    """Hold the answer against the disclosure on the ledger, which must be of exactly this."""
    for _ in range(_TRIES):
        await wallet.refresh()
        for seen in wallet.copy.seen:
            event = wallet.copy.event_of(seen)
            if seen.transaction == said.transaction and isinstance(event, Disclosed):
                found = event.request, event.manifest, event.number
                if found != (sent.request, expected, said.number):
                    raise ProofError("the ledger says that something else was disclosed")
                return
        await asyncio.sleep(_PAUSE_S)
    raise ProofError("the ledger holds no such disclosure", expected=said.transaction.hex())


async def _check_resources(
    wallet: Wallet, held: HeldAccount, released: list[tuple[ReleasedRecord, bytes]]
) -> dict[bytes, TransactionProof]:
    proofs: dict[bytes, TransactionProof] = {}
    for record, data in released:
        if record.opening.name.custodian != held.member:
            raise ProofError("a resource of another custodian", expected=held.member)
        if record.transaction not in proofs:
            proof = await transaction_proof(wallet.log, record.transaction)
            proofs[record.transaction] = proof
        verify_committed(data, record.opening, proofs[record.transaction])
    return proofs


async def _acknowledge(wallet: Wallet, held: HeldAccount, said: Released, expected: Digest) -> None:
    """Confirm on the ledger that this is what was received."""
    command = AcknowledgeDisclosure(custodian=held.member, number=said.number, manifest=expected)
    try:
        await wallet.submit(held, APPLICATION.name, command)
    except NotAccepted:
        return  # somebody with the same seed has confirmed it already
    await wallet.refresh()
