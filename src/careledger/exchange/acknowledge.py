"""Acknowledgements: what was received and found right is confirmed on the ledger, however late."""

import logging
from typing import Final

from careledger.apps.records.commands import AcknowledgeDisclosure
from careledger.apps.records.queries import Owed, offline, overdue, unacknowledged
from careledger.apps.records.refusals import AlreadyAcknowledged, NoSuchDisclosure
from careledger.exchange.cabinet import Cabinet, Thing
from careledger.exchange.errors import CommandRefused
from careledger.exchange.organisation import Organisation
from careledger.ledger.errors import LedgerError, Unavailable
from careledger.ledger.record import (
    Count,
    Hash,
    MemberId,
    MemberName,
    Record,
    decode_trusted,
    encode,
)

_log = logging.getLogger(__name__)

_SETTLED: Final = {AlreadyAcknowledged.code, NoSuchDisclosure.code}


class Due(Record):
    """An acknowledgement that this organisation owes and can give."""

    custodian: MemberName
    number: Count
    manifest: Hash
    entry: bytes | None = None
    """What was released without the ledger: the custodian's signed entry, whose `number` this is.
    It is acknowledged under the number of the answer, once that is recorded."""


class Acknowledgements:
    """What one receiver confirms. What cannot be sent at once is kept, so that a restart sends it.

    Should the process die in between, the disclosure stays unacknowledged and becomes overdue.
    """

    def __init__(self, organisation: Organisation, cabinet: Cabinet) -> None:
        """Keep what cannot be sent in `cabinet`."""
        self._organisation, self._cabinet = organisation, cabinet
        self._key = cabinet.new_key()
        self._due: list[Due] = []

    def owe(self, due: Due) -> None:
        """Note that `due` can be given; `send` does."""
        self._due.append(due)

    async def send(self) -> int:
        """Give every acknowledgement that is due; how many could not be given now."""
        fresh, self._due = self._due, []
        left = [due for due in fresh if not await self._acknowledge(due)]
        given = [
            kept.number
            for kept in self._cabinet.undone()
            if await self._acknowledge(decode_trusted(kept.content, Due))
        ]
        if given:
            self._cabinet.finish(given)
        self._due += left
        self.keep()
        return len(self._cabinet.undone())

    def keep(self) -> None:
        """Keep what is due and not sent, durably."""
        things = [
            Thing(
                name=f"due {due.custodian} {due.number}{' offline' if due.entry else ''}",
                owner="",
                about=due.custodian,
                content=encode(due),
                done=False,
                key=self._key,
            )
            for due in self._due
        ]
        if things:
            self._cabinet.put(things)
            self._due = []

    async def _acknowledge(self, due: Due) -> bool:
        """Whether there is nothing left to do about it."""
        number = self._answer(due)
        if number is None:
            return False
        command = AcknowledgeDisclosure(
            custodian=due.custodian, number=number, manifest=due.manifest
        )
        try:
            await self._organisation.submit("records", command)
        except Unavailable:
            return False
        except LedgerError as error:
            settled = isinstance(error, CommandRefused) and error.code in _SETTLED
            if not settled:
                _log.warning("an acknowledgement was not accepted: %s", type(error).__name__)
        return True

    def _answer(self, due: Due) -> int | None:
        """The number of the answer; None if it is not recorded yet."""
        if due.entry is None:
            return due.number
        with self._organisation.last() as last:
            row = offline(last.view, MemberId(due.custodian), due.number)
        return None if row is None else row.number

    def outstanding(self) -> list[Owed]:
        """What the ledger says this organisation has not acknowledged, with its deadline."""
        with self._organisation.now() as now:
            return list(unacknowledged(now.view, self._organisation.member))

    def overdue(self) -> list[Owed]:
        """Of these, what is past its deadline."""
        with self._organisation.now() as now:
            return list(overdue(now.view, self._organisation.member, now.time))
