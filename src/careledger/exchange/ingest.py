"""Taking records in: FHIR in, sealed in the vault in one durable step, committed to soon after.

A transaction is all or nothing, references that lead nowhere included. Patients who are new here
get an account on the ledger first, since a commitment needs one. What a crash leaves is whole: a
bundle is in the vault or it is not, and what is in no batch yet is batched at the next start.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from typing import Final, Protocol

from careledger.exchange.arriving import arrival_of
from careledger.exchange.batching import Batcher
from careledger.exchange.checking import Checked, ordered
from careledger.exchange.crossing import check_elsewhere, parse_elsewhere
from careledger.exchange.directory import Directory
from careledger.exchange.enrolling import Enroller
from careledger.exchange.organisation import Organisation
from careledger.exchange.outcome import (
    IdTaken,
    NobodysRecord,
    Outcome,
    only_patient,
    outcome_of,
)
from careledger.exchange.plan import Conflict, changes_directory, plan
from careledger.exchange.planned import Plan, Planned
from careledger.exchange.workers import Elsewhere
from careledger.exchange.writer import (
    KEEPER,
    Finding,
    Writer,
    finding,
    looks_further,
)
from careledger.fhir.bundle import Bundle, Entry
from careledger.fhir.errors import DanglingReference, FhirError
from careledger.ledger.record import Instant
from careledger.vault.bounded import Bounded
from careledger.vault.deposit import Arrival, Stored
from careledger.vault.errors import NoOwner, NotRegistered, VersionConflict, WrongOwner

AHEAD: Final = 4
"""So many bundles are in work at once."""

_KNOWN: Final = 200_000


class Deposit(Protocol):
    """Where resources are put; see `Vault.put`."""

    def put(self, arrivals: Sequence[Arrival], at: Instant) -> list[Stored]:
        """Put all or none; durable on return."""
        ...


class Ingestion:
    """Takes records in for one organisation."""

    def __init__(
        self,
        organisation: Organisation,
        batcher: Batcher,
        executor: Executor | None = None,
        deposit: Deposit | None = None,
    ) -> None:
        """Commit by `batcher`; check in `executor`, a process or, by default, a thread.

        `deposit` is where resources are put, if not in the vault itself.
        """
        self._organisation, self._batcher = organisation, batcher
        self._elsewhere = Elsewhere(executor)
        self._deposit = deposit or organisation.vault
        self._is_far = deposit is not None
        self._directory = Directory(organisation.vault)
        self._known = Bounded[str, bool](_KNOWN)
        self._turn, self._enroller = asyncio.Lock(), Enroller(organisation)
        self._room = asyncio.Semaphore(AHEAD)
        self._last = asyncio.Event()
        self._last.set()

    async def bundle(self, data: bytes) -> list[Outcome]:
        """Take a transaction or a batch in; durable on return, the outcomes in its order.

        Raises:
            FhirError: the bundle, or the whole transaction, is refused and nothing is stored.
            Unavailable: disk or ledger; a transaction is stored or not, ask before repeating.
        """
        return await self._in_turn(asyncio.create_task(self.parsed(data)))

    async def parsed(self, data: bytes) -> Bundle:
        """Take a bundle apart, off the event loop.

        Raises:
            FhirError: see `parse_bundle`.
        """
        return await parse_elsewhere(self._elsewhere, data)

    async def take(self, bundle: Bundle, writer: Writer = KEEPER) -> list[Outcome]:
        """Like `bundle`, for one that has been taken apart, as `writer` may."""
        parsed = asyncio.get_running_loop().create_future()
        parsed.set_result(bundle)
        return await self._in_turn(parsed, writer)

    async def one(self, entry: Entry, writer: Writer = KEEPER) -> Outcome:
        """Do what one request asks.

        Raises:
            FhirError: it is refused.
        """
        (outcome,) = await self.take(Bundle("batch", (entry,)), writer)
        if outcome.error is not None:
            raise outcome.error
        return outcome

    async def stream(self, bundles: Iterable[bytes]) -> AsyncIterator[list[Outcome] | FhirError]:
        """Take many bundles in, in order; some are taken apart while others are stored."""
        ahead: deque[asyncio.Task[list[Outcome] | FhirError]] = deque()
        for data in bundles:
            ahead.append(asyncio.create_task(self._taken(data)))
            if len(ahead) > AHEAD:
                yield await ahead.popleft()
        while ahead:
            yield await ahead.popleft()

    async def settled(self) -> None:
        """Wait until all that was taken in is in a batch on the ledger."""
        await self._batcher.settled()

    # --- steps -------------------------------------------------------------------------------

    async def _taken(self, data: bytes) -> list[Outcome] | FhirError:
        try:
            return await self.bundle(data)
        except FhirError as error:
            return error

    async def _in_turn(
        self, parsed: asyncio.Future[Bundle], writer: Writer = KEEPER
    ) -> list[Outcome]:
        """Plan in turn and store in turn; what is costly in between overlaps.

        A plan looks only at the directory: whoever changes that is waited for. One that looks
        further waits until all before it is stored, and what comes after waits for it.
        """
        async with self._room:
            async with self._turn:
                bundle = await parsed
                before, done = self._last, asyncio.Event()
                alone = looks_further(bundle, self._directory)
                if alone:
                    await before.wait()
                if alone or self._is_far:  # it may look long
                    planned = await asyncio.to_thread(self._plan, bundle, writer)
                else:
                    planned = self._plan(bundle, writer)
                self._last = done
                if alone or changes_directory(planned):
                    return await self._finish(bundle, planned, writer, before, done)
            return await self._finish(bundle, planned, writer, before, done)

    def _plan(self, bundle: Bundle, writer: Writer, *, fresh: bool = False) -> Plan:
        with self._finding(writer) as found:
            return plan(bundle, found, fresh=fresh)

    def _finding(self, writer: Writer) -> AbstractContextManager[Finding]:
        return finding(writer, self._directory, self._organisation)

    async def _finish(
        self,
        bundle: Bundle,
        planned: Plan,
        writer: Writer,
        before: asyncio.Event,
        done: asyncio.Event,
    ) -> list[Outcome]:
        try:
            try:
                return await self._store(planned, writer, before)
            except IdTaken:
                fresh = self._plan(bundle, writer, fresh=True)
                return await self._store(fresh, writer, before)
        finally:
            await before.wait()
            done.set()

    async def _store(self, planned: Plan, writer: Writer, before: asyncio.Event) -> list[Outcome]:
        """Check, enrol who is new, and, once what came before is stored, store."""
        checked = await check_elsewhere(self._elsewhere, planned)
        doing = ordered(planned, checked)
        if planned.type == "transaction":
            await self._check_references(doing, writer, before)
        await self._enrol(doing)
        await before.wait()
        at = self._organisation.clock()
        done = await asyncio.to_thread(self._put, planned, doing, writer, at)
        for one, resource in doing:
            if not isinstance(done.get(one.entry.position), Stored):
                continue
            if resource is not None:
                self._directory.add(resource.facts)
            else:
                self._directory.drop(one.entry.type, one.id or "")
                self._known.drop(one.target or "")
        self._batcher.wake()
        return [
            outcome_of(one, ready, done.get(position), at)
            for position, (one, ready) in enumerate(zip(planned.entries, checked, strict=True))
        ]

    async def _enrol(self, doing: Sequence[tuple[Planned, Checked | None]]) -> None:
        """Give each patient who is new here an account."""
        await self._enroller.enrol(
            resource.facts.id
            for _, resource in doing
            if resource is not None and resource.facts.type == "Patient" and resource.facts.id
        )

    def _put(
        self,
        planned: Plan,
        doing: Sequence[tuple[Planned, Checked | None]],
        writer: Writer,
        at: Instant,
    ) -> dict[int, Stored | FhirError]:
        """Find whose each is, and store all; where a batch fails as a whole, each on its own."""
        whole = planned.type == "transaction"
        done: dict[int, Stored | FhirError] = {}
        arrivals: list[tuple[int, Arrival]] = []
        vault, only = self._organisation.vault, only_patient(doing)
        with self._finding(writer) as found:
            for one, resource in doing:
                try:
                    arrival = arrival_of(vault, one, resource, only, found)
                    arrivals.append((one.entry.position, arrival))
                except FhirError as error:
                    if whole:
                        raise error.under(one.entry.place) from None
                    done[one.entry.position] = error
        if not arrivals:
            return done
        try:
            stored = self._write([arrival for _, arrival in arrivals], at)
        except IdTaken:
            raise
        except FhirError:
            if whole:
                raise
            return done | {place: self._tried(arrival, at) for place, arrival in arrivals}
        return done | {place: one for (place, _), one in zip(arrivals, stored, strict=True)}

    def _tried(self, arrival: Arrival, at: Instant) -> Stored | FhirError:
        try:
            (stored,) = self._write([arrival], at)
        except FhirError as error:
            return error
        return stored

    def _write(self, arrivals: Sequence[Arrival], at: Instant) -> list[Stored]:
        try:
            return self._deposit.put(arrivals, at)
        except VersionConflict as error:
            if error.expected == 0:
                raise IdTaken from error
            raise Conflict("the version that is the newest now") from error
        except WrongOwner as error:
            raise Conflict("a resource of the same patient") from error
        except (NoOwner, NotRegistered) as error:
            raise NobodysRecord("a patient of this organisation") from error

    async def _check_references(
        self,
        doing: Sequence[tuple[Planned, Checked | None]],
        writer: Writer,
        before: asyncio.Event,
    ) -> None:
        """A transaction may refer to nothing that is not there, or may not be seen."""
        for one, resource in doing:
            for target in resource.refers_to if resource is not None else ():
                if self._is_there(target, writer):
                    continue
                await before.wait()  # it may be of a bundle that is being stored
                if not self._is_there(target, writer):
                    place = f"{one.entry.place}.resource"
                    raise DanglingReference("references to what is there", place)

    def _is_there(self, target: str, writer: Writer) -> bool:
        type_, _, id_ = target.partition("/")
        if not writer.keeps_records:
            with self._finding(writer) as found:
                return found.may_refer_to(type_, id_)
        if self._known.get(target):
            return True
        if self._organisation.vault.owner(type_, id_) is None:
            return False
        self._known.put(target, value=True)
        return True
