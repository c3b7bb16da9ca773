"""Acknowledgements: what was received and found right is confirmed on the ledger, however late."""

import logging
from typing import Final

from careledger.apps.records.commands import AcknowledgeDisclosure
from careledger.apps.records.queries import Owed, overdue, unacknowledged
from careledger.apps.records.refusals import AlreadyAcknowledged, NoSuchDisclosure
from careledger.exchange.cabinet import Cabinet, Thing
from careledger.exchange.errors import CommandRefused
from careledger.exchange.organisation import Organisation
from careledger.ledger.errors import LedgerError, Unavailable
from careledger.ledger.record import Count, Hash, MemberName, Record, decode_trusted, encode

_log = logging.getLogger(__name__)

_SETTLED: Final = {AlreadyAcknowledged.code, NoSuchDisclosure.code}


class Due(Record):
    """An acknowledgement that this organisation owes and can give."""

    custodian: MemberName
    number: Count
    manifest: Hash


class Acknowledgements:
    """What one receiver confirms. Due ones are durable, so that a restart sends them."""

    def __init__(self, organisation: Organisation, cabinet: Cabinet) -> None:
        """Keep what is due in `cabinet`."""
        self._organisation, self._cabinet = organisation, cabinet
        self._key = cabinet.new_key()

    def owe(self, due: Due) -> None:
        """Note that `due` can be given; durable on return."""
        thing = Thing(
            name=f"due {due.custodian} {due.number}",
            owner="",
            about=due.custodian,
            content=encode(due),
            done=False,
            key=self._key,
        )
        self._cabinet.put([thing])

    async def send(self) -> int:
        """Give every acknowledgement that is due; how many could not be given now."""
        left = 0
        for kept in self._cabinet.undone():
            due = decode_trusted(kept.content, Due)
            try:
                await self._acknowledge(due)
            except Unavailable:
                left += 1
                continue
            except LedgerError as error:
                _log.warning("an acknowledgement was not accepted: %s", type(error).__name__)
            self._cabinet.finish([kept.number])
        return left

    async def _acknowledge(self, due: Due) -> None:
        command = AcknowledgeDisclosure(
            custodian=due.custodian, number=due.number, manifest=due.manifest
        )
        try:
            await self._organisation.submit("records", command)
        except CommandRefused as error:
            if error.code not in _SETTLED:
                raise

    def outstanding(self) -> list[Owed]:
        """What the ledger says this organisation has not acknowledged, with its deadline."""
        with self._organisation.now() as now:
            return list(unacknowledged(now.view, self._organisation.member))

    def overdue(self) -> list[Owed]:
        """Of these, what is past its deadline."""
        with self._organisation.now() as now:
            return list(overdue(now.view, self._organisation.member, now.time))
