"""The patient's own access to her record (45 CFR 164.524): asked for, proved, acknowledged.

She asks each custodian under her account there. What comes back is held against the ledger, byte
for byte, before she sees any of it.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from careledger.apps.records import APPLICATION
from careledger.apps.records.commands import AcknowledgeDisclosure, Disclosed
from careledger.ledger.commitment import Opening, TransactionProof, verify_events
from careledger.ledger.errors import ProofError
from careledger.ledger.record import Digest, Instant, MemberId
from careledger.mechanisms.messages import Query, SpoiltRecord, verify_spoilt
from careledger.verify.event import find_batch
from careledger.verify.record import verify_committed
from careledger.wallet.errors import NotAccepted
from careledger.wallet.own_ask import Heard, ask
from careledger.wallet.proofs import transaction_proof
from careledger.wallet.wallet import Wallet

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
    spoilt: tuple[SpoiltRecord, ...]
    """What it committed to and, as it says itself, can open no more."""
    proofs: dict[bytes, TransactionProof]
    notice: str
    as_of: Instant
    number: int


async def read(wallet: Wallet, member: str, query: Query = EVERYTHING) -> OwnRecord:
    """What the custodian `member` holds of the patient, or the part that `query` asks for.

    Raises:
        NoAccount, NotReachable: she is not known there, or it cannot be reached.
        NotAnswered: it refused, which the log then shows.
        ProofError: what it sent is not what it committed to; none of it is returned.
        Unavailable: no answer.
    """
    heard = await ask(wallet, member, query)
    expected = heard.manifest
    told = (await disclosures(wallet, [heard])).get(heard.said.transaction)
    if told is None:
        raise ProofError(
            "the ledger holds no such disclosure", expected=heard.said.transaction.hex()
        )
    if not is_of(told, heard, expected):
        raise ProofError("the ledger says that something else was disclosed")
    proofs = await _check_resources(wallet, heard)
    await acknowledge(wallet, heard, expected)
    resources = tuple(
        OwnResource(one.opening, one.transaction, data)
        for one, data in heard.pieces
        if not isinstance(one, SpoiltRecord)
    )
    return OwnRecord(
        custodian=heard.custodian,
        resources=resources,
        spoilt=tuple(one for one, _ in heard.pieces if isinstance(one, SpoiltRecord)),
        proofs=proofs,
        notice=heard.said.notice,
        as_of=heard.said.as_of,
        number=heard.said.number,
    )


async def disclosures(wallet: Wallet, heard: list[Heard]) -> dict[bytes, Disclosed]:
    """The disclosures that answers speak of, by transaction; those that the ledger has.

    The ledger is read until all of them are there, or for two seconds.
    """
    wanted = {(one.said.transaction, one.held.member) for one in heard}
    found: dict[bytes, Disclosed] = {}
    for _ in range(_TRIES):
        await wallet.refresh()
        for seen in wallet.copy.seen:
            event = wallet.copy.event_of(seen)
            if isinstance(event, Disclosed) and (seen.transaction, event.custodian) in wanted:
                found[seen.transaction] = event
        if len(found) == len(wanted):
            break
        await asyncio.sleep(_PAUSE_S)
    return found


def is_of(told: Disclosed, heard: Heard, manifest: Digest) -> bool:
    """Whether a disclosure is of this answer, and the answer of exactly what it says."""
    found = told.request, told.manifest, told.number
    return found == (heard.request, manifest, heard.said.number)


async def _check_resources(wallet: Wallet, heard: Heard) -> dict[bytes, TransactionProof]:
    proofs: dict[bytes, TransactionProof] = {}
    for one, data in heard.pieces:
        proof = proofs.get(one.transaction)
        if proof is None:
            proof = proofs[one.transaction] = await transaction_proof(wallet.log, one.transaction)
        if isinstance(one, SpoiltRecord):
            check_spoilt(one, proof)
        else:
            verify_committed(data, one.opening, proof)
    return proofs


def check_spoilt(said: SpoiltRecord, proof: TransactionProof) -> None:
    """Check that there was something, of which its custodian says that it opens no more.

    Raises:
        ProofError: there was not.
    """
    verify_spoilt(said)
    verify_events(proof)
    find_batch(proof.events, said.name.custodian, said.root, said.size)


async def acknowledge(wallet: Wallet, heard: Heard, manifest: Digest) -> None:
    """Confirm on the ledger that this is what was received."""
    command = AcknowledgeDisclosure(
        custodian=heard.custodian, number=heard.said.number, manifest=manifest
    )
    try:
        await wallet.submit(heard.held, APPLICATION.name, command)
    except NotAccepted:
        return  # somebody with the same seed has confirmed it already
    await wallet.refresh()
