"""Taking into the index what the organisation's own FHIR server has: facts and commitments.

The bodies stay there. Taking the same in again changes nothing, so whoever reads that server may
begin anew at any time. What belongs to no patient here is left out: the default is no.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import Final, Self

from careledger.exchange.bodies import Name
from careledger.exchange.enrolling import enrol
from careledger.exchange.organisation import Organisation
from careledger.fhir.canonical import canonical
from careledger.fhir.compartment import ROSTERS
from careledger.fhir.errors import MissingElement
from careledger.fhir.index import Facts, extract
from careledger.fhir.nobody import OWN_TYPES, nobodys
from careledger.fhir.resource import parse_resource
from careledger.vault.bodies import Standing
from careledger.vault.deposit import DIRECTORY_TYPES, Arrival
from careledger.vault.objects import DIRECTORY, PatientRef
from careledger.vault.vault import Vault

NOBODY: Final = PatientRef(b"")
"""Whose a resource is that is of no patient here, and not of the directory either."""


@dataclass(slots=True)
class Tally:
    """How many resources had which fate. Mutable: a long walk adds up."""

    new: int = 0
    changed: int = 0
    same: int = 0
    deleted: int = 0
    moved: int = 0
    """Of another patient than before: no longer here, as if deleted."""
    left_out: int = 0
    """No R4 resource as this gateway reads them, or of no patient here."""

    def __iadd__(self, other: "Tally") -> Self:
        """Add up."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    @property
    def all(self) -> int:
        """How many there were."""
        return self.new + self.changed + self.same + self.deleted + self.moved + self.left_out


@dataclass(frozen=True, slots=True)
class Body:
    """A resource as that server has it, read and checked."""

    facts: Facts
    raw: bytes = field(repr=False)
    committed: bytes = field(repr=False)
    """What a commitment to it is over: canonical JSON, of `meta` only the labels."""
    leads_to: tuple[str, ...] | None = ()
    """What it refers to here, if it names no patient; None if it may be about a person."""

    @property
    def name(self) -> Name:
        """Type and id."""
        return self.facts.type, self.facts.id or ""

    def is_known(self, facts: Facts) -> bool:
        """Whether `facts` say as much as these of what decides who may see it.

        The commitment leaves `meta` out, so labels are compared besides.
        """
        return (facts.labels, facts.patients) == (self.facts.labels, self.facts.patients)


class Intake:
    """Takes in for one organisation; any thread may call what is not `async`."""

    def __init__(self, organisation: Organisation, wake: Callable[[], None]) -> None:
        """`wake` is called, from any thread, when there is something to commit."""
        self._organisation, self._wake = organisation, wake
        self._lock = RLock()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Take in nothing else until the end of the block, but from this thread."""
        with self._lock:
            yield
            self._wake()

    async def take(self, bodies: Sequence[Body]) -> Tally:
        """Take in what that server has now; patients who are new here are enrolled first.

        Raises:
            Unavailable: disk or ledger; taking the same in again is safe.
        """
        vault = self._organisation.vault
        people = dict.fromkeys(one.name[1] for one in bodies if one.facts.type == "Patient")
        unknown = [local for local in people if vault.patient(local) is None]
        if unknown:
            await enrol(self._organisation, unknown)
        return await asyncio.to_thread(self.put, bodies)

    def read(self, raw: bytes) -> Body:
        """Check a resource and read what is to be known of it.

        Raises:
            FhirError: it is none that this gateway reads, or has no id.
        """
        resource = parse_resource(raw)
        if resource.id is None:
            raise MissingElement("an id", f"{resource.type}.id")
        facts = extract(resource, self._organisation.indexed)
        return Body(facts, raw, canonical(raw), () if facts.patients else nobodys(resource))

    def put(self, bodies: Sequence[Body]) -> Tally:
        """Like `take`, for patients who are known here; what is another's is left out."""
        tally, arrivals = Tally(), dict[Name, Arrival]()
        with self._lock:
            for body in bodies:
                arrival = self._arrival(body, tally)
                if arrival is not None:
                    arrivals[body.name] = arrival
            self._put(list(arrivals.values()))
        return tally

    def gone(self, names: Sequence[Name]) -> Tally:
        """That server has these no longer."""
        arrivals = list[Arrival]()
        with self._lock:
            for name in dict.fromkeys(names):
                standing = self._organisation.vault.standing(*name, b"", lambda _: False)
                if standing is not None and not standing.deleted:
                    arrivals.append(_deletion(name, standing))
            self._put(arrivals)
        return Tally(deleted=len(arrivals))

    def _arrival(self, body: Body, tally: Tally) -> Arrival | None:
        vault = self._organisation.vault
        patient = owner_of(vault, body.facts, body.leads_to)
        before = vault.standing(*body.name, body.committed, body.is_known)
        if before is not None and before.patient != (patient or DIRECTORY):
            if before.deleted:
                tally.left_out += 1
                return None
            tally.moved += 1
            return _deletion(body.name, before)
        if patient == NOBODY:
            tally.left_out += 1
            return None
        if before is not None and before.same:
            tally.same += 1
            return None
        if before is None:
            tally.new += 1
        else:
            tally.changed += 1
        type_, id_ = body.name
        version = 0 if before is None else before.version
        return Arrival(patient, type_, id_, body.committed, body.facts, version, elsewhere=True)

    def _put(self, arrivals: Sequence[Arrival]) -> None:
        if arrivals:
            self._organisation.vault.put(arrivals, self._organisation.clock())
            self._wake()


def owner_of(vault: Vault, facts: Facts, leads_to: tuple[str, ...] | None) -> PatientRef | None:
    """Whose a resource is: its first patient who is one here; None is the organisation's own."""
    for local in facts.patients:
        ref = vault.patient(local)
        if ref is not None:
            return ref
    if facts.type in ROSTERS:
        return None
    if facts.patients or leads_to is None:
        return NOBODY
    if facts.type in DIRECTORY_TYPES:
        return None
    is_own = facts.type in OWN_TYPES and all(_is_nobodys(vault, name) for name in leads_to)
    return None if is_own else NOBODY


def _is_nobodys(vault: Vault, name: str) -> bool:
    type_, _, id_ = name.partition("/")
    owner = vault.owner(type_, id_)
    return owner is not None and owner.patient == DIRECTORY


def _deletion(name: Name, standing: Standing) -> Arrival:
    patient = None if standing.patient == DIRECTORY else standing.patient
    return Arrival(patient, *name, b"", None, standing.version)
