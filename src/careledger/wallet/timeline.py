"""One timeline from every organisation that keeps records of the patient, each entry with its mark.

All are asked at once, each with a deadline. What one of them altered, lost or leaves unproved is
marked and stands where it belongs; what another one sent is not touched by it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from careledger.apps.records import APPLICATION
from careledger.apps.records.commands import AcknowledgeDisclosure
from careledger.fhir.named import is_named
from careledger.ledger.commitment import Opening, TransactionProof, verify_opening
from careledger.ledger.errors import LedgerError, Malformed, ProofError
from careledger.ledger.record import Instant, MemberId
from careledger.mechanisms.messages import NOTICE, SpoiltRecord
from careledger.verify.record import verify_committed
from careledger.wallet.errors import NoAccount, NotAccepted, NotAnswered
from careledger.wallet.own_ask import Heard, Piece, ask
from careledger.wallet.own_record import EVERYTHING, check_spoilt, disclosures, is_of
from careledger.wallet.proofs import transaction_proof
from careledger.wallet.wallet import Wallet

Mark = Literal["verified", "tampered", "unproven"]
Why = Literal["altered", "spoilt", "no-commitment", "other-account", "disclosure"]
"""The bytes differ from the commitment; the custodian can open them no more; the ledger has no
such commitment; it is committed under another account; the ledger's disclosure is of other things.
"""
Trouble = Literal["timeout", "unreachable", "refused", "not-verified"]

WITHIN_S: Final = 10.0
"""How long one organisation may take."""

AT_ONCE: Final = 8

AHEAD_S: Final = 300
"""How far a custodian's newest block may be ahead of our clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One resource, wherever it is kept."""

    custodian: MemberId
    type: str
    id: str
    version: int
    mark: Mark
    why: Why | None = None
    data: bytes = field(repr=False)
    """As it came; empty where nothing came."""
    transaction: bytes
    start: int | None = None
    """First second of its date, of what is lost: the custodian's word."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """How one organisation answered."""

    member: MemberId
    as_of: Instant | None = None
    trouble: Trouble | None = None
    """Why there is nothing from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """Everything that came, by source; whoever shows it puts it in order."""

    entries: tuple[Entry, ...]
    sources: tuple[Source, ...]
    notice: str = NOTICE


_Proofs = dict[bytes, TransactionProof | None]


async def read_timeline(
    wallet: Wallet,
    members: Sequence[str] = (),
    *,
    within_s: float = WITHIN_S,
    told: Callable[[str], None] = lambda _: None,
) -> Timeline:
    """What `members`, or all who know the patient, keep of her; `told` hears whom is asked.

    Raises:
        NoAccount: the patient has no account anywhere, or not there.
        ProofError: the node shows a ledger that does not hold.
        Unavailable: the node does not answer.
    """
    asked = members or [one.member for one in wallet.contents.accounts]
    if not asked:
        raise NoAccount("you have no account yet: `careledger wallet claim MEMBER CODE`")
    for member in asked:
        wallet.contents.account_at(member)
        told(member)
    turn = asyncio.Semaphore(AT_ONCE)
    heard = await asyncio.gather(*(_ask(wallet, one, within_s, turn) for one in asked))
    return await judged(wallet, heard)


async def judged(wallet: Wallet, heard: Sequence[Heard | Source]) -> Timeline:
    """Hold answers against the ledger, mark what is in them, and confirm those that are true.

    Raises:
        ProofError: the node shows a ledger that does not hold.
        Unavailable: the node does not answer.
    """
    answers = [one for one in heard if isinstance(one, Heard)]
    disclosed = await disclosures(wallet, answers)
    proofs = await _proofs(wallet, answers)
    entries: list[Entry] = []
    proper: list[Heard] = []
    for answer in answers:
        marked = [_mark(answer, piece, proofs) for piece in answer.pieces]
        event = disclosed.get(answer.said.transaction)
        if event is not None and is_of(event, answer, answer.manifest):
            proper.append(answer)
        elif event is None or not any(one.why == "altered" for one in marked):
            marked = [_doubted(one) for one in marked]
        entries += marked
    await asyncio.gather(*(_acknowledge(wallet, one) for one in proper))
    await wallet.refresh()
    sources = tuple(
        Source(member=one.custodian, as_of=one.said.as_of) if isinstance(one, Heard) else one
        for one in heard
    )
    return Timeline(entries=tuple(entries), sources=sources)


