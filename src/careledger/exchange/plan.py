"""Planning a bundle: which id every entry gets, what exists already, where references lead.

The plan looks things up and changes nothing. `prepare` then does the costly part, pure and
therefore fit for another process: references resolved, resources checked, facts read.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from re import compile as regex
from typing import Final

from careledger.exchange.directory import Directory
from careledger.fhir.bundle import Bundle, Entry, Kind, is_conditional
from careledger.fhir.errors import (
    DanglingReference,
    EntryIncomplete,
    FhirError,
    UnsupportedRequest,
    WrongType,
)
from careledger.fhir.index import Facts, extract
from careledger.fhir.references import references, resolve_references, with_id
from careledger.fhir.resource import parse_resource
from careledger.vault.deposit import DIRECTORY_TYPES

_URN: Final = "urn:uuid:"
_LOCAL: Final = regex(r"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_IF_MATCH: Final = regex(r'(?:W/)?"([0-9]{1,9})"')


@dataclass(frozen=True, slots=True)
class Planned:
    """One entry with its fate: created, updated, deleted, there already, or refused."""

    entry: Entry
    id: str | None = None
    if_version: int | None = None
    exists: bool = False
    """It is there already, and a conditional create leaves it as it is."""
    error: FhirError | None = None

    @property
    def target(self) -> str | None:
        """Where references to the entry lead."""
        return None if self.id is None else f"{self.entry.type}/{self.id}"

    @property
    def stores(self) -> bool:
        """Whether a resource is to be stored."""
        return self.error is None and not self.exists and self.entry.resource is not None

    @property
    def deletes(self) -> bool:
        """Whether a resource is to be deleted."""
        return self.error is None and self.entry.method == "DELETE"


@dataclass(frozen=True, slots=True)
class Plan:
    """Every entry, in the bundle's own order, and what its references become."""

    type: Kind
    entries: tuple[Planned, ...]
    mapping: Mapping[str, str]

    @property
    def changes_directory(self) -> bool:
        """Whether what is planned after it may depend on it."""
        return any(
            one.entry.type in DIRECTORY_TYPES and (one.stores or one.deletes)
            for one in self.entries
        )


@dataclass(frozen=True, slots=True)
class Checked:
    """A resource ready to be stored."""

    data: bytes
    facts: Facts
    refers_to: frozenset[str]
    """Resources of this server that it refers to and that are not of its own bundle."""


def plan(bundle: Bundle, directory: Directory, *, fresh: bool = False) -> Plan:
    """Plan a bundle; with `fresh`, ids are drawn anew where the bundle proposes some.

    Raises:
        FhirError: an entry of a transaction that cannot be done.
    """
    planned = tuple(
        _planned(entry, bundle.type, directory, fresh=fresh) for entry in bundle.entries
    )
    mapping = bundle.mapping([one.target for one in planned])
    for one in planned:
        for reference in one.entry.references:
            if is_conditional(reference) and reference not in mapping:
                try:
                    found = directory.resolve(reference)
                except FhirError:
                    found = None
                if found is not None:
                    mapping[reference] = found
    return Plan(bundle.type, planned, mapping)


def _planned(entry: Entry, kind: Kind, directory: Directory, *, fresh: bool) -> Planned:
    if entry.error is not None:
        return Planned(entry, error=entry.error)
    try:
        return _fate(entry, directory, fresh=fresh)
    except FhirError as error:
        if kind == "transaction":
            raise error.under(entry.place) from None
        return Planned(entry, error=error)


def _fate(entry: Entry, directory: Directory, *, fresh: bool) -> Planned:
    match entry.method:
        case "GET":
            raise UnsupportedRequest("no reads inside a bundle")
        case "POST":
            found = directory.find(entry.type, entry.if_none_exist) if entry.if_none_exist else ()
            if len(found) > 1:
                raise EntryIncomplete("a condition that at most one resource meets")
            if found:
                return Planned(entry, next(iter(found)), exists=True)
            return Planned(entry, _new_id(entry, fresh=fresh), if_version=0)
        case "PUT" | "DELETE":
            return Planned(entry, _named(entry, directory), if_version=_version(entry.if_match))


def _new_id(entry: Entry, *, fresh: bool) -> str:
    """The id that a bundle proposes by `urn:uuid:`, unless it is taken; else a random one."""
    proposed = entry.full_url or ""
    if proposed.startswith(_URN) and not fresh:
        try:
            return str(uuid.UUID(proposed.removeprefix(_URN)))
        except ValueError:
            pass
    return str(uuid.uuid4())


def _named(entry: Entry, directory: Directory) -> str:
    if entry.id is not None:
        return entry.id
    found = directory.find(entry.type, entry.condition or "")
    if len(found) > 1 or (not found and entry.method == "DELETE"):
        raise EntryIncomplete("a condition that one resource meets")
    return next(iter(found), None) or str(uuid.uuid4())


def _version(if_match: str | None) -> int | None:
    if if_match is None:
        return None
    match = _IF_MATCH.fullmatch(if_match)
    if match is None:
        raise EntryIncomplete('a version such as W/"3"', "request.ifMatch")
    return int(match[1])


Preparation = Checked | FhirError


def prepare(plan: Plan) -> list[Preparation | None]:
    """Check what is to be stored, in the bundle's order; None where nothing is.

    Raises:
        FhirError: a resource of a transaction that cannot be stored.
    """
    own = frozenset(filter(None, (one.target for one in plan.entries)))
    prepared: list[Preparation | None] = []
    for one in plan.entries:
        if not one.stores:
            prepared.append(None)
            continue
        try:
            prepared.append(_check(one, plan.mapping, own))
        except FhirError as error:
            error.under(f"{one.entry.place}.resource")
            if plan.type == "transaction":
                raise
            prepared.append(error)
    return prepared


def _check(one: Planned, mapping: Mapping[str, str], own: frozenset[str]) -> Checked:
    if any(reference not in mapping for reference in one.entry.references):
        raise DanglingReference("references that lead to exactly one resource")
    raw = resolve_references(one.entry.resource or b"", mapping)
    if one.entry.id is None:
        raw = with_id(raw, one.id or "")
    resource = parse_resource(raw)
    if resource.id != one.id:
        raise WrongType("the id that its request names", f"{resource.type}.id")  # R4 3.1.0.3
    refers = (_LOCAL.fullmatch(reference) for reference in references(resource.raw))
    outside = {match[1] for match in refers if match is not None} - own
    return Checked(resource.raw, extract(resource), frozenset(outside))


def ordered(
    plan: Plan, prepared: Sequence[Preparation | None]
) -> list[tuple[Planned, Checked | None]]:
    """What is to be done, in the order of processing (FHIR R4 3.1.0.11.2)."""
    verbs = ("DELETE", "POST", "PUT")
    doing = [
        (one, ready if isinstance(ready, Checked) else None)
        for one, ready in zip(plan.entries, prepared, strict=True)
        if one.deletes or isinstance(ready, Checked)
    ]
    return sorted(doing, key=lambda pair: verbs.index(pair[0].entry.method))
