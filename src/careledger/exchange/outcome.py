"""What became of what was taken in, entry by entry, and why something was not."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from careledger.exchange.checking import Checked
from careledger.exchange.planned import Planned
from careledger.fhir.errors import FhirError, InvalidBundle
from careledger.vault.deposit import Stored


class NobodysRecord(InvalidBundle):
    """About no patient of this organisation, and not, beyond doubt, about nobody."""

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
    stored: int | None = None
    """UTC second at which the version was stored."""
    data: bytes | None = field(default=None, repr=False)
    """What is stored now."""


class IdTaken(Exception):
    """An id that the bundle proposed is in use."""


def outcome_of(
    one: Planned, ready: Checked | FhirError | None, done: Stored | FhirError | None, at: int
) -> Outcome:
    """The outcome of one entry that was made `ready`; `done` is what storing it came to."""
    type_ = one.entry.type
    if one.error is not None:
        return Outcome(one.error.status, type_, one.id, error=one.error)
    for failed in (ready, done):
        if isinstance(failed, FhirError):
            return Outcome(failed.status, type_, one.id, error=failed)
    if isinstance(done, Stored) and isinstance(ready, Checked):
        status = 201 if done.version == 1 else 200
        return Outcome(status, type_, one.id, done.version, stored=at, data=ready.data)
    if one.deletes or one.nothing:
        version = done.version if isinstance(done, Stored) else None
        return Outcome(204, type_, one.id, version)
    return Outcome(200, type_, one.id)


def only_patient(doing: Iterable[tuple[Planned, Checked | None]]) -> str | None:
    """The one patient that a bundle brings, whose is what names nobody."""
    found = [
        resource.facts.id
        for _, resource in doing
        if resource is not None and resource.facts.type == "Patient"
    ]
    return found[0] if len(found) == 1 else None
