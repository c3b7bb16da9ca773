"""Break-glass without the ledger: a durable entry first, then the records, then the report.

An entry is written, and on the disk, before anything is released. Once the ledger decides again
the entries are recorded in order, before anything else that this organisation submits. A crash
before the write released nothing; one after it reports what may have been released; one between
the report and the note of it finds the entry on the ledger. So none is lost and none is doubled.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Final

from careledger.apps.records.basis import BreakGlassBasis
from careledger.apps.records.commands import RecordOffline
from careledger.apps.records.queries import last_offline, offline
from careledger.apps.records.refusals import BasisFails, RequestAnswered
from careledger.consensus.intake import Ordered
from careledger.exchange.cabinet import Cabinet, Kept, Thing
from careledger.exchange.deciding import Allowed, Forbidden
from careledger.exchange.errors import CommandRefused
from careledger.exchange.organisation import Ledger, Organisation
from careledger.exchange.release import Sourced, Unopened, parts_of
from careledger.ledger.record import Count, Hash, Instant, Record, decode_trusted, encode
from careledger.ledger.state import View
from careledger.ledger.statement import parse_statement
from careledger.mechanisms.emergency import CONTENT_TYPE as EMERGENCY
from careledger.mechanisms.messages import Ask, Rejected, ReleasedOffline, manifest
from careledger.mechanisms.offline import CONTENT_TYPE, OfflineEntry, sign_offline
from careledger.mechanisms.request import VerifiedRequest

_ABOUT: Final = "offline"

_log = logging.getLogger(__name__)


class Written(Record):
    """An entry as it waits here, with all that its report needs."""

    number: Count
    id: Hash
    entry: bytes
    request: bytes
    emergency: bytes


class Offline:
    """What one custodian released while the ledger could not decide."""

    def __init__(self, organisation: Organisation, cabinet: Cabinet) -> None:
        """Keep entries in `cabinet`, whose every write must survive the loss of power."""
        self._organisation, self._cabinet = organisation, cabinet
        self._key, self._reporting = cabinet.new_key(), asyncio.Lock()
        self.waiting = len(cabinet.undone())
        """How many entries are not recorded yet."""
        self.trouble: str | None = None
        """Why the next of them is not accepted, if it is not."""

    def release(
        self,
        ask: Ask,
        verified: VerifiedRequest,
        decision: Allowed | Forbidden,
        found: Sequence[Sourced | Unopened],
    ) -> list[bytes]:
        """Write the entry, durably; then the parts of the answer, if it is yes."""
        basis = decision.basis if isinstance(decision, Allowed) else None
        if not isinstance(basis, BreakGlassBasis):
            text = "not on this statement; the refusal could not be recorded"
            return parts_of(Rejected(code=BasisFails.code, text=text), ())
        if self._is_written(verified):
            return parts_of(Rejected(code=RequestAnswered.code, text=RequestAnswered.text()), ())
        salt = secrets.token_bytes(32)
        released = manifest(salt, verified.id, [one.commitment for one in found])
        entry, as_of = self._write(ask.request, basis.statement, verified, released)
        mine = self._organisation.member
        head = ReleasedOffline(custodian=mine, entry=entry, salt=salt, as_of=as_of)
        return parts_of(head, found)

    async def report(self) -> None:
        """Record what waits, in order.

        Raises:
            Unavailable: the ledger does not decide yet; what waits goes on waiting.
        """
        if not self.waiting or self.trouble:
            return
        async with self._reporting:
            for kept in self._cabinet.undone():
                if not await self._record(kept):
                    return
            self.waiting = len(self._cabinet.undone())

    def _is_written(self, verified: VerifiedRequest) -> bool:
        return self._cabinet.get(_name(verified)) is not None

    def _write(
        self, request: bytes, statement: bytes, verified: VerifiedRequest, released: bytes
    ) -> tuple[bytes, Instant]:
        """Sign the next entry and keep it; it is on the disk on return."""
        mine = self._organisation
        with mine.last() as last:
            number, before = self._last(last.view)
            entry = OfflineEntry(
                custodian=mine.member,
                number=number + 1,
                previous=before,
                account=str(verified.request.account),
                request=verified.id,
                emergency=parse_statement(statement, EMERGENCY).id,
                manifest=released,
                at=last.time,
                height=last.height,
            )
            as_of = last.as_of
        signed = sign_offline(mine.key, mine.claims("offline"), entry)
        id_ = parse_statement(signed, CONTENT_TYPE).id
        written = Written(
            number=entry.number, id=id_, entry=signed, request=request, emergency=statement
        )
        thing = Thing(
            name=_name(verified),
            owner=entry.account,
            about=_ABOUT,
            content=encode(written),
            done=False,
            key=self._key,
        )
        self._cabinet.put([thing])
        self.waiting += 1
        return signed, as_of

    def _last(self, view: View) -> tuple[int, bytes]:
        """Number and id of the newest entry, here or on the ledger, whichever has come further."""
        number, id_, _ = last_offline(view, self._organisation.member)
        for kept in self._cabinet.by_about(_ABOUT):
            written = decode_trusted(kept.content, Written)
            if written.number > number:
                number, id_ = written.number, written.id
        return number, id_

    async def _record(self, kept: Kept) -> bool:
        """Record one entry, unless it is already; whether the next may follow."""
        written = decode_trusted(kept.content, Written)
        if not self._is_recorded(written):
            command = RecordOffline(
                entry=written.entry, request=written.request, emergency=written.emergency
            )
            try:
                await self._organisation.submit("records", command)
            except CommandRefused as error:
                if not self._is_recorded(written):
                    self.trouble = f"entry {written.number} is not accepted: {error.reason}"
                    _log.critical("an emergency disclosure cannot be recorded: %s", self.trouble)
                    return False
        self._cabinet.finish([kept.number])
        return True

    def _is_recorded(self, written: Written) -> bool:
        with self._organisation.last() as last:
            row = offline(last.view, self._organisation.member, written.number)
        return row is not None and row.entry == written.id


class ReportsFirst:
    """The ledger, to which nothing of ours goes before what was released without it."""

    def __init__(self, ledger: Ledger, offline: Offline) -> None:
        """Submit to `ledger` after the entries of `offline`."""
        self._ledger, self._offline = ledger, offline

    async def submit(self, raw: bytes) -> Ordered:
        """Wait until what waits is recorded, and then until the transaction is durable."""
        await self._offline.report()
        return await self._ledger.submit(raw)


def _name(verified: VerifiedRequest) -> str:
    """One request is answered once."""
    return f"offline {verified.id.hex()}"
