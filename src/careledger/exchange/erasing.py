"""Erasing a patient: on the ledger first, then in the vault, at the latest at the next start.

Whatever interrupts it, and whatever backup was put back meanwhile: before a gateway answers, the
vault has lost every key that the ledger says is destroyed (GDPR 17; 45 CFR 164.316 for the record).
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from careledger.apps.records import APPLICATION as RECORDS
from careledger.apps.records.commands import RecordsShredded, ShredRecords
from careledger.apps.records.queries import shreds
from careledger.exchange.mailbox import Mailbox
from careledger.exchange.organisation import Organisation
from careledger.ledger.record import (
    AccountId,
    AccountName,
    Digest,
    Hash,
    Instant,
    MemberId,
    MemberName,
    Record,
    TransactionId,
    decode_trusted,
    digest,
    encode,
)
from careledger.ledger.state import View
from careledger.store.snapshot import Snapshot
from careledger.vault.shredding import Shredded


class ErasureCertificate(Record):
    """What the custodian hands out; its SHA-256 stands on the ledger."""

    custodian: MemberName
    account: AccountName
    ordered_at: Instant
    nonce: Hash

    def digest(self) -> Digest:
        """What the ledger holds of it."""
        return digest(encode(self))


@dataclass(frozen=True, kw_only=True)
class Erased:
    """An erasure that the ledger holds and the vault has done."""

    certificate: ErasureCertificate
    transaction: TransactionId


class Erasure:
    """Erases patients of one organisation."""

    def __init__(self, organisation: Organisation, mailbox: Mailbox) -> None:
        """Erase in the vault and mailbox of `organisation`."""
        self._organisation, self._mailbox = organisation, mailbox

    async def shred(self, account: AccountId) -> Erased:
        """Destroy keys, salts, index and terms of a patient; nobody can open them again.

        Raises:
            CommandRefused: the rules said no, for example because of a legal hold.
            Unavailable: nothing was decided, or it is done at the next start.
        """
        organisation = self._organisation
        certificate = ErasureCertificate(
            custodian=organisation.member,
            account=account,
            ordered_at=organisation.clock(),
            nonce=secrets.token_bytes(32),
        )
        command = ShredRecords(account=account, certificate=certificate.digest())
        ordered = await organisation.submit(RECORDS.name, command)
        transaction = TransactionId(ordered.receipt.id)
        self._do(_evidence(organisation.member, account, transaction))
        return Erased(certificate=certificate, transaction=transaction)

    def catch_up(self) -> list[AccountId]:
        """Do what the ledger says is done and is not: after a crash, or on an old backup."""
        organisation = self._organisation
        with organisation.committed.snapshot() as committed:
            recorded = {one.account for one in shreds(View(committed), organisation.member)}
            missing = {one for one in recorded if not organisation.vault.is_shredded(one)}
            if not missing:
                return []
            found = [
                one
                for one in recorded_shreds(committed, organisation.member)
                if one.account in missing
            ]
        for one in found:
            self._do(one)
        return sorted(missing)

    def _do(self, evidence: Shredded) -> None:
        self._organisation.vault.shred(evidence)
        self._mailbox.shred(evidence.account)


def recorded_shreds(committed: Snapshot, custodian: MemberId) -> Iterator[Shredded]:
    """Every erasure of `custodian` on the ledger, as the vault wants it; reads the whole log."""
    for _, receipt in committed.receipts(0):
        for record in receipt.events:
            if record.application != RECORDS.name:
                continue
            event = decode_trusted(record.event, RECORDS.event_type)
            if isinstance(event, RecordsShredded) and event.custodian == custodian:
                account = AccountId(event.account)
                yield _evidence(custodian, account, TransactionId(receipt.id))


def _evidence(custodian: MemberId, account: AccountId, transaction: TransactionId) -> Shredded:
    """The rules refuse to record an erasure under legal hold: what is recorded was not."""
    return Shredded(custodian=custodian, account=account, transaction=transaction, legal_hold=False)
