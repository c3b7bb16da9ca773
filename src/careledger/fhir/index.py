"""What is known of a resource without reading it again: the facts that search and consent ask for.

Which elements count as `code`, `category` and `date` of each type: `careledger.fhir.r4.search`,
from the official search parameters.
"""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from careledger.fhir.attached import attached
from careledger.fhir.compartment import patients
from careledger.fhir.dates import EARLIEST, LATEST, Span, instant, span
from careledger.fhir.paths import Read, reader
from careledger.fhir.r4.datatypes import (
    CodeableConcept,
    Coding,
    Identifier,
    Period,
    Reference,
    Timing,
)
from careledger.fhir.r4.search import ELEMENTS
from careledger.fhir.search.extract import values
from careledger.fhir.search.table import ALL, IndexSet
from careledger.fhir.search.values import encode_values

if TYPE_CHECKING:
    from careledger.fhir.model import Model
    from careledger.fhir.resource import Resource

Token = tuple[str, str]
"""System and code; the system is "" where none is given."""


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """The indexable content of one resource. It is clinical data and is sealed like the resource.

    start, end: first and last UTC second of the clinically relevant date; both None where there is
    none, `EARLIEST` or `LATEST` where a period is open.
    authors, encounter: references as written, `Practitioner/1`.
    attached: `Type/id` of what has its content, see `fhir.attached`.
    values: what the search knows of it besides, encoded: `fhir.search.values`.
    """

    type: str
    id: str | None
    patients: tuple[str, ...] = ()
    codes: tuple[Token, ...] = ()
    categories: tuple[Token, ...] = ()
    labels: tuple[Token, ...] = ()
    start: int | None = None
    end: int | None = None
    last_updated: int | None = None
    authors: tuple[str, ...] = ()
    encounter: str | None = None
    identifiers: tuple[Token, ...] = ()
    values: bytes = b""
    attached: tuple[str, ...] = ()


class _Readers(NamedTuple):
    code: Read
    category: Read
    date: Read
    author: Read
    encounter: Read
    identifier: Read


def extract(resource: "Resource", indexed: IndexSet = ALL) -> Facts:
    """Read the facts of a checked resource, with the values of the indexed parameters.

    What consent asks for is read whatever is indexed.
    """
    read, model = _readers(resource.type), resource.model
    start, end = _dates(read.date(model))
    encounters = _references(read.encounter(model))
    labels, last_updated = _meta(model)
    return Facts(
        type=resource.type,
        id=resource.id,
        patients=patients(resource),
        codes=_tokens(read.code(model)),
        categories=_tokens(read.category(model)),
        labels=labels,
        start=start,
        end=end,
        last_updated=last_updated,
        authors=_references(read.author(model)),
        encounter=next((r for r in encounters if "Encounter/" in r or r.startswith("urn:")), None),
        identifiers=_identifiers(read.identifier(model)),
        values=encode_values(values(resource, indexed)),
        attached=attached(resource),
    )


@cache
def _readers(type_: str) -> _Readers:
    elements = ELEMENTS[type_]
    return _Readers(*(reader(getattr(elements, name)) for name in _Readers._fields))


def _tokens(values: list[object]) -> tuple[Token, ...]:
    if not values:
        return ()
    found: dict[Token, None] = {}
    for value in values:
        if type(value) is CodeableConcept:
            for coding in value.coding or ():
                if coding.code is not None:
                    found[coding.system or "", coding.code] = None
        elif type(value) is Coding:
            if value.code is not None:
                found[value.system or "", value.code] = None
        elif type(value) is str:
            found["", value] = None
    return tuple(found)


def _identifiers(values: list[object]) -> tuple[Token, ...]:
    return tuple(
        (value.system or "", value.value)
        for value in values
        if isinstance(value, Identifier) and value.value is not None
    )


def _references(values: list[object]) -> tuple[str, ...]:
    if not values:
        return ()
    texts = (value.reference for value in values if isinstance(value, Reference))
    return tuple(dict.fromkeys(text for text in texts if text is not None))


def _meta(model: "Model") -> tuple[tuple[Token, ...], int | None]:
    meta = getattr(model, "meta", None)
    if meta is None:
        return (), None
    last_updated = None if meta.lastUpdated is None else instant(meta.lastUpdated)
    return _tokens(meta.security or []), last_updated


def _dates(values: list[object]) -> tuple[int, int] | tuple[None, None]:
    spans = [s for value in values for s in _spans(value)]
    if not spans:
        return None, None
    return min(start for start, _ in spans), max(end for _, end in spans)


def _spans(value: object) -> Iterable[Span]:
    if type(value) is str:
        return (span(value),)
    if type(value) is Period:
        if value.start is None and value.end is None:
            return ()
        start = EARLIEST if value.start is None else span(value.start)[0]
        return ((start, LATEST if value.end is None else span(value.end)[1]),)
    if type(value) is Timing:
        bounds = value.repeat.boundsPeriod if value.repeat is not None else None
        return (*(span(event) for event in value.event or () if event), *_spans(bounds))
    return ()
