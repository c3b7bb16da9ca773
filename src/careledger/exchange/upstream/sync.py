"""Following the organisation's own FHIR server: all it has once, and from then on what changes.

First by Bulk Data export if it offers one, else type by type; afterwards by its history, or by
`_lastUpdated` where it has none, and then a sweep now and then finds what was deleted. Every step
may be done again; what was reached survives the end of the process.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from careledger.exchange.organisation import Organisation
from careledger.exchange.upstream.client import UpstreamClient
from careledger.exchange.upstream.errors import UpstreamDown, UpstreamLies
from careledger.exchange.upstream.intake import Body, Intake, Tally
from careledger.exchange.upstream.position import (
    Position,
    instant_of,
    load_position,
    save_position,
)
from careledger.exchange.upstream.sweeping import absent
from careledger.exchange.upstream.walking import Found, export, history, types_of, walk
from careledger.fhir.errors import FhirError

Progress = Callable[[str, Tally], None]
"""Told what is being read, and the tally so far."""

SWEEP_S: Final = 3_600
_ALL_TYPES_S: Final = 600

_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class _Memory:
    """What one process remembers between two looks; all of it may be forgotten."""

    types: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    """Types of which there was something."""
    swept: int = 0
    all_types: int = 0


class Sync:
    """Follows one server; one task at a time."""

    def __init__(
        self,
        organisation: Organisation,
        client: UpstreamClient,
        intake: Intake,
        path: Path,
        *,
        by_export: bool = True,
    ) -> None:
        """Keep the position in the file `path`; `by_export`: use Bulk Data export if offered."""
        self._organisation, self._client, self._intake = organisation, client, intake
        self._path, self._by_export = path, by_export
        self.position: Position = load_position(path, client.base)
        self._memory = _Memory(swept=organisation.clock())

    async def look(self, progress: Progress = lambda _, __: None) -> Tally:
        """Read everything if that was never done to its end, else what has changed since.

        Raises:
            UpstreamDown, UpstreamLies: it did not answer; what was reached is kept.
            Unavailable: disk or ledger; likewise.
        """
        tally = Tally()
        if not self.position.is_whole:
            await self._read_all(tally, progress)
        await self._read_changes(tally, progress)
        return tally

    async def sweep(self) -> Tally:
        """Compare names: what is here and no longer there is gone."""
        gone = await asyncio.to_thread(absent, self._organisation, self._client)
        self._memory.swept = self._organisation.clock()
        return await asyncio.to_thread(self._intake.gone, gone)

    # --- everything ----------------------------------------------------------------------------

    async def _read_all(self, tally: Tally, progress: Progress) -> None:
        self._client.date = None
        types, exports = await asyncio.to_thread(types_of, self._client)
        if self.position.began is None:
            self._keep(began=self._began())
        if exports and self._by_export and not self.position.done:
            try:
                await self._take_all("export", export(self._client, types), tally, progress)
            except (UpstreamDown, UpstreamLies) as error:
                _log.warning("no export, so type by type: %s", error)
            else:
                self._whole()
                return
        for type_ in types:
            if type_ in self.position.done:
                continue
            await self._take_all(type_, walk(self._client, type_), tally, progress)
            self._keep(done=(*self.position.done, type_))
        self._whole()

    def _whole(self) -> None:
        self._keep(is_whole=True, done=(), since=self.position.began, began=None)

    def _began(self) -> str:
        """When, by that server's clock, the first answer since `date` was cleared came."""
        return instant_of(self._client.date, self._organisation.clock())

    # --- what changed --------------------------------------------------------------------------

    async def _read_changes(self, tally: Tally, progress: Progress) -> None:
        since = self.position.from_when()
        self._client.date = None
        pages = await asyncio.to_thread(history, self._client, since)
        if pages is not None:
            await self._take_all("changes", pages, tally, progress)
        else:
            await self._read_types(since, tally, progress)
            if self._organisation.clock() - self._memory.swept >= SWEEP_S:
                tally += await self.sweep()
        self._keep(at=self._organisation.clock(), since=self._began())

    async def _read_types(self, since: str, tally: Tally, progress: Progress) -> None:
        """Each type, or for a while only those of which there is something."""
        memory, now = self._memory, self._organisation.clock()
        if now - memory.all_types >= _ALL_TYPES_S:
            memory.types, _ = await asyncio.to_thread(types_of, self._client)
            memory.all_types = now
            asked = memory.types
        else:
            asked = [one for one in memory.types if one in memory.held]
        for type_ in asked:
            pages = walk(self._client, type_, since)
            if await self._take_all(type_, pages, tally, progress):
                memory.held.add(type_)

    # --- steps ---------------------------------------------------------------------------------

    async def _take_all(
        self, what: str, pages: Iterator[Found], tally: Tally, progress: Progress
    ) -> int:
        """Take page after page in; how many resources there were."""
        number = 0
        while (found := await asyncio.to_thread(next, pages, None)) is not None:
            number += len(found.resources)
            bodies = await asyncio.to_thread(self._bodies, found.resources)
            taken = await self._intake.take(bodies)
            taken.left_out += len(found.resources) - len(bodies)
            taken += await asyncio.to_thread(self._intake.gone, found.deleted)
            tally += taken
            progress(what, tally)
        return number

    def _keep(self, **said: object) -> None:
        before = self.position
        fields = {name: getattr(before, name) for name in before.__struct_fields__}
        position = Position(**(fields | said))
        if position != before:
            save_position(self._path, position)
        self.position = position

    def _bodies(self, resources: list[bytes]) -> list[Body]:
        bodies = []
        for raw in resources:
            try:
                bodies.append(self._intake.read(raw))
            except FhirError:
                continue
        return bodies