async def _ask(
    wallet: Wallet, member: str, within_s: float, turn: asyncio.Semaphore
) -> Heard | Source:
    """What one organisation answers; whatever is wrong with it is its own trouble."""
    trouble: Trouble = "unreachable"
    try:
        async with turn, asyncio.timeout(within_s):
            heard = await ask(wallet, member, EVERYTHING)
        if heard.said.as_of <= wallet.clock() + AHEAD_S:
            return heard
        trouble = "not-verified"
    except TimeoutError:
        trouble = "timeout"
    except NotAnswered:
        trouble = "refused"
    except (ProofError, Malformed):
        trouble = "not-verified"
    except LedgerError:
        pass
    return Source(member=MemberId(member), trouble=trouble)


async def _proofs(wallet: Wallet, answers: Sequence[Heard]) -> _Proofs:
    """That each batch is in the log which was read; None where it is not."""
    turn = asyncio.Semaphore(AT_ONCE)
    wanted = sorted({one.transaction for answer in answers for one, _ in answer.pieces})

    async def prove(id_: bytes) -> TransactionProof | None:
        try:
            async with turn:
                return await transaction_proof(wallet.log, id_)
        except (ProofError, Malformed):
            return None

    found = await asyncio.gather(*map(prove, wanted))
    return dict(zip(wanted, found, strict=True))


def _mark(answer: Heard, piece: Piece, proofs: _Proofs) -> Entry:
    """Hold one resource against the ledger."""
    said, data = piece
    name = said.name if isinstance(said, SpoiltRecord) else said.opening.name
    entry = Entry(
        custodian=answer.custodian,
        type=name.type,
        id=name.id,
        version=name.version,
        mark="verified",
        data=data,
        transaction=said.transaction,
    )
    proof = proofs[said.transaction]
    if isinstance(said, SpoiltRecord):
        return _mark_spoilt(entry, said, proof)
    if not _is_what_was_committed_to(said.opening, data):
        return replace(entry, mark="tampered", why="altered")
    try:
        if proof is None:
            return replace(entry, mark="unproven", why="no-commitment")
        verify_committed(data, said.opening, proof)
    except (ProofError, Malformed):
        return replace(entry, mark="unproven", why="no-commitment")
    if name.account != answer.held.account:
        return replace(entry, mark="unproven", why="other-account")
    return entry


def _is_what_was_committed_to(opening: Opening, data: bytes) -> bool:
    try:
        verify_opening(opening, data)
    except ProofError:
        return False
    return is_named(data, opening.name.type, opening.name.id)


def _mark_spoilt(entry: Entry, said: SpoiltRecord, proof: TransactionProof | None) -> Entry:
    lost = replace(entry, mark="tampered", why="spoilt", start=said.start)
    try:
        if proof is None:
            return replace(lost, mark="unproven", why="no-commitment")
        check_spoilt(said, proof)
    except (ProofError, Malformed):
        return replace(lost, mark="unproven", why="no-commitment")
    return lost


def _doubted(entry: Entry) -> Entry:
    """Out of an answer that is not the one which the ledger speaks of."""
    return entry if entry.mark == "tampered" else replace(entry, mark="unproven", why="disclosure")


async def _acknowledge(wallet: Wallet, answer: Heard) -> None:
    """Confirm on the ledger that this is what was received; not what was lied about."""
    command = AcknowledgeDisclosure(
        custodian=answer.custodian, number=answer.said.number, manifest=answer.manifest
    )
    try:
        await wallet.submit(answer.held, APPLICATION.name, command)
    except NotAccepted:
        return  # somebody with the same seed has confirmed it already
