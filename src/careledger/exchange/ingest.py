"""Taking records in: FHIR in, sealed in the vault in one durable step, committed to soon after.

A transaction is all or nothing, references that lead nowhere included. Patients who are new here
get an account on the ledger first, since a commitment needs one. What a crash leaves is whole: a
bundle is in the vault or it is not, and what is in no batch yet is batched at the next start.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Final, TypeVar

from careledger.exchange.batching import Batcher
from careledger.exchange.directory import Directory
from careledger.exchange.enrolling import enrol
from careledger.exchange.organisation import Organisation
from careledger.exchange.outcome import (
    Conflict,
    IdTaken,
    NobodysRecord,
    Outcome,
    only_patient,
    outcome_of,
)
from careledger.exchange.plan import Checked, Plan, Planned, ordered, plan, prepare
from careledger.fhir.bundle import Bundle, Entry, parse_bundle
from careledger.fhir.errors import DanglingReference, FhirError
from careledger.vault.bounded import Bounded
from careledger.vault.deposit import DIRECTORY_TYPES, Arrival, Stored
from careledger.vault.errors import NoOwner, NotRegistered, VersionConflict, WrongOwner
from careledger.vault.objects import DIRECTORY, PatientRef

AHEAD: Final = 4
"""So many bundles are in work at once."""

_KNOWN: Final = 200_000

A = TypeVar("A")
T = TypeVar("T")


class Ingestion:
    """Takes records in for one organisation."""

    def __init__(
        self, organisation: Organisation, batcher: Batcher, executor: Executor | None = None
    ) -> None:
        """Commit by `batcher`; check in `executor`, a process or, by default, a thread."""
        self._organisation, self._batcher, self._executor = organisation, batcher, executor
        self._directory = Directory(organisation.vault)
        self._known = Bounded[str, bool](_KNOWN)
        self._turn, self._enrolling = asyncio.Lock(), asyncio.Lock()
        self._room = asyncio.Semaphore(AHEAD)
        self._last = asyncio.Event()
        self._last.set()

    async def bundle(self, data: bytes) -> list[Outcome]:
        """Take a transaction or a batch in; durable on return, the outcomes in its order.

        Raises:
            FhirError: the bundle, or the whole transaction, is refused and nothing is stored.
            Unavailable: disk or ledger; a transaction is stored or not, ask before repeating.
        """
        task = asyncio.create_task(self._elsewhere(parse_bundle, data))
        return await self._in_turn(task)

    async def take(self, bundle: Bundle) -> list[Outcome]:
        """Like `bundle`, for one that has been taken apart."""
        parsed = asyncio.get_running_loop().create_future()
        parsed.set_result(bundle)
        return await self._in_turn(parsed)

    async def stream(self, bundles: Iterable[bytes]) -> AsyncIterator[list[Outcome] | FhirError]:
        """Take many bundles in, in order; some are taken apart while others are stored."""
        ahead: deque[asyncio.Task[list[Outcome] | FhirError]] = deque()
        for data in bundles:
            ahead.append(asyncio.create_task(self._taken(data)))
            if len(ahead) > AHEAD:
                yield await ahead.popleft()
        while ahead:
            yield await ahead.popleft()

    async def put(
        self,
        data: bytes,
        *,
        type: str,  # noqa: A002 - the word FHIR has for it
        id: str | None = None,  # noqa: A002
        if_match: int | None = None,
        if_none_exist: str | None = None,
    ) -> Outcome:
        """Create a resource, or store a version of the one with this id.

        Raises:
            FhirError: it is refused.
        """
        entry = Entry(
            position=0,
            full_url=None,
            method="POST" if id is None else "PUT",
            url=type if id is None else f"{type}/{id}",
            type=type,
            id=id,
            if_none_exist=if_none_exist,
            if_match=None if if_match is None else f'W/"{if_match}"',
            resource=data,
        )
        return await self._one(entry)

    async def delete(self, type_: str, id_: str) -> Outcome:
        """Delete a resource; its versions stay in the vault.

        Raises:
            FhirError: there is none.
        """
        url = f"{type_}/{id_}"
        entry = Entry(
            position=0, full_url=None, method="DELETE", url=url, type=type_, id=id_, resource=None
        )
        return await self._one(entry)

    async def settled(self) -> None:
        """Wait until all that was taken in is in a batch on the ledger."""
        await self._batcher.settled()

    # --- steps -------------------------------------------------------------------------------

    async def _one(self, entry: Entry) -> Outcome:
        (outcome,) = await self.take(Bundle("batch", (entry,)))
        if outcome.error is not None:
            raise outcome.error
        return outcome

    async def _taken(self, data: bytes) -> list[Outcome] | FhirError:
        try:
            return await self.bundle(data)
        except FhirError as error:
            return error

    async def _in_turn(self, parsed: asyncio.Future[Bundle]) -> list[Outcome]:
        """Plan in turn and store in turn; what is costly in between overlaps.

        A plan looks only at the directory. So whoever changes that is waited for.
        """
        async with self._room:
            async with self._turn:
                bundle = await parsed
                before, done = self._last, asyncio.Event()
                planned = plan(bundle, self._directory)
                self._last = done
                if planned.changes_directory:
                    return await self._finish(bundle, planned, before, done)
            return await self._finish(bundle, planned, before, done)

    async def _finish(
        self, bundle: Bundle, planned: Plan, before: asyncio.Event, done: asyncio.Event
    ) -> list[Outcome]:
        try:
            try:
                return await self._store(planned, before)
            except IdTaken:
                fresh = plan(bundle, self._directory, fresh=True)
                return await self._store(fresh, before)
        finally:
            await before.wait()
            done.set()

    async def _store(self, planned: Plan, before: asyncio.Event) -> list[Outcome]:
        """Check, enrol who is new, and, once what came before is stored, store."""
        checked = await self._elsewhere(prepare, planned)
        doing = ordered(planned, checked)
        if planned.type == "transaction":
            await self._check_references(doing, before)
        await self._enrol(doing)
        await before.wait()
        done: dict[int, Stored | FhirError] = {}
        arrivals: list[tuple[int, Arrival]] = []
        local = only_patient(doing)
        fallback = None if local is None else self._organisation.vault.patient(local)
        for one, resource in doing:
            try:
                arrivals.append((one.entry.position, self._arrival(one, resource, fallback)))
            except FhirError as error:
                if planned.type == "transaction":
                    raise error.under(one.entry.place) from None
                done[one.entry.position] = error
        done |= await self._put(arrivals, whole=planned.type == "transaction")
        for one, resource in doing:
            if resource is not None and isinstance(done.get(one.entry.position), Stored):
                self._directory.add(resource.facts)
        self._batcher.wake()
        return [
            outcome_of(one, outcome if isinstance(outcome, FhirError) else done.get(position))
            for position, (one, outcome) in enumerate(zip(planned.entries, checked, strict=True))
        ]

    async def _put(
        self, arrivals: Sequence[tuple[int, Arrival]], *, whole: bool
    ) -> dict[int, Stored | FhirError]:
        """Store all; where a batch fails as a whole, each on its own."""
        try:
            stored = await self._write([arrival for _, arrival in arrivals])
        except IdTaken:
            raise
        except FhirError:
            if whole:
                raise
        else:
            return {at: one for (at, _), one in zip(arrivals, stored, strict=True)}
        done: dict[int, Stored | FhirError] = {}
        for at, arrival in arrivals:
            try:
                (done[at],) = await self._write([arrival])
            except FhirError as error:
                done[at] = error
        return done

    async def _write(self, arrivals: Sequence[Arrival]) -> list[Stored]:
        organisation = self._organisation
        try:
            return await asyncio.to_thread(organisation.vault.put, arrivals, organisation.clock())
        except VersionConflict as error:
            if error.expected == 0:
                raise IdTaken from error
            raise Conflict("the version that is the newest now") from error
        except WrongOwner as error:
            raise Conflict("a resource of the same patient") from error
        except (NoOwner, NotRegistered) as error:
            raise NobodysRecord("a patient of this organisation") from error

    async def _enrol(self, doing: Sequence[tuple[Planned, Checked | None]]) -> None:
        """Give each patient who is new here an account."""
        vault = self._organisation.vault
        new = [
            resource.facts.id
            for _, resource in doing
            if resource is not None and resource.facts.type == "Patient" and resource.facts.id
        ]
        async with self._enrolling:
            unknown = [local for local in dict.fromkeys(new) if vault.patient(local) is None]
            if unknown:
                await enrol(self._organisation, unknown)

    def _arrival(
        self, one: Planned, resource: Checked | None, fallback: PatientRef | None
    ) -> Arrival:
        id_ = one.id or ""
        if resource is None:
            owner = self._organisation.vault.owner(one.entry.type, id_)
            if owner is None:
                raise Conflict("a resource that is there")
            patient = None if owner.patient == DIRECTORY else owner.patient
            return Arrival(patient, one.entry.type, id_, b"", None, one.if_version)
        patient = self._patient(resource, fallback)
        return Arrival(patient, one.entry.type, id_, resource.data, resource.facts, one.if_version)

    def _patient(self, resource: Checked, fallback: PatientRef | None) -> PatientRef | None:
        """Whose the resource is: its first patient who is one here."""
        facts = resource.facts
        for local in facts.patients:
            ref = self._organisation.vault.patient(local)
            if ref is not None:
                return ref
        if facts.type in DIRECTORY_TYPES and not facts.patients:
            return None
        if fallback is not None and not facts.patients:
            return fallback
        raise NobodysRecord("a patient of this organisation")

    async def _check_references(
        self, doing: Sequence[tuple[Planned, Checked | None]], before: asyncio.Event
    ) -> None:
        """A transaction may refer to nothing that is not there."""
        for one, resource in doing:
            for target in resource.refers_to if resource is not None else ():
                if self._is_there(target):
                    continue
                await before.wait()  # it may be of a bundle that is being stored
                if not self._is_there(target):
                    place = f"{one.entry.place}.resource"
                    raise DanglingReference("references to what is there", place)

    def _is_there(self, target: str) -> bool:
        if self._known.get(target):
            return True
        type_, _, id_ = target.partition("/")
        if self._organisation.vault.owner(type_, id_) is None:
            return False
        self._known.put(target, value=True)
        return True

    async def _elsewhere(self, work: Callable[[A], T], argument: A) -> T:
        """Do pure work off the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, work, argument)
