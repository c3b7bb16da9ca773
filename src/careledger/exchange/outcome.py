"""What became of what was taken in, entry by entry, and why something was not."""

from collections.abc import Iterable
from dataclasses import dataclass

from careledger.exchange.plan import Checked, Planned
from careledger.fhir.errors import FhirError, InvalidBundle
from careledger.vault.deposit import Stored


class Conflict(InvalidBundle):
    """The resource has moved on since the caller looked, or belongs to another patient."""

    code = "conflict"
    status = 412


class NobodysRecord(InvalidBundle):
    """Clinical data about no patient of this organisation."""

    code = "required"
    status = 422


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one entry; `status` is the HTTP status."""

    status: int
    type: str
    id: str | None = None
    version: int | None = None
    error: FhirError | None = None


class IdTaken(Exception):
    """An id that the bundle proposed is in use."""


def outcome_of(one: Planned, done: Stored | FhirError | None) -> Outcome:
    """The outcome of one entry; `done` is what storing it came to."""
    type_ = one.entry.type
    if one.error is not None:
        return Outcome(one.error.status, type_, one.id, error=one.error)
    if isinstance(done, FhirError):
        return Outcome(done.status, type_, one.id, error=done)
    if done is None:
        return Outcome(200, type_, one.id)
    if one.deletes:
        return Outcome(204, type_, one.id, done.version)
    return Outcome(201 if done.version == 1 else 200, type_, one.id, done.version)


def only_patient(doing: Iterable[tuple[Planned, Checked | None]]) -> str | None:
    """The one patient that a bundle brings, whose is what names nobody."""
    found = [
        resource.facts.id
        for _, resource in doing
        if resource is not None and resource.facts.type == "Patient"
    ]
    return found[0] if len(found) == 1 else None
