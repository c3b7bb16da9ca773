"""From an element of a model to the values a search parameter has there (FHIR R4 3.1.1.4).

One function per kind of parameter and datatype, chosen when the readers are compiled. Amounts are
not here: their digits come from the bytes, `fhir.search.figures`.
"""

from collections.abc import Callable, Iterable, Mapping
from re import compile as regex
from typing import Any, Final  # Any: each function takes the datatype it is listed under

import msgspec

from careledger.fhir.dates import EARLIEST, LATEST, Span, span
from careledger.fhir.search.values import ReferenceValue, TokenValue

Convert = Callable[[Any], tuple[Any, ...]]  # the values are of the parameter's kind

TYPES_OF_IDENTIFIER: Final = "Identifier.type"
"""In place of the datatype, for what `:of-type` compares."""

_LITERAL: Final = regex(
    r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?"
)


def _texts(value: Any, single: tuple[str, ...], many: tuple[str, ...]) -> tuple[str, ...]:
    found = [text for name in single if (text := getattr(value, name)) is not None]
    for name in many:
        found += [text for text in getattr(value, name) or () if text is not None]
    return tuple(found)


def _human_name(name: Any) -> tuple[str, ...]:
    return _texts(name, ("text", "family"), ("given", "prefix", "suffix"))


def _address(address: Any) -> tuple[str, ...]:
    parts = ("text", "city", "district", "state", "postalCode", "country")
    return _texts(address, parts, ("line",))


def _itself(value: Any) -> tuple[Any, ...]:
    return (value,)


def _coding(coding: Any) -> tuple[TokenValue, ...]:
    return (TokenValue(coding.system or "", coding.code or "", coding.display or ""),)


def _concept(concept: Any) -> tuple[TokenValue, ...]:
    """Return a value for each coding; one without a code for a text that none of them displays."""
    found = [
        TokenValue(coding.system or "", coding.code or "", coding.display or "")
        for coding in concept.coding or ()
    ]
    text = concept.text
    if text is not None and all(token.text != text for token in found):
        found.append(TokenValue("", "", text))
    return tuple(found)


def token_of(identifier: Any) -> tuple[TokenValue, ...]:
    """Return what an Identifier is found by; its type is its text."""
    if identifier.value is None and identifier.system is None:
        return ()
    kind = identifier.type
    text = "" if kind is None else kind.text or ""
    return (TokenValue(identifier.system or "", identifier.value or "", text),)


def _types_of(identifier: Any) -> tuple[TokenValue, ...]:
    """Return each coding of an identifier's type, with the identifier's value as its text."""
    value, kind = identifier.value, identifier.type
    if value is None or kind is None:
        return ()
    return tuple(
        TokenValue(coding.system or "", coding.code, value)
        for coding in kind.coding or ()
        if coding.code is not None
    )


def _contact_point(contact: Any) -> tuple[TokenValue, ...]:
    return () if contact.value is None else (TokenValue(contact.system or "", contact.value),)


def _boolean(value: Any) -> tuple[TokenValue, ...]:
    return (TokenValue("", "true" if value else "false"),)


def _plain(value: Any) -> tuple[TokenValue, ...]:
    return (TokenValue("", value),)


def _deceased(patient: Any) -> tuple[TokenValue, ...]:
    """Return false too where nothing is said: `Patient.deceased.exists() and ... != false`."""
    return _boolean(patient.deceasedBoolean or patient.deceasedDateTime is not None)


def code_in(system: str) -> Convert:
    """Return the conversion of a `code` whose binding implies a system."""
    return lambda value: (TokenValue(system, value),)


def _reference(reference: Any) -> tuple[ReferenceValue, ...]:
    """Return nothing for `#contained`: what is inside a resource is no answer to a search."""
    text, named = reference.reference, None
    if reference.identifier is not None:
        named = next(iter(token_of(reference.identifier)), None)
    if text is None or text.startswith("#"):
        return () if named is None else (ReferenceValue(reference.type or "", identifier=named),)
    return (_literal(text, reference.type or "", named),)


def _literal(text: str, type_: str, named: TokenValue | None) -> ReferenceValue:
    match = None if text.startswith("urn:") else _LITERAL.fullmatch(text)
    if match is None:
        return ReferenceValue(type_, "", text, "", named)
    type_, id_, version = match.groups()
    elsewhere = text.partition("/_history/")[0] if match.start(1) else ""
    return ReferenceValue(type_, id_, elsewhere, version or "", named)


def _canonical(text: Any) -> tuple[ReferenceValue, ...]:
    url, _, version = text.partition("|")
    if url.startswith("#"):
        return ()
    return (ReferenceValue(url=url.partition("#")[0], version=version.partition("#")[0]),)


class _Head(msgspec.Struct):
    resourceType: str  # noqa: N815  the name FHIR gives it
    id: str = ""


_HEAD: Final = msgspec.json.Decoder(_Head)


def _nested(raw: Any) -> tuple[ReferenceValue, ...]:
    """Return a reference to a resource that stands inside a bundle."""
    if not bytes(raw):
        return ()
    head = _HEAD.decode(raw)
    return (ReferenceValue(head.resourceType, head.id),)


def _date(text: Any) -> tuple[Span, ...]:
    return (span(text),)


def _period(period: Any) -> tuple[Span, ...]:
    first, last = period.start, period.end
    if first is None and last is None:
        return ()
    start = EARLIEST if first is None else span(first)[0]
    return ((start, LATEST if last is None else span(last)[1]),)


def _timing(timing: Any) -> tuple[Span, ...]:
    """Return the outer limits only (FHIR R4 3.1.1.4.7)."""
    spans = [span(event) for event in timing.event or () if event is not None]
    if timing.repeat is not None and timing.repeat.boundsPeriod is not None:
        spans += _period(timing.repeat.boundsPeriod)
    return _hull(spans)


def _hull(spans: Iterable[Span]) -> tuple[Span, ...]:
    both = list(spans)
    return ((min(s for s, _ in both), max(e for _, e in both)),) if both else ()


def _whole_number(value: Any) -> tuple[str, ...]:
    return (str(value),)


CONVERSIONS: Final[Mapping[tuple[str, str], Convert]] = {
    ("string", "string"): _itself,
    ("string", "markdown"): _itself,
    ("string", "HumanName"): _human_name,
    ("string", "Address"): _address,
    ("token", "Coding"): _coding,
    ("token", "CodeableConcept"): _concept,
    ("token", "Identifier"): token_of,
    ("token", TYPES_OF_IDENTIFIER): _types_of,
    ("token", "ContactPoint"): _contact_point,
    ("token", "boolean"): _boolean,
    ("token", "code"): _plain,
    ("token", "id"): _plain,
    ("token", "string"): _plain,
    ("token", "uri"): _plain,
    ("token", "deceased"): _deceased,
    ("reference", "Reference"): _reference,
    ("reference", "canonical"): _canonical,
    ("reference", "uri"): _canonical,
    ("reference", "Resource"): _nested,
    ("date", "date"): _date,
    ("date", "dateTime"): _date,
    ("date", "instant"): _date,
    ("date", "Period"): _period,
    ("date", "Timing"): _timing,
    ("number", "integer"): _whole_number,
    ("uri", "uri"): _itself,
    ("uri", "url"): _itself,
    ("uri", "canonical"): _itself,
}
"""By kind of parameter and R4 datatype; for each pair of the table without decimals."""
