"""One question of the patient to one custodian: signed, sent, opened; nothing of it checked yet."""

import secrets
from dataclasses import dataclass, field
from typing import Final, assert_never

from careledger.ledger.commitment import commit
from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.record import AccountId, Digest, MemberId, TransactionId, decode, encode
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
    ReleasedOffline,
    ReleasedRecord,
    SpoiltRecord,
    asked,
    manifest,
    split_parts,
)
from careledger.mechanisms.request import CONTENT_TYPE, AccessRequest, sign_request
from careledger.mechanisms.terms import Action
from careledger.vault.errors import Tampered
from careledger.vault.sealing import Binding, new_sealing_key, open_from
from careledger.wallet.contents import HeldAccount
from careledger.wallet.errors import NotAnswered
from careledger.wallet.post import ASK_PATH, gateway_of, seal_letter
from careledger.wallet.wallet import Wallet

PATIENT_REQUEST: Final = "PATRQT"

Piece = tuple[ReleasedRecord | SpoiltRecord, bytes]
"""What stands before a resource, and its bytes: empty for one that opens no more there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What a custodian answered. Nothing in it is proved."""

    held: HeldAccount
    request: TransactionId
    said: Released
    pieces: tuple[Piece, ...] = field(repr=False)

    @property
    def custodian(self) -> MemberId:
        """Whose answer it is."""
        return MemberId(self.held.member)

    @property
    def manifest(self) -> Digest:
        """What the disclosure on the ledger must say, if it is of exactly this."""
        return manifest(self.said.salt, self.request, [_commitment(*one) for one in self.pieces])


@dataclass(frozen=True)
class _Sent:
    """An ask on its way, and what its answer opens with."""

    ask: Ask
    request: TransactionId
    private: bytes


async def ask(wallet: Wallet, member: str, query: Query) -> Heard:
    """Ask the custodian `member` for what it holds of the patient.

    Reads the wallet and changes nothing in it: several may be asked at once.

    Raises:
        NoAccount, NotReachable: she is not known there, or it cannot be reached.
        NotAnswered: it refused, which the log then shows.
        ProofError: what came is not an answer to this question.
        Unavailable: no answer.
    """
    held = wallet.contents.account_at(member)
    sent = _prepare(wallet, held, query)
    custodian = MemberId(held.member)
    letter = seal_letter(wallet.view, wallet.chain, custodian, ASK, encode(sent.ask))
    answer = await wallet.post.send(gateway_of(wallet.view, custodian) + ASK_PATH, letter)
    said, parts = _open(wallet, held, sent, answer)
    return Heard(held=held, request=sent.request, said=said, pieces=tuple(_pieces(held, parts)))


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
        case ReleasedOffline():
            raise ProofError("an emergency's answer to a patient's own request")
        case _:
            assert_never(said)


def _pieces(held: HeldAccount, parts: list[bytes]) -> list[Piece]:
    if len(parts) % 2:
        raise ProofError("a resource came without its proof")
    found: list[Piece] = []
    for proof, data in zip(parts[::2], parts[1::2], strict=True):
        try:
            said = decode(proof, ReleasedRecord) if data else decode(proof, SpoiltRecord)
        except Malformed as error:
            raise ProofError("a resource came without its proof") from error
        name = said.name if isinstance(said, SpoiltRecord) else said.opening.name
        if name.custodian != held.member:
            raise ProofError("a resource of another custodian", expected=held.member)
        found.append((said, data))
    return found


def _commitment(said: ReleasedRecord | SpoiltRecord, data: bytes) -> Digest:
    if isinstance(said, SpoiltRecord):
        return Digest(said.commitment)
    return commit(said.opening.name, said.opening.salt, data)
