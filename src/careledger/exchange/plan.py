"""Planning a bundle: which id every entry gets, what exists already, where references lead.

The plan looks things up and changes nothing; what is costly follows in `exchange.checking`.
"""

import uuid
from re import compile as regex
from typing import Final

from careledger.exchange.planned import Plan, Planned
from careledger.exchange.writer import Finding
from careledger.fhir.bundle import READS, Bundle, Entry, Kind, is_conditional
from careledger.fhir.errors import (
    EntryIncomplete,
    EntryRepeated,
    FhirError,
    InvalidBundle,
    UnsupportedRequest,
)
from careledger.fhir.references import id_in
from careledger.vault.deposit import DIRECTORY_TYPES

_URN: Final = "urn:uuid:"
_IF_MATCH: Final = regex(r'(?:W/)?"([1-9][0-9]{0,14})"')
_ANY: Final = "*"


class Conflict(InvalidBundle):
    """The resource has moved on since the caller looked, or belongs to another patient."""

    code = "conflict"
    status = 412


class NotThere(InvalidBundle):
    """No such resource, or none that the writer may know of."""

    code = "not-found"
    status = 404


def plan(bundle: Bundle, finding: Finding, *, fresh: bool = False) -> Plan:
    """Plan a bundle; with `fresh`, ids are drawn anew where the bundle proposes some.

    Raises:
        FhirError: an entry of a transaction that cannot be done.
    """
    fresh = fresh or not finding.keeps_records
    planned = tuple(_planned(entry, bundle.type, finding, fresh=fresh) for entry in bundle.entries)
    if bundle.type == "transaction":
        _check_targets(planned)
    mapping = bundle.mapping([one.target for one in planned])
    for one in planned:
        for reference in one.entry.references:
            if is_conditional(reference) and reference not in mapping:
                found = finding.resolve(reference)
                if found is not None:
                    mapping[reference] = found
    return Plan(bundle.type, planned, mapping, finding.indexed)


def changes_directory(planned: Plan) -> bool:
    """Whether what is planned after it may depend on it."""
    return any(
        one.entry.type in DIRECTORY_TYPES and (one.stores or one.deletes) for one in planned.entries
    )


def _check_targets(planned: tuple[Planned, ...]) -> None:
    """No resource twice in one transaction, however it is named (FHIR R4 3.1.0.11.2)."""
    met = set[object]()
    for one in planned:
        named: object = one.target if one.stores or one.deletes else None
        if one.stores and one.entry.if_none_exist is not None:
            named = (one.entry.type, one.entry.if_none_exist)
        if named is not None and named in met:
            raise EntryRepeated("one entry for each resource", f"{one.entry.place}.request.url")
        met.add(named)


def _planned(entry: Entry, kind: Kind, finding: Finding, *, fresh: bool) -> Planned:
    if entry.error is not None:
        return Planned(entry, error=entry.error)
    try:
        return _fate(entry, finding, fresh=fresh)
    except FhirError as error:
        if kind == "transaction":
            raise error.under(entry.place) from None
        return Planned(entry, error=error)


def _fate(entry: Entry, finding: Finding, *, fresh: bool) -> Planned:
    if entry.method in READS:
        return Planned(entry, nothing=True)
    if entry.method == "POST":
        found = finding.find(entry.type, entry.if_none_exist) if entry.if_none_exist else None
        if found is not None:
            return Planned(entry, found, exists=True)
        return Planned(entry, _new_id(entry, fresh=fresh), if_version=0)
    version = _version(entry.if_match)
    id_ = entry.id or finding.find(entry.type, entry.condition or "")
    if entry.method == "PUT":
        return _put(entry, id_, version, finding)
    if id_ is None and entry.method == "DELETE":
        return Planned(entry, nothing=True)
    if id_ is None or not finding.is_there(entry.type, id_):
        raise NotThere("a resource that is there")
    base, version = _base(entry, id_, version, finding)
    return Planned(entry, id_, if_version=version, base=base)


def _put(entry: Entry, id_: str | None, version: int | None, finding: Finding) -> Planned:
    """An update; a new resource only where the writer may choose its id (FHIR R4 3.1.0.4.1)."""
    if id_ is None:  # no resource meets the condition
        own = id_in(entry.resource or b"")
        if entry.if_match is not None:
            raise Conflict("the version that is the newest now")
        if own is None:
            return Planned(entry, str(uuid.uuid4()), if_version=0)
        if not finding.keeps_records:
            raise UnsupportedRequest("no id: it is given here")
        if finding.is_there(entry.type, own):
            raise Conflict("an id that is not taken")
        return Planned(entry, own)
    if finding.keeps_records and entry.if_match != _ANY:
        return Planned(entry, id_, if_version=version)
    if not finding.is_there(entry.type, id_):
        if finding.keeps_records:  # RFC 9110 13.1.1: there must be a version
            raise Conflict("a resource that is there")
        raise NotThere("a resource that is there")
    return Planned(entry, id_, if_version=version)


def _base(
    entry: Entry, id_: str, version: int | None, finding: Finding
) -> tuple[bytes | None, int | None]:
    """What a patch changes, and its version; a deletion needs no look at what goes."""
    if entry.method != "PATCH":
        return None, version
    current = finding.current(entry.type, id_)
    if current is None:
        raise NotThere("a resource that is there")
    if version not in {None, current.version}:
        raise Conflict("the version that is the newest now")
    return current.data, current.version


def _new_id(entry: Entry, *, fresh: bool) -> str:
    """The id that a bundle proposes by `urn:uuid:`, unless it is taken; else a random one."""
    proposed = entry.full_url or ""
    if proposed.startswith(_URN) and not fresh:
        try:
            return str(uuid.UUID(proposed.removeprefix(_URN)))
        except ValueError:
            pass
    return str(uuid.uuid4())


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match == _ANY:
        return None
    match = _IF_MATCH.fullmatch(if_match.strip())
    if match is None:
        raise EntryIncomplete('a version such as W/"3"', "request.ifMatch")
    return int(match[1])
